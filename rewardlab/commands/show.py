"""`rewardlab show`: one run as text."""

from argparse import Namespace

from rewardlab.report.show import show


def main(given: Namespace) -> int:
    """Print the summary of a run."""
    return show(given.run)
