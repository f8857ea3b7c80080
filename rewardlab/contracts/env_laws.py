"""The laws of environments. A law takes a case, and raises `Broken` where it does not hold."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from rewardlab.contracts.result import require
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.facts import PICTURE
from rewardlab.maths.masks import nth_allowed
from rewardlab.types import MASK, Array, EnvSpec, GoalVecEnv, Obs, StepBatch, VecEnv

SEEDS = (11, 12, 13)
LEVELS = (101, 102, 103)
STEPS = 60
_LONGEST = 2_000  # steps that a law follows an episode
_PLAYERS = 64  # episodes of random play
_PATIENCE = 100_000  # steps of random play that are worth waiting for


@dataclass(frozen=True)
class EnvCase:
    """An environment to be tested: how to build it."""

    make: Callable[..., Any]
    config: Any

    def build(
        self,
        num_envs: int = len(SEEDS),
        privileged: Sequence[str] = (),
        lists: Sequence[Sequence[int]] | None = None,
    ) -> GoalVecEnv:
        """One without goals lacks `goal_outcome`, which is asked for only where `spec.goals`."""
        env: GoalVecEnv = self.make(self.config, Levels(num_envs, lists=lists), privileged)
        return env


def observations_fit_the_spec(case: EnvCase) -> None:
    """Every entry has the declared shape, type and range; rewards are float32, ends are booleans."""
    env = case.build()
    obs, spec = env.reset(SEEDS), env.spec
    for batch in [None, *_play(env, obs, STEPS)]:
        shown = (obs,) if batch is None else (batch.obs, batch.next_obs)
        for entries in shown:
            require(set(entries) == set(spec.obs), f"shows {sorted(entries)} instead of {sorted(spec.obs)}")
            for name, entry in spec.obs.items():
                found, shape = entries[name], (len(SEEDS), *entry.shape)
                require(found.shape == shape, f"{name} has shape {found.shape} instead of {shape}")
                require(found.dtype == entry.dtype, f"{name} is {found.dtype} instead of {entry.dtype}")
                if entry.high:
                    require(bool((found <= entry.high).all()), f"{name} exceeds its largest value {entry.high}")
                require(bool(np.isfinite(found).all()), f"{name} is not finite")
            if MASK in entries:
                require(bool(entries[MASK].any(axis=1).all()), f"{MASK} allows no action at all")
        if batch is not None:
            for name, dtype in (("task_reward", "float32"), ("terminated", "bool"), ("truncated", "bool"),
                                ("success", "bool")):  # fmt: skip
                found = getattr(batch, name)
                require(found.shape == (len(SEEDS),), f"{name} has shape {found.shape}")
                require(found.dtype == dtype, f"{name} is {found.dtype} instead of {dtype}")
            require(bool(np.isfinite(batch.task_reward).all()), "a reward is not finite")


def same_seeds_same_episodes(case: EnvCase) -> None:
    """What happens follows from the seeds and the actions, also in an environment that was used before."""
    env, other = case.build(), case.build()
    expected = _recorded(_play(env, env.reset(SEEDS), STEPS))
    for _ in _play(other, other.reset(tuple(reversed(SEEDS))), 5):
        pass
    _require_same(expected, _recorded(_play(other, other.reset(SEEDS), STEPS)), "a second time")


def environments_are_independent(case: EnvCase) -> None:
    """An environment depends on its own seed and actions, not on its place or its neighbours."""
    order = [2, 0, 1]
    env, permuted = case.build(), case.build()
    wishes = _wishes(env.spec, STEPS, len(SEEDS))
    expected = [_rows(batch, order) for batch in _recorded(_follow(env, env.reset(SEEDS), wishes))]
    obs = permuted.reset([SEEDS[i] for i in order])
    _require_same(expected, _recorded(_follow(permuted, obs, wishes[:, order])), "in another order")


def batches_stay_as_they_are(case: EnvCase) -> None:
    """What a step returned is not overwritten by the next one."""
    env = case.build()
    batches = list(_play(env, env.reset(SEEDS), STEPS))
    _require_same(_recorded(batches), _recorded(_play(env, env.reset(SEEDS), STEPS)), "kept for later")


def ends_show_both_frames(case: EnvCase) -> None:
    """At an end, obs begins the next episode and next_obs ends the last; elsewhere they are equal.

    Where the environment is noisy, no two views of a state are. Of the task as it is reported: what only helps to learn
    may end episodes that go on.
    """
    case = replace(case, config=case.config.as_reported())
    env, fresh = case.build(1, lists=[list(LEVELS)]), case.build(1, lists=[[LEVELS[1]]])
    first = fresh.reset([0])
    for batch in _play(env, env.reset([0]), _LONGEST):
        if (batch.terminated | batch.truncated)[0]:
            for name, entry in first.items():
                same = env.spec.noisy or np.array_equal(batch.obs[name], entry)
                require(same, f"{name} after an end is not the next level's first")
            seen = [np.array_equal(batch.next_obs[name], batch.obs[name]) for name in first]
            others = case.build(1, lists=[[LEVELS[0]]]).reset([0])
            alike = all(np.array_equal(others[name], first[name]) for name in first)
            require(not all(seen) or alike, "next_obs shows the first frame of the next episode")
            return
        for name in first:
            require(np.array_equal(batch.next_obs[name], batch.obs[name]), f"{name}: obs is not next_obs within one")


def episodes_end_in_time(case: EnvCase) -> None:
    """Time runs out after max_steps exactly, or sooner where limits vary, and truncation means nothing else."""
    env = case.build()
    if env.spec.max_steps is None or env.spec.max_steps > _LONGEST:
        return
    steps = np.zeros(len(SEEDS), dtype=np.int64)
    for batch in _play(env, env.reset(SEEDS), env.spec.max_steps + 1):
        steps += 1
        late = steps == env.spec.max_steps
        late |= batch.truncated & (steps < env.spec.max_steps) & env.spec.limits_vary
        require(np.array_equal(batch.truncated, late), f"truncated after {steps.tolist()} of {env.spec.max_steps}")
        steps[batch.terminated | batch.truncated] = 0


def success_is_told_at_ends(case: EnvCase) -> None:
    """`success` is true on last steps only, and nowhere without a definition of it."""
    env = case.build()
    for batch in _play(env, env.reset(SEEDS), STEPS * 5):
        require(not (batch.success & ~(batch.terminated | batch.truncated)).any(), "success before the end")
        require(env.spec.task.success is not None or not batch.success.any(), "success, which is not defined")


def levels_fix_episodes(case: EnvCase) -> None:
    """A level plays the same in any environment, after any seed; noise is not the level's."""
    env = case.build(2, lists=[[LEVELS[0]], [LEVELS[0]]])
    for seeds in ((1, 2), (3, 4)):
        obs = env.reset(seeds)
        for name, entry in obs.items():
            same = env.spec.noisy or np.array_equal(entry[0], entry[1])
            require(same, f"one level begins with different {name}")
        for batch in _follow(env, obs, _wishes(env.spec, STEPS, 1).repeat(2, axis=1)):
            for name, entry in batch.next_obs.items():
                same = env.spec.noisy or np.array_equal(entry[0], entry[1])
                require(same, f"one level shows different {name}")
            require(batch.task_reward[0] == batch.task_reward[1], "one level pays differently")


def state_round_trips(case: EnvCase) -> None:
    """A state that was saved is gone on from exactly, random streams included."""
    env = case.build()
    if not env.spec.restorable:
        return
    *_, last = _play(env, env.reset(SEEDS), 7)
    file = io.BytesIO()
    torch.save(env.get_state(), file)
    file.seek(0)
    expected = _recorded(_play(env, last.obs, STEPS))
    other = case.build()
    other.reset(tuple(reversed(SEEDS)))
    other.set_state(torch.load(file, weights_only=True))
    _require_same(expected, _recorded(_play(other, last.obs, STEPS)), "from a saved state")


def facts_are_given(case: EnvCase) -> None:
    """Every full-state fact that is offered is given, a row for each environment; changes nothing."""
    offered = tuple(name for name in case.build(1).spec.privileged if name != PICTURE)  # that may need a screen
    if not offered:
        return
    env, plain = case.build(privileged=offered), case.build()
    batches = list(_play(env, env.reset(SEEDS), 5))
    for batch in batches:
        for name in offered:
            require(name in batch.privileged, f"{name} is offered and not given")
            require(len(batch.privileged[name]) == len(SEEDS), f"{name} has no row for each environment")
    expected = _recorded(_play(plain, plain.reset(SEEDS), 5))
    _require_same(expected, [_without_facts(batch) for batch in _recorded(batches)], "with facts")


def goals_decide(case: EnvCase) -> None:
    """What a step is paid and whether it terminates is goal_outcome of what it achieved and what was desired."""
    env = case.build()
    if not env.spec.goals:
        require("achieved" not in env.spec.obs, "shows what is achieved, and spec.goals is false")
        return
    for name in ("goal", "achieved"):
        entry = env.spec.obs.get(name)
        require(entry is not None, f"spec.goals, and observations have no entry {name}")
        assert entry is not None
        require(len(entry.shape) == 1 and entry.dtype == "float32", f"{name} must be float32 [G]")
    require(env.spec.obs["goal"].shape == env.spec.obs["achieved"].shape, "goal and achieved differ in shape")
    obs = env.reset(SEEDS)
    goal = obs["goal"]
    achieved: list[Array] = []
    for batch in _play(env, obs, STEPS * 5):
        reached, desired = batch.next_obs["achieved"], batch.next_obs["goal"]
        require(np.array_equal(desired, goal), "the goal changes within an episode")
        reward, terminated = env.goal_outcome(reached, desired)
        require(reward.dtype == np.float32 and terminated.dtype == bool, "goal_outcome gives other types")
        require(np.array_equal(reward, batch.task_reward), "goal_outcome pays otherwise than the step")
        require(np.array_equal(terminated, batch.terminated), "goal_outcome ends otherwise than the step")
        goal = batch.obs["goal"]
        achieved.append(reached)
    every = np.concatenate(achieved)
    crossed = np.concatenate([every, every]), np.concatenate([every, np.roll(every, 1, axis=0)])
    whole = env.goal_outcome(*crossed)
    alone = [env.goal_outcome(crossed[0][i : i + 1], crossed[1][i : i + 1]) for i in range(len(crossed[0]))]
    for part in range(2):
        require(np.array_equal(whole[part], np.concatenate([one[part] for one in alone])), "goal_outcome mixes rows")


def random_play_is_as_stated(case: EnvCase) -> None:
    """The mean return of random play is near `random_return`, and not above `optimal_return`."""
    spec = case.build(1).spec
    task, limit = spec.task, spec.max_steps
    if limit is None or limit * _PLAYERS > _PATIENCE or task.random_return is None:
        return
    env = case.build(_PLAYERS)
    obs = env.reset(range(_PLAYERS))
    returns, running = np.zeros(_PLAYERS), np.ones(_PLAYERS, dtype=bool)
    for batch in _play(env, obs, limit):
        returns += batch.task_reward * running
        running &= ~(batch.terminated | batch.truncated)
    mean, spread = float(returns.mean()), float(returns.std()) / _PLAYERS**0.5
    scale = 1.0 if task.optimal_return is None else max(abs(task.optimal_return - task.random_return), 1e-6)
    near = 6 * spread + 0.02 * scale
    require(abs(mean - task.random_return) <= near, f"random play returns {mean:.4g} instead of {task.random_return}")
    if task.optimal_return is not None:
        require(mean <= task.optimal_return + near, f"random play returns {mean:.4g}, above {task.optimal_return}")


def forbidden_actions_are_refused(case: EnvCase) -> None:
    """What the mask does not allow is refused in one line, rather than done or taken for something else."""
    env = case.build(1)
    obs = env.reset(SEEDS[:1])
    for wish in _wishes(env.spec, STEPS, 1) if MASK in obs else ():
        refused = np.flatnonzero(obs[MASK][0] == 0)
        if len(refused):
            try:
                env.step(refused[:1])
            except UserError:
                return
            require(False, f"does action {refused[0]}, which {MASK} does not allow")
        obs = env.step(nth_allowed(obs[MASK], wish)).obs


LAWS: tuple[Callable[[EnvCase], None], ...] = (
    observations_fit_the_spec,
    same_seeds_same_episodes,
    environments_are_independent,
    batches_stay_as_they_are,
    ends_show_both_frames,
    episodes_end_in_time,
    success_is_told_at_ends,
    levels_fix_episodes,
    state_round_trips,
    facts_are_given,
    goals_decide,
    forbidden_actions_are_refused,
    random_play_is_as_stated,
)


def _wishes(spec: EnvSpec, steps: int, num_envs: int) -> Array:
    """Random actions, int64 [T, N] or float32 [T, N, A]; where not all are allowed, numbers that choose among those."""
    rng = np.random.default_rng(5)
    if spec.action.n is not None:
        return rng.integers(2**40 if MASK in spec.obs else spec.action.n, size=(steps, num_envs))
    low, high = np.clip(spec.action.low, -1e3, 1e3), np.clip(spec.action.high, -1e3, 1e3)
    return rng.uniform(low, high, size=(steps, num_envs, *spec.action.shape)).astype(np.float32)


def _follow(env: VecEnv, obs: Obs, wishes: Array) -> Iterator[StepBatch]:
    """Step as is wished for, from where `obs` is shown: the batches, one by one."""
    for wish in wishes:
        batch = env.step(nth_allowed(obs[MASK], wish) if MASK in obs else wish)
        obs = batch.obs
        yield batch


def _play(env: VecEnv, obs: Obs, steps: int) -> Iterator[StepBatch]:
    """Step with random actions."""
    return _follow(env, obs, _wishes(env.spec, steps, env.num_envs))


def _recorded(batches: Any) -> list[dict[str, Any]]:
    """Copies of what batches say, by name."""
    return [{entry.name: _copied(getattr(batch, entry.name)) for entry in fields(StepBatch)} for batch in batches]


def _copied(value: Any) -> Any:
    return {name: np.array(array) for name, array in value.items()} if isinstance(value, dict) else np.array(value)


def _rows(batch: dict[str, Any], order: Sequence[int]) -> dict[str, Any]:
    def taken(value: Any) -> Any:
        return {name: array[order] for name, array in value.items()} if isinstance(value, dict) else value[order]

    return {name: taken(value) for name, value in batch.items()}


def _without_facts(batch: dict[str, Any]) -> dict[str, Any]:
    return batch | {"privileged": {}}


def _require_same(left: list[dict[str, Any]], right: list[dict[str, Any]], when: str) -> None:
    require(len(left) == len(right), f"{when}: {len(right)} steps instead of {len(left)}")
    for step, (one, other) in enumerate(zip(left, right, strict=True)):
        for name, value in one.items():
            pairs = {name: (value, other[name])} if not isinstance(value, dict) else {
                f"{name}.{key}": (array, other[name].get(key)) for key, array in value.items()
            }  # fmt: skip
            for what, (wanted, found) in pairs.items():
                require(np.array_equal(wanted, found), f"{when}, step {step} has another {what}")
