"""Where training episodes begin: in states along trails or of a curriculum's making, or as the task has it."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.facts import BEGUN
from rewardlab.parts.archives.place_store import PlaceStore
from rewardlab.types import (
    Array,
    Curriculum,
    MakeEnv,
    Obs,
    Outcomes,
    PlaceableEnv,
    PlaceCurriculum,
    State,
    StepBatch,
    Trail,
    VecEnv,
)

_AT_ONCE = 256  # trails walked together
_ORDINARY = -1


class StartEnv:
    """The environments with beginnings of a curriculum's choice; rewards, ends and time limits stay those of the task.

    A state along a trail comes with the steps that were taken to it: the time limit and what the task pays are those
    of the whole way.
    """

    def __init__(self, env: VecEnv, curriculum: Curriculum, make: MakeEnv, tells: bool = False) -> None:
        """Args:
            make: environments like `env`, to walk the trails in.
            tells: whether where episodes began is a fact among others, `facts.BEGUN`.

        Raises:
        UserError: episodes of the environment cannot begin anywhere.
        """
        if not env.spec.placeable:
            raise UserError(
                f"env.id={env.spec.id}: its states can't be restored one by one; use a MiniGrid task on"
                " env.backend=fast without noise"
            )
        self.spec, self.num_envs = env.spec, env.num_envs
        self._env, self._curriculum, self._make, self._tells = cast(PlaceableEnv, env), curriculum, make, tells
        self._walked: tuple[tuple[Trail, ...], Walked] = ((), Walked())
        self._trail = np.full(env.num_envs, _ORDINARY)
        self._step = np.zeros(env.num_envs, dtype=np.int64)
        self._return = np.zeros(env.num_envs)

    def reset(self, seeds: Any) -> Obs:
        return self._begin(np.arange(self.num_envs), self._env.reset(seeds))

    def step(self, action: Array) -> StepBatch:
        batch = self._env.step(action)
        batch.privileged = self._facts(batch.privileged)
        self._return += batch.task_reward
        ended = np.flatnonzero(batch.terminated | batch.truncated)
        if ended.size:
            self._curriculum.feedback(Outcomes(self._trail[ended], self._step[ended], self._return[ended]))
            batch.obs = self._begin(ended, batch.obs)
        return batch

    @property
    def begun(self) -> tuple[Array, Array]:
        """Where the running episodes began, int64 [N] each: the trail, or -1, and how many of its steps were taken; or
        what else the curriculum means by the two.
        """
        return self._trail, self._step

    def privileged(self) -> Obs:
        return self._facts(self._env.privileged())

    def get_state(self) -> State:
        own = {"trail": self._trail, "step": self._step, "return": self._return}
        return {"env": self._env.get_state()} | {name: torch.from_numpy(entry.copy()) for name, entry in own.items()}

    def set_state(self, state: State) -> None:
        self._env.set_state(state["env"])
        self._trail, self._step, self._return = (state[name].numpy().copy() for name in ("trail", "step", "return"))

    def close(self) -> None:
        self._env.close()

    def _facts(self, found: Obs) -> Obs:
        return found | {BEGUN: np.stack(self.begun, axis=1)} if self._tells else found

    def _begin(self, where: Array, obs: Obs) -> Obs:
        """Place the environments whose episodes begin; what all show then, where any was placed."""
        trail, step = self._curriculum.propose(len(where))
        self._trail[where], self._step[where], self._return[where] = trail, step, 0.0
        placed = trail != _ORDINARY
        if not placed.any():
            return obs
        return self._env.put_places(where[placed], self._places(where[placed], trail[placed], step[placed]))

    def _places(self, where: Array, trail: Array, step: Array) -> Obs:
        trails = self._curriculum.trails()
        if trails is None:
            return cast(PlaceCurriculum, self._curriculum).places(trail, step, self._env.take_places(where))
        if self._walked[0] is not trails:
            self._walked = trails, walk(self._make, trails)
        return self._walked[1].get(trail, step)


class Walked:
    """The states along trails: of trail i after t steps. Without `streams`: an episode that begins in one goes on with
    the randomness of its environment.
    """

    def __init__(self) -> None:
        self.store = PlaceStore()
        self.rows: list[Array] = []  # of each trail, int64 [L]

    def get(self, trail: Array, step: Array) -> Obs:
        return self.store.get(np.array([self.rows[i][t] for i, t in zip(trail, step, strict=True)]))


def walk(make: MakeEnv, trails: Sequence[Trail]) -> Walked:
    """Walk every trail from the beginning of its level; frames of nobody's training.

    Raises:
        UserError: one does not end, or is not paid, as it says: it is from another environment.
    """
    walked = Walked()
    for start in range(0, len(trails), _AT_ONCE):
        _walk_together(make, trails[start : start + _AT_ONCE], walked)
    return walked


def happens_again(make: MakeEnv, trails: Sequence[Trail]) -> list[bool]:
    """Which trails, walked again, end and are paid as they say."""
    found: list[bool] = []
    for start in range(0, len(trails), _AT_ONCE):
        found += _walk_together(make, trails[start : start + _AT_ONCE], None)
    return found


def _walk_together(make: MakeEnv, trails: Sequence[Trail], walked: Walked | None) -> list[bool]:
    env = cast(PlaceableEnv, make([[trail.level] for trail in trails]))
    lengths, ends = (
        np.array(each) for each in zip(*((len(trail.action), trail.ends) for trail in trails), strict=True)
    )
    rows = [np.empty(length, dtype=np.int64) for length in lengths]
    faithful = np.ones(len(trails), dtype=bool)
    try:
        env.reset([0] * len(trails))
        for t in range(int(lengths.max())):
            going = np.flatnonzero(lengths > t)
            if walked is not None:
                places = {name: entry for name, entry in env.take_places(going).items() if name != "streams"}
                for i, row in zip(going.tolist(), walked.store.add(places), strict=True):
                    rows[i][t] = row
            action = np.zeros(len(trails), dtype=np.int64)
            action[going] = [trails[i].action[t] for i in going.tolist()]
            batch = env.step(action)
            ended = (batch.terminated | batch.truncated)[going]
            paid = np.array([trails[i].reward[t] for i in going.tolist()])
            faithful[going] &= (ended == (ends[going] & (t + 1 == lengths[going]))) & np.isclose(
                batch.task_reward[going], paid, 0, 1e-4
            )
    finally:
        env.close()
    if walked is not None:
        if not faithful.all():
            level = trails[int(faithful.argmin())].level
            raise UserError(f"the demonstration on level {level} does not happen again on {env.spec.id}: it is of"
                            " another environment, or of other options of it")  # fmt: skip
        walked.rows += rows
    return [bool(held) for held in faithful]
