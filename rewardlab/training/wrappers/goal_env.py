"""Goals in a vector environment: each is pursued until it is reached or the episode ends, and seen all the way."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.facts import SEEN
from rewardlab.types import Array, Asked, Attempts, Conditioner, Obs, Rollout, State, StepBatch, VecEnv

# Facts of each step's goal: for `Conditioner.compute`, and, where its ends are ends of values, for replay.
REACHED, STEPS, PAST = "goal_reached", "goal_steps", "goal_past"


class GoalEnv:
    """The environments with the entries of a conditioner in every observation.

    The goals under way, and the random stream that they are drawn from, are part of the environments' state. Rewards,
    ends and levels are those of the environments.

    Args:
        env: gives the full-state facts that the conditioner reads.
        kept: names of the facts that are handed on, beside those of the goals.
        learns: whether these environments train: then goals that end are told to the conditioner.
        gamma: discounts the task's rewards in what it is told.
    """

    def __init__(
        self,
        env: VecEnv,
        conditioner: Conditioner,
        kept: tuple[str, ...] = (),
        learns: bool = False,
        gamma: float = 1.0,
    ) -> None:
        self.spec = replace(env.spec, obs={**env.spec.obs, **conditioner.obs})
        self.num_envs = env.num_envs
        self._env, self._conditioner, self._kept, self._learns = env, conditioner, kept, learns
        self._gamma = gamma
        self._goal: Obs = {}
        self._start: Obs = {}
        self._steps: Array = np.zeros(env.num_envs, dtype=np.int64)
        self._return: Array = np.zeros(env.num_envs)
        self._rng = torch.Generator()

    def reset(self, seeds: Any) -> Obs:
        obs = self._env.reset(seeds)
        facts = self._read(self._env.privileged(), obs)
        self._rng = seeding.torch_rng(int(seeds[0]), "goals")
        begins = np.ones(self.num_envs, dtype=bool)
        self._goal = self._conditioner.propose(Asked(self.num_envs, facts, {}, self._learns, begins), self._rng)
        self._start = {name: fact.copy() for name, fact in facts.items()}
        self._steps, self._return = np.zeros(self.num_envs, dtype=np.int64), np.zeros(self.num_envs)
        return obs | self._conditioner.show(self._goal, facts)

    def step(self, action: Array) -> StepBatch:
        """`next_obs` shows the goal that the step pursued, `obs` the one that the next step will."""
        batch, conditioner = self._env.step(action), self._conditioner
        facts, current = self._read(batch.privileged, batch.next_obs), self._read(self._env.privileged(), batch.obs)
        earned, steps = self._return + self._gamma**self._steps * batch.task_reward, self._steps + 1
        reached = conditioner.reached(self._goal, self._start, facts)
        past = conditioner.past(self._goal, self._start, facts)
        past = np.zeros(self.num_envs, dtype=bool) if past is None else past & ~reached
        told = {name: facts[name] for name in self._kept} | {REACHED: reached, STEPS: steps, PAST: past}
        shown = seen = conditioner.show(self._goal, facts)
        over: Array = batch.terminated | batch.truncated
        late = steps >= (conditioner.patience or np.inf)
        ended = np.flatnonzero(reached | past | late | over)
        if ended.size:
            if self._learns:
                conditioner.take_in(
                    Attempts(
                        _at(self._goal, ended), _at(self._start, ended), steps[ended], reached[ended],
                        batch.task_reward[ended], _at(facts, ended), batch.terminated[ended], earned[ended],
                    )
                )  # fmt: skip
            here = _at(current, ended)
            asked = Asked(ended.size, here, _at(self._goal, ended), self._learns, over[ended])
            self._goal = _with(self._goal, ended, conditioner.propose(asked, self._rng))
            self._start = _with(self._start, ended, here)
            going_on = ~np.isin(np.arange(self.num_envs), ended)
            steps, earned = np.where(going_on, steps, 0), np.where(going_on, earned, 0.0)
            seen = conditioner.show(self._goal, current)
        self._steps, self._return = steps, earned
        return replace(batch, obs=batch.obs | seen, next_obs=batch.next_obs | shown, privileged=told)

    def privileged(self) -> Obs:
        """The facts that are handed on, of the current states; goals under way are not reached yet."""
        facts = self._env.privileged()
        never = np.zeros(self.num_envs, dtype=bool)
        goals = {REACHED: never, STEPS: self._steps, PAST: never}
        return {name: facts[name] for name in self._kept} | goals

    def get_state(self) -> State:
        return {
            "env": self._env.get_state(),
            "goal": {name: torch.from_numpy(entry.copy()) for name, entry in self._goal.items()},
            "start": {name: torch.from_numpy(fact.copy()) for name, fact in self._start.items()},
            "steps": torch.from_numpy(self._steps.copy()),
            "return": torch.from_numpy(self._return.copy()),
            "rng": self._rng.get_state(),
        }

    def set_state(self, state: State) -> None:
        self._env.set_state(state["env"])
        self._goal = {name: entry.cpu().numpy().copy() for name, entry in state["goal"].items()}
        self._start = {name: fact.cpu().numpy().copy() for name, fact in state["start"].items()}
        self._steps = state["steps"].cpu().numpy().copy()
        if "return" in state:  # checkpoints of before nobody asked for it
            self._return = state["return"].cpu().numpy().copy()
        self._rng.set_state(state["rng"].cpu())

    def close(self) -> None:
        self._env.close()

    def _read(self, facts: Obs, obs: Obs) -> Obs:
        """The facts, and what the conditioner reads of the observation."""
        return facts | {f"{SEEN}{name}": obs[name] for name in self._conditioner.reads}


def ends_of_values(rollout: Rollout, conditioner: Conditioner | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Where nothing follows, and where what does is not seen: bool [T, N]; ends of goals, too, where they count."""
    if conditioner is None or not conditioner.ends_values:
        return rollout.terminated, rollout.truncated
    facts = rollout.privileged
    terminated = rollout.terminated | facts[REACHED] | facts[PAST]
    late = facts[STEPS] >= (conditioner.patience or np.inf)
    return terminated, (rollout.truncated | late) & ~terminated


def _at(entries: Obs, rows: Array) -> Obs:
    return {name: entry[rows] for name, entry in entries.items()}


def _with(entries: Obs, rows: Array, new: Obs) -> Obs:
    """The entries with some rows replaced, in arrays of their own."""
    changed = {name: entry.copy() for name, entry in entries.items()}
    for name, entry in changed.items():
        entry[rows] = new[name]
    return changed
