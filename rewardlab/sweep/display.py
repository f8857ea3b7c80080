"""How a sweep goes: a live view on a terminal, one plain line for each start and end where it is piped."""

import contextlib
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rewardlab.records.status import Status, read_status
from rewardlab.records.table import last_row
from rewardlab.sweep.job import Job, Outcome
from rewardlab.sweep.table import clock

_REFRESH_SECONDS = 1.0


@dataclass(frozen=True)
class Running:
    """A job at work. `before` is the run's status when it was started: the same one still is no news."""

    job: Job
    seconds: float
    before: Status | None


class Display:
    """Plain lines, one for each start and end: what a pipe or a file gets.

    Args:
        total: the number of jobs.
        slots: how many run at once.
    """

    def __init__(self, total: int, slots: int, stream: TextIO) -> None:
        self.total, self.slots, self.stream = total, slots, stream
        self._ended: dict[int, Outcome] = {}

    def started(self, job: Job, reason: str) -> None:
        self._print(f"start {job.number}: {job.label} ({reason})")

    def ended(self, outcome: Outcome) -> None:
        """A job that was left may end a second time, when it is looked at again."""
        known = self._ended.get(outcome.number)
        self._ended[outcome.number] = outcome
        if known is None or known.state != outcome.state:
            time_taken = f" after {clock(outcome.seconds)}" if outcome.seconds is not None else ""
            detail = f": {outcome.detail}" if outcome.detail else ""
            line = f"{outcome.state} {outcome.number}: {outcome.label}{time_taken}{detail}"
            self._print(f"[{len(self._ended)}/{self.total}] {line}")

    def refresh(self, running: Sequence[Running], waiting: int) -> None:
        """Called many times a second."""

    def note(self, text: str) -> None:
        self._print(text)

    def close(self) -> None:
        pass

    def _print(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more: no reason to end a sweep
            print(line, file=self.stream, flush=True)


class LiveDisplay(Display):
    """A row for each running job and a line of totals, redrawn in place; what ends is printed above."""

    def __init__(self, total: int, slots: int, stream: TextIO) -> None:
        super().__init__(total, slots, stream)
        self._console = Console(file=stream)
        # No thread that redraws: this process starts others.
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()
        self._shown_at = -_REFRESH_SECONDS
        self._started_at = time.monotonic()

    def refresh(self, running: Sequence[Running], waiting: int) -> None:
        if time.monotonic() - self._shown_at < _REFRESH_SECONDS:
            return
        self._shown_at = time.monotonic()
        rows = [_look(item) for item in running]
        self._live.update(Group(_table(running, rows), self._totals(rows, waiting)), refresh=True)

    def started(self, job: Job, reason: str) -> None:
        """Its row says so."""

    def close(self) -> None:
        self._live.stop()

    def _print(self, line: str) -> None:
        self._console.print(Text(line))

    def _totals(self, rows: Sequence["_Row"], waiting: int) -> Text:
        counted = Counter(outcome.state for outcome in self._ended.values())
        states = ", ".join(f"{count} {state}" for state, count in counted.items())
        durations = [
            outcome.seconds for outcome in self._ended.values() if outcome.state in ("finished", "continued", "paused")
        ]
        left = eta([row.left for row in rows], waiting, [item for item in durations if item is not None], self.slots)
        so_far = clock(time.monotonic() - self._started_at)
        to_go = f"{clock(left)} left" if left is not None else ""
        parts = (f"{len(self._ended)}/{self.total} done", states, f"{so_far} so far", to_go)
        return Text(" · ".join(filter(None, parts)), style="bold")


def make_display(total: int, slots: int, stream: TextIO | None = None) -> Display:
    """A live view where the stream is a terminal that can do it, plain lines elsewhere."""
    stream = stream or sys.stderr
    live = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return LiveDisplay(total, slots, stream) if live else Display(total, slots, stream)


def eta(running: Sequence[float | None], waiting: int, durations: Sequence[float], slots: int) -> float | None:
    """Seconds until a sweep ends, or None while nothing is known.

    Args:
        running: seconds left of each running job, None where unknown.
        waiting: jobs not started yet.
        durations: seconds that finished jobs took.
        slots: how many run at once.
    """
    known = [seconds for seconds in running if seconds is not None]
    if waiting and not durations:
        return None
    if not known and not durations:
        return None
    typical = statistics.fmean(durations) if durations else 0.0
    work = sum(known) + typical * (waiting + len(running) - len(known))
    return max(work / max(1, min(slots, len(running) + waiting)), max(known, default=0.0))


@dataclass(frozen=True)
class _Row:
    frames: int | None = None
    fps: float | None = None
    return_mean: float | None = None
    left: float | None = None


def _look(running: Running) -> _Row:
    status = read_status(running.job.folder)[0]
    if status is None or status == running.before:
        return _Row()
    last = last_row(running.job.folder / "train.csv")
    fps, frames = last.get("fps"), max(status.frames, int(last.get("frames", 0)))
    left = (running.job.frames - frames) / fps if fps and frames else None
    return _Row(frames, fps, last.get("return_mean"), left)


def _table(running: Sequence[Running], rows: Sequence[_Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("run", "frames", "", "fps", "return", "time", "left"):
        table.add_column(heading, justify="left" if heading == "run" else "right", no_wrap=True)
    for item, row in zip(running, rows, strict=True):
        table.add_row(
            Text(item.job.label),
            "starting" if row.frames is None else f"{row.frames:,}/{item.job.frames:,}",
            "" if row.frames is None else f"{min(1.0, row.frames / item.job.frames):.0%}",
            "" if row.fps is None else f"{row.fps:,.0f}",
            "" if row.return_mean is None else f"{row.return_mean:.3f}",
            clock(item.seconds),
            "" if row.left is None else clock(row.left),
        )
    return table
