"""The `report` command: builds and prints."""

from collections.abc import Sequence
from pathlib import Path

DEFAULT_PATH = "results"


def report(
    paths: Sequence[str],
    out: str | None = None,
    *,
    filters: Sequence[str] = (),
    baseline: str | None = None,
    paired: bool = False,
    by: str | None = None,
) -> int:
    """Builds the report and prints its summary.

    Args:
        paths: results folders, as `PATH` or `LABEL=PATH`; `results` if none is given.
        out: the report's folder; `<first path>/report` if None.
        filters, baseline, paired, by: as in `options.Options`.

    Returns:
        0.

    Raises:
        UserError: there are no runs in the paths, or the report's folder can't be written.
    """
    # Imported here so that the command line can name this function without waiting for matplotlib.
    from rewardlab.report.build import build_report
    from rewardlab.report.gather import labelled
    from rewardlab.report.options import Options

    where = None if out is None else Path(out)
    options = Options(where, tuple(filters), baseline, paired, by)
    result = build_report(labelled(paths or [DEFAULT_PATH]), options)
    print(result.text)
    if result.again:
        print("Nothing has changed since it was made.")
    return 0
