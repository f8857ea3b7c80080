"""Gradient steps on a term that a reward scheme hands to the agent."""

from __future__ import annotations

import math
from typing import Any

import torch

from rewardlab.errors import Diverged
from rewardlab.maths import distributions
from rewardlab.types import AuxLoss, Judgement


def aux_steps(
    aux_loss: AuxLoss, network: Any, optimiser: torch.optim.Optimizer, max_grad_norm: float, task_coef: float
) -> list[float]:
    """One step on each minibatch of this iteration; the losses.

    Args:
        network: an `ActorCritic` without memory.
        task_coef: the weight of the task's reward in what its value head learns.

    Raises:
        Diverged: the loss or its gradient is not finite; the weights are as before.
    """
    parameters = list(network.parameters())
    losses = []
    for batch in aux_loss.batches():
        dist, values, _ = network(batch.obs)
        task_value = values[..., 0] / task_coef if task_coef else values[..., 0]
        log_prob, entropy = distributions.log_prob(dist, batch.action), distributions.entropy(dist)
        loss = aux_loss.loss(batch, Judgement(log_prob, entropy, task_value))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        grad_norm = torch.nn.utils.clip_grad_norm_(parameters, max_grad_norm)
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1] + float(grad_norm)):
            raise Diverged(f"the loss {aux_loss.name} is {losses[-1]:g}, its gradient's norm {float(grad_norm):g}")
        optimiser.step()
    return losses
