"""`rewardlab status`: what the runs of a results folder are doing."""

from argparse import Namespace

from rewardlab.report.status import status


def main(given: Namespace) -> int:
    """Print the state of all runs, again and again on a terminal."""
    return status(given.path, once=given.once)
