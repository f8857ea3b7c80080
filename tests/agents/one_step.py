"""Rollouts of a single step, for agents without memory."""

import torch

from rewardlab.types import Rollout, TensorObs


def one_step(obs: TensorObs, action: torch.Tensor | None = None) -> Rollout:
    """Observations [B, ...] as those of B environments; actions [B] or [B, A], 0 where none are given."""
    count = len(next(iter(obs.values())))
    row = {name: entry.unsqueeze(0) for name, entry in obs.items()}
    nothing = torch.zeros(1, count, dtype=torch.bool)
    return Rollout(
        obs=row,
        next_obs=row,
        action=torch.zeros(1, count, dtype=torch.int64) if action is None else action.unsqueeze(0),
        task_reward=torch.zeros(1, count),
        terminated=nothing,
        truncated=nothing,
        success=nothing,
        first=nothing,
        last_obs=obs,
        last_first=nothing[0],
        agent_state0=None,
    )
