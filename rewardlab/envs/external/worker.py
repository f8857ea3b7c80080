"""The worker processes of `workers.py`: `python -m rewardlab.envs.external.worker FILE FD ...`, one for each pipe.

Their parent imports what all need and forks them: it has no threads yet, and what it has imported they share.

A worker's first message says what to build; each further one is the name of something to do, and what it is given. It
answers (True, what came of it), or (False, (kind, message, traceback)). What the environments show it puts into FILE.
After ("rest",) it waits for a first message again, and for a while only.
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
from rewardlab.envs.batched import SOLVED
from rewardlab.envs.external import gym
from rewardlab.envs.external.reference import Together, together
from rewardlab.envs.external.shared import shared_arrays
from rewardlab.envs.external.shares import Whole
from rewardlab.envs.external.workers import REST, RESULTS
from rewardlab.errors import CannotRestore, UserError, one_line, placed
from rewardlab.types import Array, Obs


def main(file: int, fds: list[int]) -> int:
    """Let a worker serve each pipe. Returns the exit code of the first that ends by other means than its pipe's end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the run decides what it means
    for fd in fds:
        if os.fork() == 0:
            for other in fds:
                if other != fd:
                    os.close(other)
            serve(file, fd)
            os._exit(0)  # whatever threads an environment leaves behind
    for fd in fds:
        os.close(fd)
    for _ in fds:
        code = os.waitstatus_to_exitcode(os.wait()[1])
        if code:
            return code
    return 0


def serve(file: int, fd: int) -> None:
    """Do what is asked for until the other end hangs up."""
    pipe = Connection(fd)
    share: _Share | Whole | None = None
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
                share = _KINDS[message[0]](file, *message[1:])
                told = share.told
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
    """Some copies of an environment; the methods are those of `Workers`, and answer with full-state facts.

    Attributes:
        told: whether their states can be had, and the shapes of what the file holds of all copies.
    """

    def __init__(
        self,
        file: int,
        plugin: str,
        options: dict[str, Any],
        which: tuple[int, int, int],
        privileged: tuple[str, ...],
        tells_success: bool,
    ) -> None:
        """Args:
        which: of the copies, the first and the one after the last, and how many there are.
        """
        start, stop, num_envs = which
        module = discovery.load("env", plugin) if plugin else gym
        config = module.Config(**options)
        if registry.registered_name(config.id) not in registry.registered_ids():
            raise UserError(
                f"env.processes: a worker process does not know {config.id}; name the module that registers it:"
                f" env.id=MODULE:{config.id}"
            )
        copies = getattr(module, "copied_worlds", gym.copied_worlds)(config, stop - start, privileged)
        held: Together = together(copies.worlds, copies.facts, replayable=not getattr(config, "wrappers", ()))
        self._vector, self._measures, self._keeper = held.vector, held.facts, held.keeper
        self._facts: Obs = {}
        self._tells_success = tells_success
        space = copies.worlds[0].observation_space
        shapes = {name: (entry.shape, entry.dtype.str) for name, entry in space.spaces.items()}
        shapes |= {name: ((), dtype) for name, dtype in RESULTS.items()}
        self.told = held.keeper is not None, shapes
        arrays = shared_arrays(file, shapes, num_envs)
        self._rows = {name: array[start:stop] for name, array in arrays.items()}

    def step(self, actions: Any) -> Obs:
        frames, reward, terminated, truncated, infos = self._vector.step(actions)
        solved = infos.get(SOLVED, False) if self._tells_success else False
        self._put(frames, reward=reward, terminated=terminated, truncated=truncated, **{SOLVED: solved})
        return self._measured()

    def reset(self, seeds: list[int | None], fresh: Array | None) -> Obs:
        self._put(self._vector.reset(seed=seeds, options=None if fresh is None else {"reset_mask": fresh})[0])
        return self._measured(fresh)

    def get_state(self) -> Any:
        assert self._keeper is not None
        return self._keeper.get_state()

    def set_state(self, state: Any) -> Obs:
        assert self._keeper is not None
        self._keeper.set_state(state)
        self._put({name: frames.numpy() for name, frames in state["frames"].items()})
        return self._measured()

    def close(self) -> None:
        self._vector.close()

    def _put(self, frames: Obs, **results: Any) -> None:
        for name, array in (*frames.items(), *results.items()):
            self._rows[name][...] = array

    def _measured(self, changed: Array | None = None) -> Obs:
        if self._measures is not None:
            if changed is not None and self._facts:
                self._facts = self._measures.remeasure(self._facts, changed)
            else:
                self._facts = self._measures.measure()
        return self._facts


_KINDS: dict[str, Callable[..., Any]] = {"copies": _Share, "whole": Whole}


if __name__ == "__main__":
    shared, *pipes = map(int, sys.argv[1:])
    found = main(shared, pipes)
    os._exit(found if found >= 0 else 128 - found)
