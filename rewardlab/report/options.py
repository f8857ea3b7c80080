"""What a report is asked for, and what comes of it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How a report is made.

    Attributes:
        out: the report's folder; `<first path>/report` if None.
        filters: which runs it is about, see `filters.keep`.
        baseline: what schemes are compared with, see `baselines.choose_baselines`.
        paired: whether differences are taken between runs of equal seed.
        by: one of BY: the tables once more for each of its values.
    """

    out: Path | None = None
    filters: tuple[str, ...] = ()
    baseline: str | None = None
    paired: bool = False
    by: str | None = None


@dataclass(frozen=True)
class ReportResult:
    """What was written and what to print.

    Attributes:
        out: the report's folder.
        files: every file written, in order.
        text: a short summary for a terminal, the folder included.
        warnings: where the reader should be careful.
        again: whether everything was there already and nothing had changed.
    """

    out: Path
    files: tuple[Path, ...]
    text: str
    warnings: tuple[str, ...]
    again: bool = False
