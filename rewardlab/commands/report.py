"""`rewardlab report`: tables, figures and a page about finished runs."""

from argparse import Namespace

from rewardlab.report.command import report


def main(given: Namespace) -> int:
    """Write a report; see `rewardlab/report/build.py`."""
    return report(
        given.paths, given.out, filters=given.filter, baseline=given.baseline, paired=given.paired, by=given.by
    )
