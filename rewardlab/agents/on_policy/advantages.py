"""From reward streams to the one advantage that a policy learns of, by way of one for each value head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from rewardlab.maths.gae import gae, normalised
from rewardlab.types import Rollout, Signals, StreamSpec


def head_rewards(options: Any, streams: Sequence[StreamSpec], signals: Signals, progress: float) -> list[torch.Tensor]:
    """What each value head learns of, [T, N] each: every weighted stream, or their sum with `streams=joint`."""
    # Weighing rewards instead of advantages keeps each head's error on the scale on which it matters: unweighed,
    # a bonus of large returns fills the value loss and, by the clipping of gradients, stops the policy.
    rewards = [stream.weight(progress) * signals.streams[stream.name] for stream in streams]
    if options.streams == "joint":
        limit = options.reward_clip
        total = torch.stack(rewards).sum(dim=0)
        rewards = [total if limit is None else total.clamp(-limit, limit)]
    return rewards


def head_advantages(
    options: Any, heads: Sequence[StreamSpec], rollout: Rollout, rewards: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Of each value head: [T, N, S]."""
    return torch.stack(
        [
            gae(
                reward,
                rollout.values[..., index],
                rollout.final_values[..., index],
                rollout.terminated,
                rollout.truncated,
                gamma=head.gamma,
                gae_lambda=options.gae_lambda,
                episodic=head.episodic,
                bootstrap_truncation=options.bootstrap_truncation,
            )
            for index, (head, reward) in enumerate(zip(heads, rewards, strict=True))
        ],
        dim=-1,
    )


def combined(
    options: Any, heads: Sequence[StreamSpec], advantages: torch.Tensor, signals: Signals, divisor: float
) -> torch.Tensor:
    """One advantage [T, N] of those of all heads [T, N, S], to scale where that is asked for.

    Args:
        divisor: of all rewards, and so of `signals.advantage_bonus`.
    """
    floor = options.advantage_std_floor  # of what is learned, after the division: see ReturnScale
    if signals.mixture is None:
        advantage = advantages.sum(dim=-1)  # each stream's is weighed already
    else:
        shares = [(signals.mixture.get(head.name, 1.0), index) for index, head in enumerate(heads)]
        advantage = torch.stack([share * normalised(advantages[..., at], floor) for share, at in shares]).sum(dim=0)
    if signals.advantage_bonus is not None:
        advantage = advantage + signals.advantage_bonus / divisor
    if options.normalise_advantages and signals.mixture is None:
        advantage = normalised(advantage, floor)
    return advantage
