"""The laws of conditioners, which set goals. A law takes a case, and raises `Broken` where it does not hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from rewardlab.contracts.result import require
from rewardlab.contracts.state_laws import (
    NUM_ENVS,
    global_seed,
    learned_weights,
    new_context,
    require_equal,
    restore,
    saved,
)
from rewardlab.contracts.worlds import Renderer, Script, write_script
from rewardlab.facts import SEEN
from rewardlab.training.wrappers.goal_env import PAST, REACHED, STEPS, GoalEnv
from rewardlab.types import Array, Asked, BuildContext, EnvSpec, Obs, Rollout, State, StepBatch

LENGTH = 40  # steps of a rollout
_SEEDS = list(range(NUM_ENVS))


@dataclass(frozen=True)
class ConditionerCase:
    """A conditioner to be tested in one made-up world."""

    conditioner: Callable[[Any, BuildContext], Any]
    config: Any
    spec: EnvSpec

    def build(self) -> tuple[Any, BuildContext]:
        context = new_context(self.spec)
        return self.conditioner(self.config, context), context

    def env(self) -> ScriptedEnv:
        return ScriptedEnv(self.spec)


def declares_what_it_adds(case: ConditionerCase) -> None:
    """Entries of its own in the observation, of the declared shapes and ranges, and streams beside the task's."""
    conditioner, _ = case.build()
    require(bool(conditioner.obs), "it shows the agent nothing")
    both = set(conditioner.obs) & set(case.spec.obs)
    require(not both, f"it shows {sorted(both)}, which the world shows already")
    require("task" not in {stream.name for stream in conditioner.streams}, "it pays in the task's stream")
    for batch in _play(GoalEnv(case.env(), conditioner), LENGTH):
        for name, spec in conditioner.obs.items():
            for shown in (batch.obs[name], batch.next_obs[name]):
                require(shown.shape == (NUM_ENVS, *spec.shape), f"{name} has shape {shown.shape[1:]}")
                require(shown.dtype == spec.dtype, f"{name} is {shown.dtype} instead of {spec.dtype}")
                within = not spec.high or (shown.min() >= 0 and shown.max() <= spec.high)
                require(bool(within), f"{name} is not within 0 and {spec.high}")


def pays_finite_rewards_for_reaching(case: ConditionerCase) -> None:
    """Every declared stream, and no other, is a finite float32 [T, N]; steps towards a goal alone may only cost."""
    conditioner, _ = case.build()
    for rollout in _train(case, conditioner, GoalEnv(case.env(), conditioner, learns=True), 2)[0]:
        paid = conditioner.compute(rollout)
        require(set(paid) == {stream.name for stream in conditioner.streams}, f"it paid {sorted(paid)}")
        for name, stream in paid.items():
            require(tuple(stream.shape) == (LENGTH, NUM_ENVS), f"stream {name} has shape {tuple(stream.shape)}")
            require(stream.dtype == torch.float32, f"stream {name} is {stream.dtype} instead of float32")
            require(bool(torch.isfinite(stream).all()), f"stream {name} is not finite")
            missed = stream[~rollout.privileged[REACHED]]
            require(not (missed > 0).any(), f"stream {name} pays for goals that were not reached")


def task_is_the_environments(case: ConditionerCase) -> None:
    """Rewards, ends, successes and what the world shows are those of the world without goals."""
    conditioner, _ = case.build()
    plain, conditioned = case.env(), GoalEnv(case.env(), conditioner, learns=True)
    for expected, found in zip(_play(plain, LENGTH), _play(conditioned, LENGTH), strict=True):
        for name in ("task_reward", "terminated", "truncated", "success"):
            require(np.array_equal(getattr(expected, name), getattr(found, name)), f"{name} is not the world's")
        for name in case.spec.obs:
            same = np.array_equal(expected.obs[name], found.obs[name])
            require(
                same and np.array_equal(expected.next_obs[name], found.next_obs[name]), f"{name} is not the world's"
            )


def goals_last_until_they_end(case: ConditionerCase) -> None:
    """A goal stays until it is reached, given up or the episode ends; then there is a new one, for that world alone."""
    conditioner, _ = case.build()
    told = _Told(conditioner)
    env = GoalEnv(case.env(), told, learns=True)
    env.reset(_SEEDS)
    for _ in range(LENGTH):
        before = env.get_state()["goal"]
        batch = env.step(_ACTION)
        after = env.get_state()["goal"]
        facts = batch.privileged
        late = facts[STEPS] >= (conditioner.patience or np.inf)
        going_on = ~(facts[REACHED] | facts[PAST] | late | batch.terminated | batch.truncated)
        for name in before:
            require_equal(before[name][going_on], after[name][going_on], f"{name} of a goal that has not ended")
        asked = np.flatnonzero(~going_on)
        require(told.asked.pop() == asked.size if asked.size else True, "a goal that ended was not followed by another")
        require(bool((env.privileged()[STEPS][asked] == 0).all()), "a new goal does not begin at 0 steps")


def same_seed_same_goals(case: ConditionerCase) -> None:
    """Two conditioners from one seed set and learn the same, whatever the global random state."""
    runs = []
    for seed in (1, 2):
        with global_seed(seed):
            conditioner, _ = case.build()
            runs.append(_traces(case, conditioner, GoalEnv(case.env(), conditioner, learns=True)))
    require_equal(runs[0], runs[1], "a second run")


def state_round_trips(case: ConditionerCase) -> None:
    """What is saved between two rollouts, goals under way included, goes on exactly."""
    conditioner, context = case.build()
    env = GoalEnv(case.env(), conditioner, learns=True)
    _traces(case, conditioner, env)
    state, worlds = saved(conditioner, context), env.get_state()
    expected = _traces(case, conditioner, env, reset=False)
    other, other_context = case.build()
    restore(other, other_context, state)
    again = GoalEnv(case.env(), other, learns=True)
    again.reset(_SEEDS)
    again.set_state(worlds)
    require_equal(expected, _traces(case, other, again, reset=False), "what follows a restored state")


def weights_change_in_update_alone(case: ConditionerCase) -> None:
    """Setting, showing and paying goals, and being told of them, trains nothing."""
    conditioner, _ = case.build()
    before = learned_weights(conditioner)
    _, metrics = _train(case, conditioner, GoalEnv(case.env(), conditioner, learns=True), 1, update=False)
    require_equal(before, learned_weights(conditioner), "a learned weight before update")
    require(not metrics, "it told metrics without update")


def evaluation_teaches_nothing(case: ConditionerCase) -> None:
    """Goals in evaluation have a state of their own and leave the conditioner's as it is."""
    conditioner, context = case.build()
    training = GoalEnv(case.env(), conditioner, learns=True)
    _traces(case, conditioner, training)
    before, worlds = saved(conditioner, context), training.get_state()
    list(_play(GoalEnv(case.env(), conditioner), LENGTH))
    require_equal(before, saved(conditioner, context), "the state after an evaluation")
    require_equal(worlds, training.get_state(), "the goals of training after an evaluation")


def update_returns_declared_metrics(case: ConditionerCase) -> None:
    """Finite numbers under declared names only, in folders as the columns of train.csv have them."""
    conditioner, _ = case.build()
    _, metrics = _train(case, conditioner, GoalEnv(case.env(), conditioner, learns=True), 3)
    for found in metrics:
        extra = set(found) - set(conditioner.metrics)
        require(not extra, f"{sorted(extra)} are not declared")
        require(all(np.isfinite(value) for value in found.values()), f"not finite: {found}")
    require(all("/" in name for name in conditioner.metrics), f"without a folder: {conditioner.metrics}")


def environments_are_their_own(case: ConditionerCase) -> None:
    """What is seen of a goal, and whether it is reached, depends on its own environment alone."""
    conditioner, _ = case.build()
    env = case.env()
    start = _read(conditioner, env.reset(_SEEDS), env.privileged())
    begins = np.ones(NUM_ENVS, dtype=bool)
    goal = conditioner.propose(Asked(NUM_ENVS, start, {}, True, begins), torch.Generator().manual_seed(5))
    batch = env.step(_ACTION)
    facts = _read(conditioner, batch.next_obs, batch.privileged)
    order = np.arange(NUM_ENVS)[::-1]
    turned = [{name: entry[order] for name, entry in entries.items()} for entries in (goal, start, facts)]
    require_equal(
        {name: entry[order].tolist() for name, entry in conditioner.show(goal, facts).items()},
        {name: entry.tolist() for name, entry in conditioner.show(turned[0], turned[2]).items()},
        "what is shown in another order",
    )
    for name in ("reached", "past"):
        told = getattr(conditioner, name)(goal, start, facts)
        if name == "past" and told is None:
            continue
        require(told.dtype == bool and told.shape == (NUM_ENVS,), f"{name} is no bool [N]")
        require(np.array_equal(told[order], getattr(conditioner, name)(*turned)), f"{name} differs in another order")


LAWS: tuple[Callable[[ConditionerCase], None], ...] = (
    declares_what_it_adds,
    pays_finite_rewards_for_reaching,
    task_is_the_environments,
    goals_last_until_they_end,
    same_seed_same_goals,
    state_round_trips,
    weights_change_in_update_alone,
    evaluation_teaches_nothing,
    update_returns_declared_metrics,
    environments_are_their_own,
)

_ACTION: Array = np.zeros(NUM_ENVS, dtype=np.int64)


class ScriptedEnv:
    """A made-up world that goes through a script, whatever the actions, over and over."""

    def __init__(self, spec: EnvSpec) -> None:
        self.spec, self.num_envs = replace(spec, restorable=True), NUM_ENVS
        self._script: Script = write_script(np.random.default_rng(23), spec, 3 * LENGTH, NUM_ENVS)
        self._seen: Rollout = Renderer(spec, seed=11).rollout(self._script)
        self._at = 0

    def reset(self, seeds: Any) -> Obs:
        self._at = 0
        return _row(self._seen.obs, 0)

    def step(self, action: Array) -> StepBatch:
        at, script = self._at, self._script
        self._at = (at + 1) % len(script.reached)
        return StepBatch(
            obs=_row(self._seen.obs, self._at),
            next_obs=_row(self._seen.next_obs, at),
            task_reward=script.task_reward[at].copy(),
            terminated=script.terminated[at].copy(),
            truncated=script.truncated[at].copy(),
            success=script.terminated[at].copy(),
            privileged=_row(self._seen.privileged, at),
        )

    def privileged(self) -> Obs:
        return _row(self._seen.current_privileged, self._at)

    def get_state(self) -> State:
        return {"at": self._at}

    def set_state(self, state: State) -> None:
        self._at = state["at"]

    def close(self) -> None:
        pass


class _Told:
    """A conditioner that notes for how many environments it was asked."""

    def __init__(self, conditioner: Any) -> None:
        self._conditioner, self.asked = conditioner, [0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conditioner, name)

    def propose(self, asked: Asked, rng: torch.Generator) -> Obs:
        self.asked.append(asked.count)
        goals: Obs = self._conditioner.propose(asked, rng)
        return goals


def _row(entries: dict[str, torch.Tensor], at: int) -> Obs:
    return {name: entry[at].numpy().copy() for name, entry in entries.items()}


def _read(conditioner: Any, obs: Obs, facts: Obs) -> Obs:
    """What a conditioner is handed of a state."""
    return facts | {f"{SEEN}{name}": obs[name] for name in conditioner.reads}


def _play(env: Any, steps: int) -> list[StepBatch]:
    env.reset(_SEEDS)
    return [env.step(_ACTION) for _ in range(steps)]


def _train(
    case: ConditionerCase, conditioner: Any, env: GoalEnv, rollouts: int, update: bool = True, reset: bool = True
) -> tuple[list[Rollout], list[dict[str, float]]]:
    """Rollouts, of which only the facts of goals are real, and what each update told."""
    if reset:
        env.reset(_SEEDS)
    found, metrics = [], []
    for _ in range(rollouts):
        batches = [env.step(_ACTION) for _ in range(LENGTH)]
        rollout = Renderer(case.spec, seed=11).rollout(write_script(np.random.default_rng(3), case.spec, LENGTH, 4))
        facts = {
            name: torch.from_numpy(np.stack([batch.privileged[name] for batch in batches])) for name in (REACHED, STEPS)
        }
        found.append(replace(rollout, privileged=facts))
        conditioner.compute(found[-1])
        if update:
            metrics.append(conditioner.update())
    return found, metrics


def _traces(case: ConditionerCase, conditioner: Any, env: GoalEnv, reset: bool = True) -> list[Any]:
    """All that training with goals leaves behind: what was paid, the metrics, the goals under way."""
    rollouts, metrics = _train(case, conditioner, env, 2, reset=reset)
    return [[conditioner.compute(rollout) for rollout in rollouts], metrics, env.get_state()["goal"]]
