"""`rewardlab report`: tables, figures and a page about finished runs."""

from argparse import Namespace
from pathlib import Path

from rewardlab.report.build import build_report
from rewardlab.report.gather import labelled
from rewardlab.report.options import Options

DEFAULT_PATH = "results"


def main(given: Namespace) -> int:
    """Build the report and print its summary.

    Raises:
        UserError: there are no runs in the paths, or the report's folder can't be written.
    """
    where = None if given.out is None else Path(given.out)
    options = Options(where, tuple(given.filter), given.baseline, given.paired, given.by)
    result = build_report(labelled(given.paths or [DEFAULT_PATH]), options)
    print(result.text)
    if result.again:
        print("Nothing has changed since it was made.")
    return 0
