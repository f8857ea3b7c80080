"""`rewardlab report`: tables, figures and a page about finished runs."""

import os
from argparse import Namespace
from pathlib import Path

from rewardlab.machine import one_thread

DEFAULT_PATH = "results"


def main(given: Namespace) -> int:
    """Write a report, if anything has changed since the last one, and print its summary; see `report/build.py`."""
    os.environ.update(one_thread())  # before numpy is there: its threads would have nothing to do but forbid forks
    from rewardlab.report.build import build_report
    from rewardlab.report.gather import labelled
    from rewardlab.report.options import Options

    out = None if given.out is None else Path(given.out)
    options = Options(
        out, tuple(given.filter), given.baseline, given.paired, tuple(given.scale), given.thresholds, given.by
    )
    result = build_report(labelled(given.paths or [DEFAULT_PATH]), options)
    print(result.text)
    if result.again:
        print("Nothing has changed since it was made.")
    return 0
