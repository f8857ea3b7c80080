"""Privileged actions: in training the agent may do what the task does not allow, less and less of it

Paper: Mao et al. 2025, Learning long-horizon robot manipulation skills via privileged action (arXiv:2502.15442)
Assumes: privileged, state_restore

form=relaxed relaxes constraints, and the actions stay those of the task: going forward leads through inner walls and
shut doors (`walls`), toggling opens a locked door without its key (`locks`). form=extra has an action for each
privilege beside those of the task: `walls` and `locks` as above, and `goal`, one cell along a shortest walk to the
goal, or to the only ball, doors opened on the way: the place of the paper's virtual forces. A wall that was gone
through is gone for the rest of the episode, and a door stays open.

Privileges hold in a training episode with chance p (per=episode), or at each action (per=step). p begins at `start` and
falls by `decay` whenever the share `threshold` of `window` episodes has succeeded since it last fell; it never rises.
Where they do not hold, an action beside the task's takes its step and does nothing. At p = 0 such actions are masked in
training, too. Evaluations have the task's own actions: the policy is that of training without the others, renormalised.

The paper trains robots, in stages set by hand, and has no public code; how p falls is ours. Every step is a frame, and
rewards are the task's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.errors import UserError, unknown
from rewardlab.facts import GRID
from rewardlab.gridworld.constants import FORWARD, RIGHT, TOGGLE
from rewardlab.gridworld.privileges import break_through, turn_to_goal, unlock
from rewardlab.schemas import CurriculumConfig, option
from rewardlab.types import Array, BuildContext, EnvSpec, Metrics, Obs, State

VERSION = 1
_FORMS = {"relaxed": ("walls", "locks"), "extra": ("walls", "locks", "goal")}
_NOTHING = 1e-9


@dataclass
class Config(CurriculumConfig):
    form: str = option("relaxed", "the task's own actions can do more, or there are others", choices=tuple(_FORMS))
    privileges: list[str] = option(["locks"], "what is allowed: walls, locks; goal, of form=extra")
    start: float = option(1.0, "chance of privileges at first", above=0, maximum=1)
    per: str = option("episode", "what the chance is drawn for", choices=("episode", "step"))
    threshold: float = option(
        0.8, "share of training episodes that succeed, at which the chance falls", above=0, maximum=1
    )
    window: int = option(100, "how many episodes that is a share of", above=0)
    decay: float = option(0.1, "by how much it falls", above=0, maximum=1)

    def validate(self) -> None:
        allowed = _FORMS[self.form]
        for name in self.privileges:
            if name not in allowed:
                raise unknown(f"curriculum.form={self.form} curriculum.privileges", name, allowed, "privilege")
        if not self.privileges or len(set(self.privileges)) < len(self.privileges):
            raise ValueError(f"privileges={list(self.privileges)}: one or more of {', '.join(allowed)}, each once")

    def check(self, spec: EnvSpec, training: list[int] | None, evaluation: list[int]) -> None:
        if GRID not in spec.privileged or not spec.placeable:
            raise UserError(
                f"curriculum={self.name or self.plugin}: changes walls and doors of a grid, which {spec.id} does not"
                " let it; use a MiniGrid task on env.backend=fast without noise"
            )


class Privileges:
    """The chance, and how training episodes have ended since it last fell."""

    assumes = frozenset({"privileged", "state_restore"})
    metrics = ("privileges/chance", "privileges/used")

    def __init__(self, config: Config, context: BuildContext) -> None:
        assert context.spec.action.n is not None, "grids have discrete actions"
        self._config, self._own = config, context.spec.action.n
        self.extra = len(config.privileges) if config.form == "extra" else 0
        self.per_episode = config.per == "episode"
        self.chance = config.start
        self._ended = [0, 0]  # episodes since the chance last fell: all, solved
        self._used = [0, 0]  # episodes since the last metrics, and how often a privilege changed something

    def wanted(self, action: Array) -> Array:
        if self.extra:
            return action >= self._own
        found: Array = np.isin(action, [_DONE_BY[name][1] for name in self._config.privileges])
        return found

    def grant(self, action: Array, places: Obs, held: Array) -> tuple[Array, Obs, Array]:
        cells, agent = places["cells"].copy(), places["agent"].copy()
        given = np.full_like(action, RIGHT) if self.extra else action.copy()
        changed = np.zeros(len(action), dtype=bool)
        for index, name in enumerate(self._config.privileges):
            change, then = _DONE_BY[name]
            on = np.flatnonzero(held & (action == (self._own + index if self.extra else then)))
            some_cells, some_agents = cells[on], agent[on]
            changed[on] = change(some_cells, some_agents)
            cells[on], agent[on] = some_cells, some_agents
            given[on[changed[on]] if name == "goal" else on] = then
        self._used[1] += int(changed.sum())
        if self.extra:  # what is left turns back what it is turned beforehand: only time goes by
            idle = given == RIGHT
            agent[idle, 2] = (agent[idle, 2] + 3) % 4
            changed |= idle
        return given, places | {"cells": cells, "agent": agent}, changed

    def feedback(self, success: Array) -> None:
        self._used[0] += len(success)
        self._ended = [self._ended[0] + len(success), self._ended[1] + int(success.sum())]
        if self._ended[0] >= self._config.window:
            if self._ended[1] >= self._config.threshold * self._ended[0]:
                left = self.chance - self._config.decay
                self.chance = left if left > _NOTHING else 0.0
            self._ended = [0, 0]

    def update(self) -> Metrics:
        (episodes, used), self._used = self._used, [0, 0]
        return {"privileges/chance": self.chance} | ({"privileges/used": used / episodes} if episodes else {})

    def state_dict(self) -> State:
        return {"chance": self.chance, "ended": list(self._ended), "used": list(self._used)}

    def load_state_dict(self, state: State) -> None:
        self.chance, self._ended, self._used = state["chance"], list(state["ended"]), list(state["used"])


# What each does to the state before an action of the task follows.
_DONE_BY = {"walls": (break_through, FORWARD), "locks": (unlock, TOGGLE), "goal": (turn_to_goal, FORWARD)}
