"""The `report` command: builds and prints."""

from collections.abc import Sequence
from pathlib import Path

DEFAULT_PATH = "results"


def report(paths: Sequence[str], out: str | None = None) -> int:
    """Builds the report and prints its summary.

    Args:
        paths: results folders; `results` if none is given.
        out: the report's folder; `<first path>/report` if None.

    Returns:
        0.

    Raises:
        UserError: there are no runs in the paths, or the report's folder can't be written.
    """
    # Imported here so that the command line can name this function without waiting for matplotlib.
    from rewardlab.report.build import build_report

    result = build_report([Path(path) for path in paths or [DEFAULT_PATH]], None if out is None else Path(out))
    print(result.text)
    return 0
