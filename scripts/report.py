"""Aggregates results: `python scripts/report.py [PATH...] [--out DIR]` is `rewardlab report`."""

import sys

from rewardlab.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["report", *sys.argv[1:]]))
