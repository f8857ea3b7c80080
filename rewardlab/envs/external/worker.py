"""The worker processes of `workers.py`: `python -m rewardlab.envs.external.worker FD ...`, one for each pipe.

Their parent imports what all need and forks them: it has no threads yet, and what it has imported they share.

A worker's first message says what to build; each further one is the name of something to do, and what it is given. It
answers (True, what came of it), or (False, (kind, message, traceback)). After ("rest",) it waits for a first message
again, and for a while only.
"""

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from rewardlab import discovery
from rewardlab.envs import registry
from rewardlab.envs.external import gym
from rewardlab.envs.external.reference import Together, together
from rewardlab.envs.external.workers import REST
from rewardlab.errors import CannotRestore, UserError, one_line, placed
from rewardlab.types import Array, Obs


def main(fds: list[int]) -> int:
    """Let a worker serve each pipe. Returns the exit code of the first that ends by other means than its pipe's end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the run decides what it means
    for fd in fds:
        if os.fork() == 0:
            for other in fds:
                if other != fd:
                    os.close(other)
            serve(fd)
            os._exit(0)  # whatever threads an environment leaves behind
    for fd in fds:
        os.close(fd)
    for _ in fds:
        code = os.waitstatus_to_exitcode(os.wait()[1])
        if code:
            return code
    return 0


def serve(fd: int) -> None:
    """Do what is asked for until the other end hangs up."""
    pipe = Connection(fd)
    share: _Share | None = None
    while True:
        try:
            if share is None and not pipe.poll(REST):
                break
            message = pickle.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            break
        told: Any
        try:
            if message == ("rest",):
                if share is not None:
                    share.close()
                share, told = None, None
            elif share is None:
                share = _Share(*message)
                told = share.restorable
            else:
                does: Callable[..., Any] = getattr(share, message[0])
                told = does(*message[1:])
            answer = (True, told)
        except Exception as error:
            known = isinstance(error, (UserError, CannotRestore))
            said = one_line(error) if known else placed(error)
            answer = (False, (type(error).__name__ if known else "", said, traceback.format_exc()))
        try:
            pipe.send_bytes(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
        except OSError:
            break
    if share is not None:
        share.close()


class _Share:
    """Some copies of an environment; the methods are those of `Workers`."""

    def __init__(self, plugin: str, options: dict[str, Any], count: int, privileged: tuple[str, ...]) -> None:
        module = discovery.load("env", plugin) if plugin else gym
        config: gym.Config = module.Config(**options)
        if registry.registered_name(config.id) not in registry.registered_ids():
            raise UserError(
                f"env.processes: a worker process does not know {config.id}; name the module that registers it:"
                f" env.id=MODULE:{config.id}"
            )
        copies = gym.copied_worlds(config, count, privileged)
        held: Together = together(copies.worlds, copies.facts, replayable=not config.wrappers)
        self._vector, self._facts, self._keeper = held.vector, held.facts, held.keeper
        self.restorable = held.keeper is not None

    def step(self, actions: Any) -> tuple[Any, ...]:
        stepped: tuple[Any, ...] = self._vector.step(actions)
        return stepped[:4]

    def reset(self, seeds: list[int | None], fresh: Array | None) -> Obs:
        frames: Obs = self._vector.reset(seed=seeds, options=None if fresh is None else {"reset_mask": fresh})[0]
        return frames

    def measure(self) -> Obs:
        assert self._facts is not None
        return self._facts.measure()

    def remeasure(self, before: Obs, changed: Array) -> Obs:
        assert self._facts is not None
        return self._facts.remeasure(before, changed)

    def get_state(self) -> Any:
        assert self._keeper is not None
        return self._keeper.get_state()

    def set_state(self, state: Any) -> None:
        assert self._keeper is not None
        self._keeper.set_state(state)

    def close(self) -> None:
        self._vector.close()


if __name__ == "__main__":
    found = main(list(map(int, sys.argv[1:])))
    os._exit(found if found >= 0 else 128 - found)
