"""`rewardlab status`: what the runs of a results folder are doing; live on a terminal, once when piped.

It watches as long as a run is at work or the driver of a sweep lives, who may be starting or between two jobs.
"""

import os
import re
import shutil
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.live import Live
from rich.text import Text

from rewardlab.commands import screen
from rewardlab.errors import UserError
from rewardlab.records.driver import SWEEP, AtWork, at_work
from rewardlab.records.lock import live_owner
from rewardlab.records.status import STATES, read_status
from rewardlab.records.table import last_row
from rewardlab.report.numbers import amount, duration, plural, score
from rewardlab.report.reading.plain import Unreadable, clean, read_json
from rewardlab.report.reading.run_folder import MANIFEST, STATUS
from rewardlab.report.reading.training import TRAINING

_SECONDS = 2.0  # between two scans
_LARGEST = 1e18  # what is beyond, or no number, is not believed
_HEADINGS = ("state", "run", "frames", "return", "frames/s", "left")
_NUMBERS = (3, 4, 5)  # columns that stand to the right
_FEWEST_LINES = 5  # of a live view
_SHORTEST_NAME = 16
_KILLED = "killed"  # running by its status, but nobody holds its lock
_ORDER = ("running", _KILLED, "failed", "diverged", "interrupted", "unreadable", "paused", "finished")


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
    folder: str = ""


@dataclass(frozen=True)
class Seen:
    """A results folder as it is now."""

    runs: tuple[Doing, ...]
    sweeps: tuple[AtWork, ...] = ()

    @property
    def at_work(self) -> bool:
        """Whether there is something to wait for."""
        return bool(self.sweeps) or any(run.state == "running" for run in self.runs)


def main(given: Namespace) -> int:
    """Print the state of every run below a folder: on a terminal again and again, until all have ended or Ctrl-C.

    Raises:
        UserError: there is no such folder, or no run in it.
    """
    root = Path(given.path)
    if not root.is_dir():
        raise UserError(f"{given.path}: no such folder")
    seen = scan(root)
    if not seen.runs and not seen.sweeps:
        raise UserError(f"{given.path}: no runs found (a run is a folder that holds {MANIFEST})")
    live_terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if given.once or not live_terminal or not seen.at_work:
        print("\n".join(lines(seen, None if given.long else screen.width())))
        return 0
    with Live(_view(seen, given.long), refresh_per_second=4) as live:
        while seen.at_work:
            time.sleep(_SECONDS)
            seen = scan(root)
            live.update(_view(seen, given.long))
    return 0


def scan(root: Path) -> Seen:
    """Every run below a folder (what runs first, then what went wrong, then the rest), and the sweeps at work."""
    runs, sweeps = [], []
    for folder, holds_run in _folders(root):
        if holds_run:
            runs.append(_doing(folder, root))
        elif (sweep := at_work(folder)) is not None:
            sweeps.append(sweep)
    return Seen(tuple(sorted(runs, key=lambda run: (_ORDER.index(run.state), run.name))), tuple(sweeps))


def lines(seen: Seen, columns: int | None) -> list[str]:
    """A line of totals, one for each sweep at work, then a line for each run that did not simply finish.

    Args:
        columns: of the terminal: names are shortened and errors cut to it. None: everything is told in full.
    """
    told = [run for run in seen.runs if run.state != "finished"]
    rows = _in_full(told) if columns is None else _fitted(told, columns)
    head = [line for text in (totals(seen.runs), *map(_sweep_line, _followed(seen))) for line in
            screen.wrapped(text, columns, 2)]  # fmt: skip
    return [*head, *(["", *rows] if told else [])]


def totals(runs: Sequence[Doing]) -> str:
    """`40 runs: 38 finished, 2 running, the last of them done in 3 min`."""
    counts = Counter(run.state for run in runs)
    told = [f"{counts[state]} {state}" for state in (*STATES, _KILLED, "unreadable") if counts[state]]
    left = [run.seconds_left for run in runs if run.state == "running" and run.seconds_left is not None]
    until = f"; what runs now is done in {duration(max(left))}" if left else ""
    return f"{plural(len(runs), 'run')}{': ' if told else ''}{', '.join(told)}{until}"


@dataclass(frozen=True)
class _Followed:
    """A sweep at work, and how many of its runs are in which state; "to come" are those that it has still to do."""

    sweep: AtWork
    counts: Counter[str]


def _followed(seen: Seen) -> Iterator[_Followed]:
    states = {run.folder: run.state for run in seen.runs}
    for sweep in seen.sweeps:
        found = (states.get(folder, "to come") for folder in sweep.runs)
        yield _Followed(sweep, Counter("to come" if state in (_KILLED, "interrupted") else state for state in found))


def _sweep_line(followed: _Followed) -> str:
    """`sweep 20260131-101500: 30 jobs: 12 finished, 2 running, 16 to come (process 4711 on HOST since TIME UTC)`."""
    sweep, counts = followed.sweep, followed.counts
    told = ", ".join(f"{counts[state]} {state}" for state in (*STATES, "unreadable", "to come") if counts[state])
    owner = sweep.owner
    by = f"process {owner.pid} on {clean(owner.host, 60)} since {clean(owner.since, 60)[:16].replace('T', ' ')} UTC"
    return f"sweep {clean(sweep.folder.name, 60)}: {plural(len(sweep.runs), 'job')}: {told or 'none'} ({by})"


def _folders(root: Path) -> Iterator[tuple[Path, bool]]:
    """Folders of runs and of sweeps, and whether it is a run's."""
    for current, folders, files in os.walk(root, followlinks=False):
        folders.sort()
        if MANIFEST in files or STATUS in files:
            folders.clear()
            yield Path(current), True
        elif SWEEP in files:
            folders.clear()
            yield Path(current), False


def _doing(folder: Path, root: Path) -> Doing:
    name = clean(folder.relative_to(root).as_posix().removeprefix("runs/"), 300)
    place = os.path.abspath(folder)
    found, reason = read_status(folder)
    if found is None:
        # A run that has just begun has a manifest, a lock, and no status yet.
        return Doing(name, "running" if live_owner(folder) else "unreadable", 0, error=reason, folder=place)
    error = clean(found.error or "", 500)
    if found.state != "running":
        return Doing(name, found.state, found.frames, error=error, folder=place)
    state = "running" if live_owner(folder) is not None else _KILLED
    try:
        given = read_json(folder / MANIFEST, root).get("frames")
    except Unreadable:
        given = None
    budget = given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else None
    row = {key: value for key, value in last_row(folder / TRAINING).items() if abs(value) < _LARGEST}
    frames = max(found.frames, int(row.get("frames", 0)))
    fps = row.get("fps")
    left = (budget - frames) / fps if budget is not None and fps and state == "running" else None
    return Doing(name, state, frames, budget, fps, row.get("return_mean"), left, error, place)


def _in_full(runs: Sequence[Doing]) -> list[str]:
    rows = [(*_HEADINGS, ""), *((*_cells(run, run.name, _frames_in_words(run)), run.error) for run in runs)]
    return screen.aligned(rows)


def _fitted(runs: Sequence[Doing], columns: int) -> list[str]:
    """Rows within the width, their errors below them."""
    names = _short_names([run.name for run in runs])
    rows = [_HEADINGS, *(_cells(run, name, _frames_in_short(run)) for run, name in zip(runs, names, strict=True))]
    others = sum(2 + max(len(row[place]) for row in rows) for place in range(len(_HEADINGS)) if place != 1)
    room = max(_SHORTEST_NAME, columns - others)
    head, *told = screen.aligned([(row[0], screen.cut_middle(row[1], room), *row[2:]) for row in rows], _NUMBERS)
    found = [screen.cut(head, columns)]
    for run, line in zip(runs, told, strict=True):
        error = "" if run.state == "interrupted" else run.error
        found += [screen.cut(line, columns), *([screen.cut(f"  {error}", columns)] if error else [])]
    return found


def _short_names(names: Sequence[str]) -> list[str]:
    """Names of runs without the setting ids at their ends, where those are not needed to tell them apart."""
    short = [re.sub(r"(/seed\d+)-[0-9a-f]+$", r"\1", name) for name in names]
    counts = Counter(short)
    return [text if counts[text] == 1 else name for text, name in zip(short, names, strict=True)]


def _cells(run: Doing, name: str, frames: str) -> tuple[str, ...]:
    fps = "" if run.fps is None else f"{run.fps:,.0f}"
    return run.state, name, frames, score(run.return_mean), fps, duration(run.seconds_left)


def _frames_in_words(run: Doing) -> str:
    of = f" of {amount(run.budget)} ({min(1.0, run.frames / run.budget):.0%})" if run.budget else ""
    return f"{amount(run.frames) or '0'}{of}"


def _frames_in_short(run: Doing) -> str:
    of = f"/{amount(run.budget)} {min(1.0, run.frames / run.budget):.0%}" if run.budget else ""
    return f"{amount(run.frames) or '0'}{of}"


_COLOURS = {"running": "cyan", "failed": "red", "diverged": "red", "unreadable": "red", _KILLED: "yellow",
            "interrupted": "yellow"}  # fmt: skip


def _view(seen: Seen, in_full: bool) -> Text:
    """The live view: as many lines as the terminal has room for."""
    size = shutil.get_terminal_size()
    told = lines(seen, None if in_full else size.columns)
    most = max(_FEWEST_LINES, size.lines - 1)
    if len(told) > most:
        told = [*told[: most - 1], f"and {len(told) - most + 1} lines more"]
    text = Text("\n".join(told), overflow="fold" if in_full else "ellipsis", no_wrap=not in_full)
    for state, colour in _COLOURS.items():
        text.highlight_regex(rf"(?m)^{state}\b", colour)
    return text
