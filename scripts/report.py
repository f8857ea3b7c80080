"""Aggregates results: `python scripts/report.py [PATH...] [--out DIR]`, the same code as `rewardlab report`."""

import argparse

from rewardlab.report.command import report


def main() -> int:
    """Parses the command line and builds the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", metavar="PATH", help="results folders (default: results)")
    parser.add_argument("--out", metavar="DIR", help="the report's folder (default: <first PATH>/report)")
    arguments = parser.parse_args()
    return report(arguments.paths, arguments.out)


if __name__ == "__main__":
    raise SystemExit(main())
