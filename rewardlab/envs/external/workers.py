"""Copies of an environment in worker processes, for environments whose steps are slow (`env.processes=N`).

Each worker (`worker.py`) steps a share of the copies one after another, while the others step theirs. Every copy gets
the seeds and the actions that it would get without workers, so that the numbers are the same. A worker is a fresh
process, not a fork of the run, which has threads. It ends when its pipe does: whenever the run ends, however it ends.
What the copies show lies in memory that all share (`shared.py`); pipes say what to do, and that it is done.

To start workers takes a second or more. So those of environments that were closed rest for a while, and the next
environments get them, as those of a population's next generation do. Their copies are made anew each time.
"""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, cast

import numpy as np
import torch

from rewardlab.envs.batched import SOLVED, BatchedEnv, copied
from rewardlab.envs.external.shared import new_file, shared_arrays
from rewardlab.envs.levels import Levels
from rewardlab.envs.spaces import ActionCodec
from rewardlab.errors import CannotRestore, RaisedElsewhere, UserError
from rewardlab.machine import one_thread
from rewardlab.schemas import EnvConfig
from rewardlab.types import Array, EnvSpec, Obs, State

_PATIENCE = 5.0  # seconds for a worker to end by itself
RESULTS = {"reward": "float64", "terminated": "bool", "truncated": "bool", SOLVED: "bool"}  # of a step, beside entries
REST = 60.0  # seconds after which a worker that rests ends
_KINDS: dict[str, type[Exception]] = {"UserError": UserError, "CannotRestore": CannotRestore}


def worker_env(
    workers: "Workers",
    spec: EnvSpec,
    codec: ActionCodec,
    levels: Levels,
    view: Callable[[Mapping[str, Any]], Obs] = copied,
) -> BatchedEnv:
    """The copies of all workers as one vector environment; see `BatchedEnv`."""
    facts, keeper = workers if workers.measures else None, workers if workers.restorable else None
    vector, tells_success = cast(Any, workers), workers.tells_success
    return BatchedEnv(vector, spec, codec, view, levels, facts, tells_success=tells_success, keeper=keeper)


class Workers:
    """What `reference.together` is for the copies of one process.

    Args:
        config: of an environment with processes. processes: how many workers there are at most.
        privileged: full-state facts to compute.
        tells_success: whether the copies' infos say which episodes ended solved; see `BatchedEnv`.

    Raises:
        UserError: a worker cannot build its copies.
    """

    def __init__(
        self,
        config: EnvConfig,
        processes: int,
        num_envs: int,
        privileged: Sequence[str],
        tells_success: bool = False,
    ) -> None:
        self.num_envs, self.measures, self.tells_success = num_envs, bool(privileged), tells_success
        self._shares = shares_of(num_envs, processes)
        self._team = team_of(len(self._shares))
        self._workers = self._team.workers
        try:
            for worker, share in zip(self._workers, self._shares, strict=True):
                which = share.start, share.stop, num_envs
                worker.send(("copies", config.plugin, asdict(config), which, tuple(privileged), tells_success))
            told = self._answers()
            self.restorable = all(restorable for restorable, _ in told)
            self._arrays = shared_arrays(self._team.file, told[0][1], num_envs)
        except BaseException:
            self.close()
            raise
        self._entries = [name for name in self._arrays if name not in RESULTS]
        self._facts: list[Obs] = [{} for _ in self._shares]

    def step(self, actions: Any) -> tuple[Any, ...]:
        """As of gymnasium's vector environments; of infos, only which episodes ended solved."""
        self._facts = self._all("step", [(actions[share],) for share in self._shares])
        results = {name: self._arrays[name].copy() for name in RESULTS}
        return self._shown(), results["reward"], results["terminated"], results["truncated"], {SOLVED: results[SOLVED]}

    def reset(self, *, seed: Sequence[int | None], options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        """As of gymnasium's vector environments; infos are left out."""
        fresh = np.ones(self.num_envs, dtype=bool) if options is None else options["reset_mask"]
        asked = [i for i, share in enumerate(self._shares) if fresh[share].any()]
        for i in asked:
            share = self._shares[i]
            self._workers[i].send(("reset", list(seed[share]), None if options is None else fresh[share]))
        for i, facts in zip(asked, self._answers(asked), strict=True):
            self._facts[i] = facts
        return self._shown(), {}

    def measure(self) -> Obs:
        """See `Facts`; they come with every step and reset."""
        return {name: np.concatenate([facts[name] for facts in self._facts]) for name in self._facts[0]}

    def remeasure(self, before: Obs, changed: Array) -> Obs:
        """See `Facts`."""
        return self.measure()

    def get_state(self) -> State:
        """The same as without workers, so that a run can go on with other ones."""
        states = self._all("get_state")
        return {
            "begun": [begun for state in states for begun in state["begun"]],
            "actions": [taken for state in states for taken in state["actions"]],
            "frames": {name: torch.cat([state["frames"][name] for state in states]) for name in states[0]["frames"]},
        }

    def set_state(self, state: State) -> None:
        given = [
            {
                "begun": state["begun"][share],
                "actions": state["actions"][share],
                "frames": {name: frames[share].clone() for name, frames in state["frames"].items()},
            }
            for share in self._shares
        ]
        self._facts = self._all("set_state", [(each,) for each in given])

    def close(self) -> None:
        """Let the workers close their copies and rest; where one can't, end them all."""
        if self._workers:
            self._workers = []
            self._team.rest()

    def _shown(self) -> Obs:
        """What all copies show, in arrays that the next step writes over."""
        return {name: self._arrays[name] for name in self._entries}

    def _all(self, does: str, given: Sequence[tuple[Any, ...]] | None = None) -> list[Any]:
        """What each worker answers when it does something with what it is given."""
        for worker, arguments in zip(self._workers, given or [()] * len(self._workers), strict=True):
            worker.send((does, *arguments))
        return self._answers()

    def _answers(self, of: Sequence[int] | None = None) -> list[Any]:
        return self._team.answers(of)


def shares_of(num_envs: int, processes: int) -> list[slice]:
    """Which of N environments each worker has."""
    sizes = [len(part) for part in np.array_split(np.arange(num_envs), min(processes, num_envs))]
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


class Team:
    """Processes that were started together, a worker each."""

    def __init__(self, count: int) -> None:
        pipes, theirs = zip(*(Pipe() for _ in range(count)), strict=True)
        self.file = new_file()
        self._process = _started(self.file, [pipe.fileno() for pipe in theirs])
        for pipe in theirs:
            pipe.close()
        self.workers = [_Worker(pipe, self._process) for pipe in pipes]
        self._surroundings, self._since = _surroundings(), 0.0

    def answers(self, of: Sequence[int] | None = None) -> list[Any]:
        """What all answer, or some of them.

        Raises: the first error among them, after all have answered.
        """
        told = [self.workers[i].answer() for i in (range(len(self.workers)) if of is None else of)]
        for each in told:
            if isinstance(each, Exception):
                raise each
        return told

    def serves(self, count: int) -> bool:
        """Whether it can be taken for so many: it sees what would be seen now, and lives for a while yet."""
        fresh = time.monotonic() - self._since < REST / 2
        same = self._surroundings == _surroundings() and self._process.poll() is None
        return fresh and same and len(self.workers) == count

    def rest(self) -> None:
        try:
            for worker in self.workers:
                worker.send(("rest",))
            fine = not any([isinstance(worker.answer(), Exception) for worker in self.workers])
        except RaisedElsewhere:
            fine = False
        if not fine or self._process.poll() is not None:
            return self.end()
        self._since = time.monotonic()
        for other in _resting:
            other.end()
        _resting[:] = [self]

    def end(self) -> None:
        """By force where one does not end."""
        self.hang_up()
        _ended(self._process)

    def hang_up(self) -> None:
        for worker in self.workers:
            worker.hang_up()
        if self.file >= 0:
            os.close(self.file)
            self.file = -1


_resting: list[Team] = []  # one at the most


def team_of(count: int) -> Team:
    """A team that rests, or a new one."""
    while _resting:
        team = _resting.pop()
        if team.serves(count):
            return team
        team.end()
    return Team(count)


def _surroundings() -> tuple[object, ...]:
    """What a process that is started now would see."""
    return os.getcwd(), tuple(sys.path), tuple(sorted(os.environ.items()))


def _forget() -> None:
    """A fork of this process must not talk to its workers, nor keep them alive."""
    for team in _resting:
        team.hang_up()
    _resting.clear()


os.register_at_fork(after_in_child=_forget)


class _Worker:
    """This end of a worker's pipe, and the process that ends as it does."""

    def __init__(self, pipe: "Connection[Any, Any]", process: "subprocess.Popen[bytes]") -> None:
        self._pipe, self._process = pipe, process

    def send(self, message: tuple[Any, ...]) -> None:
        """By plain pickle: torch would hand its tensors over in shared memory, as open files."""
        try:
            self._pipe.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
        except OSError:
            raise self._dead() from None

    def answer(self) -> Any:
        """What it answers to the oldest message; an error is returned, not raised."""
        try:
            fine, told = pickle.loads(self._pipe.recv_bytes())
        except (EOFError, OSError):
            return self._dead()
        if fine:
            return told
        kind, message, trace = told
        error = _KINDS.get(kind, RaisedElsewhere)(message)
        error.add_note(f"In a worker process:\n{trace}")
        return error

    def hang_up(self) -> None:
        self._pipe.close()

    def _dead(self) -> Exception:
        code = _ended(self._process)
        reason = f"was killed by signal {code - 128}" if code > 128 else f"ended with exit code {code}"
        hint = "; is there memory enough for env.processes?" if code == 128 + 9 else ""
        return RaisedElsewhere(f"env.processes: a worker process {reason}{hint}")


def _started(file: int, fds: list[int]) -> "subprocess.Popen[bytes]":
    """The parent of a worker for each pipe, which sees the modules that this process sees, and shares the file."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "rewardlab.envs.external.worker", *map(str, (file, *fds))],
        pass_fds=(file, *fds),
        env={**os.environ, **one_thread(), "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """The exit code of workers that were told to end; those that do not are killed with their parent."""
    try:
        return process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()
