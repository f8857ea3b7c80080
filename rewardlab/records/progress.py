"""How far a run is: a live line on a terminal, plain lines when piped. It never stops a run."""

import math
import os
import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

_LIVE_SECONDS = 0.2  # between two drawings
_FIRST_SECONDS, _LONGEST_SECONDS = 10.0, 300.0  # between two plain lines: short at first, longer in a long run
_BAR_WIDTH = 20


class Progress:
    """Shows frames, frames per second, return, success and the time left.

    Args:
        total_frames: the budget.
        label: what is running: once above the live line, or at the start of every plain line.
        stream: where to; standard error by default.
        start_frames: frames that an earlier session made; they do not count for the time left.
    """

    def __init__(self, total_frames: int, label: str, stream: TextIO | None = None, start_frames: int = 0) -> None:
        self.total_frames = total_frames
        self.label = label
        self._stream: TextIO | None = sys.stderr if stream is None else stream
        self._start_frames = start_frames
        self._started = time.monotonic()
        self._shown_at = -math.inf
        self._shown_tenth = -1
        self._line = self._shown_line = ""
        self._live_lines: list[str] = []  # the same with more and with less, the longest first
        self._live: Live | None = None
        self._console: Console | None = None
        try:
            if self._stream is not None and self._stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
                self._start_live()
        except (OSError, ValueError):
            pass

    def update(
        self,
        frames: int,
        fps: float | None = None,
        return_mean: float | None = None,
        success_rate: float | None = None,
    ) -> None:
        """Say where the run is; what is not known yet is None or NaN. Drawn or printed only when it is time to."""
        elapsed = time.monotonic() - self._started
        done = frames - self._start_frames
        left = (self.total_frames - frames) * elapsed / done if done > 0 else None
        share = min(1.0, frames / self.total_frames)
        count, percent = f"{frames:,}/{self.total_frames:,}", f"{math.floor(100 * share)}%"
        rest = "  ".join(
            (
                f"{_number(fps, ',.0f')} fps",
                f"return {_number(return_mean, '.3f')}",
                f"success {_number(success_rate, '.0%')}",
                f"ETA {_duration(left)}",
            )
        )
        self._line = f"{count} frames ({percent})  {rest}"
        if self._live is not None:
            bar = f"[{'=' * round(_BAR_WIDTH * share):<{_BAR_WIDTH}}]"
            self._live_lines = [f"{bar} {self._line}", self._line, f"{count} ({percent})  {rest}", f"{percent}  {rest}"]
            self._draw(frames >= self.total_frames)
        else:
            self._print_when_due(elapsed, math.floor(10 * share))

    def note(self, text: str) -> None:
        """Say something once, above the live line."""
        try:
            if self._console is not None:
                self._console.print(text, markup=False, highlight=False, soft_wrap=True)
            else:
                self._print(f"{self.label}  {text}")
        except (OSError, ValueError):
            self._silence()

    def close(self) -> None:
        """Show the last state and give the terminal back; harmless when called twice."""
        try:
            if self._live is not None:
                self._draw(True)
                self._live.stop()
            elif self._line != self._shown_line:
                self._print(f"{self.label}  {self._line}")
        except (OSError, ValueError):
            pass
        self._silence()

    def _start_live(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=self._stream)
        self._console.print(self.label, markup=False, highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._live.start()
        self._console.show_cursor(True)  # a killed run must not leave a terminal without one

    def _draw(self, at_once: bool) -> None:
        moment = time.monotonic()
        if self._live is None or self._console is None or not self._live_lines:
            return
        if not at_once and moment - self._shown_at < _LIVE_SECONDS:
            return
        from rich.text import Text

        self._shown_at = moment
        width = self._console.width
        fitting = (line for line in self._live_lines if len(line) <= width)
        # Where even the shortest is too long it wraps: a number that is cut is a wrong number.
        text = Text(next(fitting, self._live_lines[-1]), end="")
        try:
            self._live.update(text, refresh=True)
        except (OSError, ValueError):
            self._silence()

    def _print_when_due(self, elapsed: float, tenth: int) -> None:
        """Every tenth of the way and every ten seconds; less often as the run gets longer."""
        pause = elapsed - self._shown_at
        due = pause >= min(_LONGEST_SECONDS, max(_FIRST_SECONDS, elapsed / 20))
        if due or (tenth > self._shown_tenth and pause >= 1.0) or (tenth == 10 and self._shown_tenth < 10):
            self._shown_at, self._shown_tenth = elapsed, tenth
            self._print(f"{self.label}  {self._line}")
            self._shown_line = self._line

    def _print(self, text: str) -> None:
        if self._stream is None:
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(f"{text}\n".encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):  # the reader of the pipe is gone
            self._silence()

    def _silence(self) -> None:
        self._live = self._console = self._stream = None


def _number(value: float | None, form: str) -> str:
    return "-" if value is None or not math.isfinite(value) else format(value, form)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
