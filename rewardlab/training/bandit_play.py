"""Evaluations of bandit rules on bandits in compiled passes: whole problems, as if they were played pull by pull."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from rewardlab.envs.bandits.base import ArmsEnv
from rewardlab.maths import bandits
from rewardlab.training.within import Within
from rewardlab.types import Agent, Array

_NUMBERS = 4_000_000  # of chance, that are drawn at a time


def play(
    env: Any, agent: Agent, lists: Sequence[Sequence[int]], rng: torch.Generator, stop: Callable[[], bool]
) -> tuple[Array, Within] | None:
    """Return and regret of every problem, [E, 2], in the order in which they end, and what happens within them.

    Args:
        env: of evaluations. lists: the levels that each of its environments plays.

    Returns:
        None if `stop` said so on the way.
    """
    assert isinstance(env, ArmsEnv) and env.kind is not None and agent.bandit_rule is not None
    rule, within, pulls = agent.bandit_rule, Within(env.spec, lists), env.spec.max_steps
    assert pulls is not None
    at_once = max(1, _NUMBERS // (pulls * (env.count if env.kind == bandits.ADVERSARIAL else 1)))
    ended = []
    for turn in range(max(map(len, lists))):
        keys = bandits.draw_keys(len(lists), rng).numpy()
        playing = [i for i, levels in enumerate(lists) if len(levels) > turn]
        for start in range(0, len(playing), at_once):
            if stop():
                return None
            some = playing[start : start + at_once]
            levels = [lists[i][turn] for i in some]
            means, tables, noise = zip(*map(env.drawn_problem, levels), strict=True)
            found = np.empty((len(some), len(bandits.REPLICATE)))
            bandits.play(
                env.kind, np.stack(means), env.spread, np.stack(noise), np.stack(tables), keys[some],
                rule.number, rule.option, rule.unit, rule.burn_in, rule.block, within.grid, found, within.sums,
            )  # fmt: skip
            within.counts += len(some)
            for level, (paid, regret, last_best, best, greedy, fewest) in zip(levels, found.tolist(), strict=True):
                within.end(level, pulls, paid, regret, int(last_best), best, greedy, int(fewest))
            ended.append(found[:, :2])
    return np.concatenate(ended), within


def fits(env: Any, agent: Agent) -> bool:
    """Whether it is such a rule on such an environment."""
    return isinstance(env, ArmsEnv) and env.kind is not None and agent.bandit_rule is not None
