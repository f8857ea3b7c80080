"""Hindsight over a data set: its steps with goals that were achieved later in their episodes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from rewardlab import discovery
from rewardlab.agents.offline.options import NetworkConfig
from rewardlab.datasets.steps import StoredSteps
from rewardlab.errors import UserError
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, StreamSpec, Transitions


@dataclass
class GoalConfig(NetworkConfig):
    normalise_observation: bool = option(
        False, "floats by their mean and std in the data, where goals are those that were pursued"
    )


def check_goals(name: str, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
    """Raises:
    UserError: the world has no goals, or something is paid.
    """
    if not context.spec.goals:
        raise UserError(
            f"agent={name}: needs goals, which {context.spec.id} has not; use {discovery.worlds_with_goals()}"
        )
    if len(streams) > 1:
        raise UserError(f"agent={name}: learns from what was reached, not from what is paid; use reward=none")


def later(data: StoredSteps, steps: Array, rng: np.random.Generator) -> Array:
    """For each step, int64 [B], a row of what was seen after it in its episode: uniform, its own successor included."""
    rows, episodes = data.rows(steps), data.episodes(steps)
    return rng.integers(rows, data.starts[episodes + 1] + episodes) + 1


def with_goals(data: StoredSteps, steps: Array, rows: Array) -> Transitions:
    """Those steps with the goals that were achieved at these rows, shown before and after each."""
    batch = data.at(steps)
    goal = {"goal": data.obs["achieved"].index_select(0, torch.from_numpy(rows).to(data.reward.device))}
    return replace(batch, obs=batch.obs | goal, next_obs=batch.next_obs | goal)
