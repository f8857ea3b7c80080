"""What an agent learns from beside its rewards, of whoever hands it over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch

from rewardlab.types.steps import Transitions


@dataclass
class Judgement:
    """What an agent's networks say of B steps, with gradients: log_prob [B], entropy [B], task_value [B].

    task_value is the value of the task's stream, in units of the task's own reward; where one head values the sum of
    all streams, it is that head's. An error of it that is learned from is to be divided by `return_scale`, which the
    agent divides its own rewards by: undivided, it would fill the gradient where returns are large.
    """

    log_prob: torch.Tensor
    entropy: torch.Tensor
    task_value: torch.Tensor
    return_scale: float = 1.0


class AuxLoss(Protocol):
    """A term that a scheme or a conditioner hands to the agent, which takes gradient steps on it after those on the
    rollout.
    """

    name: str  # its mean is the column loss/<name>

    def batches(self) -> Iterable[Transitions]:
        """The minibatches of this iteration, one gradient step each; asked for after `compute`."""

    def loss(self, batch: Transitions, judgement: Judgement) -> torch.Tensor:
        """The mean over a minibatch: a scalar."""
