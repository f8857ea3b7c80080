"""Processes that read and draw beside the one that makes the report: they start once, where there is much to do."""

import gc
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rewardlab.machine import cores

_THREADS = Path("/proc/self/task")  # of this process, on Linux


class Helpers:
    """As many processes as there are cores, 8 at the most, with the caller's among them.

    They are forked, with all that is imported, where that is safe: on Linux, from a process of one thread. Otherwise
    they import the caller's main module anew. None starts before there is work for it.
    """

    def __init__(self) -> None:
        self._count = min(cores(), 8) - 1
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)
            gc.unfreeze()

    @property
    def possible(self) -> bool:
        """Whether there is a core for one."""
        return self._count > 0

    @property
    def running(self) -> bool:
        return self._pool is not None

    def submit(self, task: Callable[..., Any], *given: Any) -> "Future[Any]":
        """Has a helper do something soon."""
        if self._pool is None:
            alone = _THREADS.is_dir() and len(list(_THREADS.iterdir())) == 1
            gc.freeze()  # the collector would look through all that is imported, and write to what forks share
            context = get_context("fork" if alone else "spawn")
            # Ctrl-C reaches them, too, but it is the caller that ends them.
            self._pool = ProcessPoolExecutor(
                self._count, context, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
            )
        return self._pool.submit(task, *given)

    def map(self, task: Callable[[Any], Any], given: Sequence[Any]) -> list[Any]:
        """Results in order. This process takes tasks from the end, the helpers take them from the front."""
        futures = [self.submit(task, each) for each in given]
        own: dict[int, Any] = {}
        for place in reversed(range(len(given))):
            if not futures[place].cancel():
                break
            own[place] = task(given[place])
        return [own[place] if place in own else future.result() for place, future in enumerate(futures)]
