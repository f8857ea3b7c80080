"""What a report is asked for, and what comes of it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How a report is made."""

    out: Path | None = None  # its folder; `<first path>/report` if None
    filters: tuple[str, ...] = ()  # which runs it is about, see `filters.keep`
    baseline: str | None = None  # what schemes are compared with, see `baselines.choose_baselines`
    paired: bool = False  # whether differences are taken between runs of equal seed
    scales: tuple[str, ...] = ()  # random and optimal returns that are not known, see `scales.given`
    thresholds: str | None = None  # normalised returns that count as reached, see `scales.thresholds`
    by: str | None = None  # one of `build.BY`: the tables once more for each of its values


@dataclass(frozen=True)
class ReportResult:
    """What was written and what to print."""

    out: Path
    files: tuple[Path, ...]  # every file written, in order
    text: str  # a short summary for a terminal, the folder included
    warnings: tuple[str, ...]  # where the reader should be careful
    again: bool = False  # whether everything was there already and nothing had changed
