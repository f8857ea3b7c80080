"""`rewardlab status`: what the runs of a results folder are doing; live on a terminal, once when piped."""

import os
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rewardlab.errors import UserError
from rewardlab.records.lock import live_owner
from rewardlab.records.status import STATES, read_status
from rewardlab.records.table import last_row
from rewardlab.report.numbers import amount, duration, plural, score
from rewardlab.report.reading.plain import Unreadable, clean, read_json
from rewardlab.report.reading.run_folder import MANIFEST, STATUS, TRAINING

_SECONDS = 2.0  # between two scans
_LARGEST = 1e18  # what is beyond, or no number, is not believed
_MOST_ROWS = 30
_HEADINGS = ("state", "run", "frames", "return", "frames/s", "left", "")
_KILLED = "killed"  # running by its status, but nobody holds its lock


@dataclass(frozen=True)
class Doing:
    """One run as it is now; None where nothing is known."""

    name: str
    state: str  # as in `status.json`, or "killed" where the process is gone without having said so
    frames: int
    budget: int | None = None
    fps: float | None = None
    return_mean: float | None = None
    seconds_left: float | None = None  # at the speed of the last row of `train.csv`
    error: str = ""


def main(given: Namespace) -> int:
    """Print the state of every run below a folder: on a terminal again and again, until all have ended or Ctrl-C.

    Raises:
        UserError: there is no such folder, or no run in it.
    """
    root = Path(given.path)
    if not root.is_dir():
        raise UserError(f"{given.path}: no such folder")
    runs = scan(root)
    if not runs:
        raise UserError(f"{given.path}: no runs found (a run is a folder that holds {MANIFEST})")
    live_terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if given.once or not live_terminal or not any(run.state == "running" for run in runs):
        print("\n".join(plain_lines(runs)))
        return 0
    with Live(_table(runs), refresh_per_second=4) as live:
        while any(run.state == "running" for run in runs):
            time.sleep(_SECONDS)
            runs = scan(root)
            live.update(_table(runs))
    return 0


def scan(root: Path) -> list[Doing]:
    """Every run below a folder: what runs first, then what went wrong, then the rest."""
    order = ("running", _KILLED, "failed", "diverged", "interrupted", "unreadable", "finished")
    return sorted(
        (_doing(folder, root) for folder in _folders(root)), key=lambda run: (order.index(run.state), run.name)
    )


def plain_lines(runs: Sequence[Doing]) -> list[str]:
    """The same as text: a line of totals, then a line for each run that did not simply finish."""
    rows: list[tuple[str, ...]] = [_HEADINGS]
    rows += [_cells(run) for run in runs if run.state != "finished"]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return [totals(runs), *(["", *lines] if len(rows) > 1 else [])]


def totals(runs: Sequence[Doing]) -> str:
    """`40 runs: 38 finished, 2 running, the last of them done in 3 min`."""
    counts = Counter(run.state for run in runs)
    told = [f"{counts[state]} {state}" for state in (*STATES, _KILLED, "unreadable") if counts[state]]
    left = [run.seconds_left for run in runs if run.state == "running" and run.seconds_left is not None]
    until = f"; what runs now is done in {duration(max(left))}" if left else ""
    return f"{plural(len(runs), 'run')}: {', '.join(told)}{until}"


def _folders(root: Path) -> Iterator[Path]:
    for current, folders, files in os.walk(root, followlinks=False):
        folders.sort()
        if MANIFEST in files or STATUS in files:
            folders.clear()
            yield Path(current)


def _doing(folder: Path, root: Path) -> Doing:
    name = clean(folder.relative_to(root).as_posix().removeprefix("runs/"), 200)
    found, reason = read_status(folder)
    if found is None:
        # A run that has just begun has a manifest, a lock, and no status yet.
        return Doing(name, "running" if live_owner(folder) else "unreadable", 0, error=reason)
    error = clean(found.error or "", 200)
    if found.state != "running":
        return Doing(name, found.state, found.frames, error=error)
    state = "running" if live_owner(folder) is not None else _KILLED
    try:
        given = read_json(folder / MANIFEST, root).get("frames")
    except Unreadable:
        given = None
    budget = given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else None
    row = {name: value for name, value in last_row(folder / TRAINING).items() if abs(value) < _LARGEST}
    frames = max(found.frames, int(row.get("frames", 0)))
    fps = row.get("fps")
    left = (budget - frames) / fps if budget is not None and fps and state == "running" else None
    return Doing(name, state, frames, budget, fps, row.get("return_mean"), left, error)


def _cells(run: Doing) -> tuple[str, ...]:
    of = f" of {amount(run.budget)} ({min(1.0, run.frames / run.budget):.0%})" if run.budget else ""
    return (
        run.state, run.name, f"{amount(run.frames) or '0'}{of}", score(run.return_mean),
        "" if run.fps is None else f"{run.fps:,.0f}", duration(run.seconds_left), run.error,
    )  # fmt: skip


_COLOURS = {"running": "cyan", "failed": "red", "diverged": "red", "unreadable": "red", "finished": "green"}


def _table(runs: Sequence[Doing]) -> Table:
    """The live table: what runs and what went wrong, the rest as a count."""
    table = Table(box=box.SIMPLE_HEAD, title=Text(totals(runs)), title_justify="left", expand=False)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading in ("return", "frames/s", "left") else "left")
    told = [run for run in runs if run.state != "finished"]
    for run in told[:_MOST_ROWS]:
        state, *rest = _cells(run)
        table.add_row(Text(state, style=_COLOURS.get(state, "yellow")), *map(Text, rest))
    if len(told) > _MOST_ROWS:
        table.caption = Text(f"and {len(told) - _MOST_ROWS} more")
    return table
