"""What can go wrong, by whose doing: every error that a user sees as one line."""

import os
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

_PACKAGE = Path(__file__).parent
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_MOST_LISTED = 20  # names in an error line
_NEAR_LISTED = 5


class UserError(Exception):
    """The request is wrong, not the program: shown as one line, exit code 2, nothing written."""


class NoSuchKey(UserError):
    """An option that what was chosen does not have.

    Args:
        key: dotted.
    """

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


class MissingFacts(UserError):
    """An environment cannot give full-state facts.

    Args:
        names: of the facts.
    """

    def __init__(self, message: str, names: Sequence[str]) -> None:
        super().__init__(message)
        self.names = frozenset(names)


class OfTheTask(UserError):
    """What a run was given to learn from is at fault: one that has begun fails, in one line."""


class NotFinite(OfTheTask):
    """An environment shows NaN or infinity."""


class CodeError(OfTheTask):
    """Written code failed: it raised, ran too long, took too much memory, or returned what it should not."""


class Diverged(Exception):
    """A loss or a reward became NaN or infinite: the run ends in the state `diverged`, which is a result."""


class CannotRestore(Exception):
    """Running episodes could not be put back: the run goes on with new ones, which its manifest says."""


class RaisedElsewhere(Exception):
    """What was raised in another process, in one line that names its own place."""


class Interrupted(Exception):
    """A signal asked the run to stop: it writes a checkpoint and ends with 128 + signal number.

    Args:
        signal_number: 2 for Ctrl-C, 15 for SIGTERM.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"signal {signal_number}")
        self.signal_number = signal_number

    @property
    def exit_code(self) -> int:
        return 128 + self.signal_number


class Paused(Exception):
    """A run has come as far as `pause_at` asked: its checkpoint is written, and it can go on from there."""


def unknown(what: str, given: str, allowed: Iterable[str], kind: str) -> UserError:
    """The one form of "no such thing": what was given, the nearest match, what is allowed.

    Example: ``reward=rdn: no such reward scheme; did you mean rnd? (allowed: count, none, rnd)``
    """
    names = sorted(str(name) for name in allowed)
    close = get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else ""
    return UserError(f"{what}={given}: no such {kind}{hint} (allowed: {_listed(given, names)})")


def _listed(given: str, names: list[str]) -> str:
    """All names where they are few, else those nearest to what was given, and how many more there are."""
    if len(names) <= _MOST_LISTED:
        return ", ".join(names)
    near = get_close_matches(given, names, n=_NEAR_LISTED, cutoff=0.0)
    return f"{', '.join(near)}, and {len(names) - len(near)} more that rewardlab list shows"


def one_line(text: object, limit: int = 500) -> str:
    """Any text as one line of printable characters, at most `limit` long."""
    line = "".join(character if character.isprintable() else " " for character in str(text)[: 4 * limit])
    line = " ".join(line.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def placed(error: BaseException) -> str:
    """An error after the place where it was raised, as in `mine.py:29: NameError: name 'x' is not defined`.

    That is the innermost line of the user's own code, else of ours, else of a library. A refusal of the disk has no
    place: the code is not at fault.
    """
    if isinstance(error, RaisedElsewhere):
        return str(error)
    said = f"{type(error).__name__}: {error}".removesuffix(": ")
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, OSError) or not frames:
        return said
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    users = [frame for frame in frames if frame not in ours and not frame.filename.startswith((*_LIBRARIES, "<"))]
    frame = (users or ours or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}: {said}"


def report_internal_error(error: Exception) -> None:
    """One line, or all of it where REWARDLAB_DEBUG is set."""
    if os.environ.get("REWARDLAB_DEBUG"):
        traceback.print_exception(error)
        return
    hint = "set REWARDLAB_DEBUG=1 to see where"
    print(f"rewardlab: internal error: {type(error).__name__}: {one_line(error)} ({hint})", file=sys.stderr)
