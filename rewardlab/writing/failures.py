"""The last steps of episodes in which a trained policy failed, in words.

What Auto MC-Reward's Trajectory Analyzer reads (Li et al. 2023, arXiv:2312.09238): 10 failed episodes, and of each the
last 20 steps.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np

from rewardlab import seeding
from rewardlab.envs.levels import Levels
from rewardlab.maths.captions import event_text, events
from rewardlab.parts.written_state import VECTOR, StateLayout
from rewardlab.schemas import RootConfig
from rewardlab.training.environments import longest_episode
from rewardlab.training.players import PolicyPlayer
from rewardlab.training.wrappers.goal_env import GoalEnv
from rewardlab.training.wrappers.repeat_env import make_env
from rewardlab.types import Agent, Array, Conditioner, Obs, VecEnv

EPISODES, STEPS = 10, 20
_PLAYED = 32  # episodes, each on a level of its own


def failed_episodes(
    config: RootConfig, agent: Agent, conditioner: Conditioner | None, layout: StateLayout
) -> list[str]:
    """Each a text of the last steps; none where the policy does not fail, or the task does not tell success."""
    seeds = seeding.env_seeds(config.seed, "failed_episodes", _PLAYED)
    env: VecEnv = make_env(config.env, Levels(_PLAYED, lists=[[seed] for seed in seeds]), layout.facts)
    try:
        if not env.spec.task.success:
            return []
        if conditioner is not None:
            env = GoalEnv(env, conditioner, layout.facts)
        return _played(env, config, agent, layout, seeds)
    finally:
        env.close()


def _played(env: VecEnv, config: RootConfig, agent: Agent, layout: StateLayout, seeds: list[int]) -> list[str]:
    player = PolicyPlayer(agent, _PLAYED, seeding.torch_rng(config.seed, "failed_episodes"), config.eval.policy)
    obs, limit = env.reset(seeds), longest_episode(config, env.spec) or env.spec.max_steps or 0
    running, first, told = player.begin(), np.ones(_PLAYED, dtype=bool), env.privileged()
    lines: list[list[str]] = [[] for _ in range(_PLAYED)]
    failed: list[int] = []
    for _ in range(limit):
        action = player.actions(obs, first, running)
        batch = env.step(action)
        before, after = (told, batch.privileged) if layout.facts else (obs, batch.next_obs)
        said = captions(layout, before, action, after)
        ended = batch.terminated | batch.truncated
        for i in np.flatnonzero(running):
            lines[i].append(said[i])
            if ended[i] and not batch.success[i]:
                lines[i].append("the episode ended" if batch.terminated[i] else "the time was over")
                failed.append(int(i))
        obs, told, first, running = batch.obs, env.privileged(), ended, running & ~ended
        if not running.any():
            break
    failed += [int(i) for i in np.flatnonzero(running)]  # cut, where the task sets no limit
    return [_shown(lines[i][-STEPS - 1 :]) for i in sorted(failed)[:EPISODES]]


def captions(layout: StateLayout, before: Obs, action: Array, after: Obs) -> list[str]:
    """A line for each of B steps: the event on a grid, else the action and the numbers that it led to."""
    if not layout.facts:
        rows = zip(np.asarray(action).reshape(len(action), -1), after[VECTOR], strict=True)
        return [f"action {_numbers(act)}, now {_numbers(vector)}" for act, vector in rows]
    ends = [layout.arrays(each) for each in (before, after)]
    seen = [
        (
            np.stack([end[f"front_{name}"] for name in ("kind", "colour", "state")], axis=1).astype(np.int64),
            np.stack([end["carrying_kind"], end["carrying_colour"], 0 * end["carrying_kind"]], 1).astype(np.int64),
            np.stack([end["agent_x"], end["agent_y"]], axis=1).astype(np.int64),
        )
        for end in ends
    ]
    return [event_text(int(code)) for code in events(seen[0], np.asarray(action, np.int64), seen[1])]


def _numbers(values: Array) -> str:
    return " ".join(f"{value:.3g}" for value in values.tolist())


def _shown(lines: list[str]) -> str:
    """Equal lines in a row are one, with their number."""
    runs = [(line, len(list(same))) for line, same in groupby(lines)]
    return "\n".join(f"- {line}" + (f" ({count} times)" if count > 1 else "") for line, count in runs)
