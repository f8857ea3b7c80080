"""Signals as a wish to stop, which the training loop grants after the step under way."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # SIGUSR1 is how batch systems warn of a job's end
GRACE_SECONDS = 8.0  # for the step under way and a checkpoint


class Stop:
    """Called, it tells the number of the signal that asked for the end, or None.

    Attributes:
        out_of_time: called from a thread when the wish has not been granted for GRACE_SECONDS.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.out_of_time: Callable[[int], None] = lambda number: None
        self._timer: threading.Timer | None = None

    def __call__(self) -> int | None:
        return self.number

    def ask(self, number: int) -> None:
        """Take a signal in.

        Raises:
            KeyboardInterrupt: it has come before: whoever sends it has no more patience. Batch systems send a warning
                first and another signal then, which is no impatience.
        """
        if self.number is None:
            self.number = number
            self._timer = threading.Timer(GRACE_SECONDS, lambda: self.out_of_time(number))
            self._timer.daemon = True
            self._timer.start()
        elif number == self.number != signal.SIGUSR1:
            raise KeyboardInterrupt

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


@contextmanager
def stop_by_signals() -> Iterator[Stop]:
    """The wish, while the block runs in the main thread."""
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.ask(number)

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield stop
    finally:
        stop.close()
        for number, handler in before.items():
            signal.signal(number, handler)
