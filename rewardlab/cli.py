"""The command line: says what Ctrl-C does while it starts, and calls the command."""

from __future__ import annotations

import gc
import signal
import sys

from rewardlab import starting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0; 1 any failed run; 2 bad input; 130 and 143 for signals.

    Args:
        argv: the words after the program's name. Without them the process is the command's own: what Ctrl-C does is not
            put back at the end.
    """
    before = signal.getsignal(signal.SIGINT)
    starting.begin()
    try:
        from rewardlab.commands.dispatch import dispatch  # only now: imports take time

        return dispatch(sys.argv[1:] if argv is None else argv)
    finally:
        if argv is None:
            gc.freeze()  # all that was imported ends with the process: to look for garbage in it takes half a second
        else:
            starting.end(before)
