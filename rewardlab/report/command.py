"""The `report` command: builds, prints, and turns a bad request into one line and exit code 2."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rewardlab.errors import UserError

DEFAULT_PATH = "results"


def report(paths: Sequence[str], out: str | None = None) -> int:
    """Builds the report and prints its summary.

    Args:
        paths: results folders; `results` if none is given.
        out: the report's folder; `<first path>/report` if None.

    Returns:
        0, or 2 if the request is wrong (with one line on stderr).
    """
    # Imported here so that the command line can name this function without waiting for matplotlib.
    from rewardlab.report.build import build_report

    try:
        result = build_report([Path(path) for path in paths or [DEFAULT_PATH]], None if out is None else Path(out))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(result.text)
    return 0
