"""What a learned reward makes of a level's cells, beside how near they are to success.

The agent is put on every free cell of the first level of evaluations, in every direction, everything else as at the
level's start, and does every action once. A cell's learned reward is the mean over the steps that end there, whatever
their action and the directions before and after; its potential is minus the mean, over the same steps, of how many more
success takes at least. Steps that end where nothing leads to success are left out.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.facts import DISTANCE, PLACE
from rewardlab.gridworld.standing import standings
from rewardlab.maths.ranks import rank_correlation
from rewardlab.schemas import RootConfig
from rewardlab.training.environments import make_level_env
from rewardlab.training.learned_ranks import PATIENCE, left_after
from rewardlab.training.levels import evaluation_list
from rewardlab.training.parts import RunParts
from rewardlab.types import Array, Obs, OnPolicyAgent, PlaceableEnv, Rollout, StepBatch


def reward_map(config: RootConfig, parts: RunParts) -> dict[str, Array] | None:
    """The map of a finished run; its scheme must not be asked for anything afterwards.

    Returns:
        None where nothing is learned that pays single steps, or the task is no grid whose distances are known. Else
        `level`, int64 []: the level's seed. `potential`, float64 [W, H], and for each learned stream `reward.<stream>`
        likewise: nan where nobody can stand. `cells.<stream>`, `steps.<stream>`, float64 []: the rank correlation of
        the two over cells, and of the stream with what steps take off the distance.
    """
    streams, spec = parts.scheme.learned_streams(alone=True), parts.env.spec
    if not streams or parts.conditioner is not None or not spec.placeable or DISTANCE not in spec.privileged:
        return None
    from rewardlab.gridworld.distances import Distances

    assert spec.action.n is not None and spec.max_steps is not None, "grids have both"
    level = evaluation_list(config)[0]
    facts = tuple(dict.fromkeys((*config.reward.privileged(), PLACE)))
    places = standings(_start(config, level))
    count = len(places["agent"])
    actions = spec.action.n - spec.action.extra
    begun = {name: np.repeat(entry, actions, axis=0) for name, entry in places.items()}
    action = np.tile(np.arange(actions), count)
    env: Any = make_level_env(config, facts)([[level]] * len(action))
    env.reset([0] * len(action))
    obs, before = env.put_places(np.arange(len(action)), begun), env.privileged()
    distances = Distances(env.engine.vector.task)
    distances.patience = PATIENCE
    try:
        away = distances.measure(env.engine.vector.world)
        batch = env.step(action)
        now = distances.measure(env.engine.vector.world)
    except UserError:  # the level is too large
        return None
    left = left_after(now, batch.terminated, batch.success, spec.max_steps)
    kept = left < spec.max_steps
    rollout = one_step_episodes(parts, obs, before, action, batch, torch.device(config.device))
    signals = parts.scheme.compute(rollout)
    place, shape = batch.privileged[PLACE][kept], tuple(begun["cells"].shape[2:0:-1])
    found = {"level": np.array(level), "potential": _means(-left[kept].astype(np.float64), place, shape)}
    for stream in streams:
        paid = signals.streams[stream].flatten()[: len(action)].double().cpu().numpy()[kept]
        cells = found[f"reward.{stream}"] = _means(paid, place, shape)
        there = np.isfinite(cells)
        found[f"cells.{stream}"] = np.array(rank_correlation(cells[there], found["potential"][there]))
        found[f"steps.{stream}"] = np.array(rank_correlation(paid, (away - left)[kept]))
    return found


def _start(config: RootConfig, level: int) -> Obs:
    env = cast(PlaceableEnv, make_level_env(config)([[level]]))
    env.reset([0])
    return env.take_places(np.zeros(1, dtype=np.int64))


def one_step_episodes(
    parts: RunParts, obs: Obs, before: Obs, action: Array, batch: StepBatch, device: torch.device
) -> Rollout:
    """Steps [B] as a rollout of as many environments as there are in training, the last step again to fill it up."""
    num_envs = parts.env.num_envs
    rows = -(-len(action) // num_envs)
    which = np.minimum(np.arange(rows * num_envs), len(action) - 1).reshape(rows, num_envs)

    def laid_out(entry: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(entry[which])).to(device)

    shown = {name: laid_out(entry) for name, entry in obs.items()}
    terminated = laid_out(batch.terminated)
    agent = parts.agent
    rollout = Rollout(
        obs=shown,
        next_obs={name: laid_out(entry) for name, entry in batch.next_obs.items()},
        action=laid_out(action),
        task_reward=laid_out(batch.task_reward),
        terminated=terminated,
        truncated=~terminated,
        success=laid_out(batch.success),
        first=torch.ones_like(terminated),
        last_obs={name: entry[-1] for name, entry in shown.items()},
        last_first=torch.ones_like(terminated[-1]),
        agent_state0=agent.initial_state(num_envs),
        privileged={name: laid_out(entry) for name, entry in batch.privileged.items()},
        current_privileged={name: laid_out(entry) for name, entry in before.items()},
        progress=1.0,
    )
    if parts.scheme.reads_policy:
        rollout.take(cast(OnPolicyAgent, agent).assess(rollout))
    return rollout


def _means(values: Array, place: Array, shape: tuple[int, ...]) -> Array:
    """The mean of values [B] at places, int64 [B, 2]: float64 of this shape, nan where there are none."""
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, tuple(place.T), values)
    np.add.at(counts, tuple(place.T), 1.0)
    return np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)
