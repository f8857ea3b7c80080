"""Gradient steps on a term that a reward scheme hands to the agent."""

from __future__ import annotations

import math

from rewardlab.errors import Diverged
from rewardlab.maths import distributions
from rewardlab.networks.actor_critic import ActorCritic
from rewardlab.networks.adam import Adam, clip_norm
from rewardlab.networks.fused import FusedActorCritic
from rewardlab.types import AuxLoss, Judgement


def aux_steps(
    aux_loss: AuxLoss,
    network: ActorCritic,
    optimiser: Adam,
    max_grad_norm: float,
    task_coef: float,
    return_scale: float = 1.0,
    fused: FusedActorCritic | None = None,
) -> list[float]:
    """One step on each minibatch of this iteration; the losses.

    Args:
        network: one without memory.
        optimiser: of all its weights.
        task_coef: the weight of the task's reward in what its value head learns.
        return_scale: what that is divided by.
        fused: the same network without autograd, where there is one.

    Raises:
        Diverged: the loss or its gradient is not finite; the weights are as before.
    """
    losses = []
    for batch in aux_loss.batches():
        dist, values = network(network.prepare(batch.obs)) if fused is None else fused.followed(batch.obs)
        task_value = return_scale * values[..., 0]
        task_value = task_value / task_coef if task_coef else task_value
        log_prob, entropy = distributions.log_prob_and_entropy(dist, batch.action)
        loss = aux_loss.loss(batch, Judgement(log_prob, entropy, task_value, return_scale))
        gradient, unread = (optimiser if fused is None else fused).gradient_and_unread(loss)
        grad_norm = float(clip_norm(gradient, max_grad_norm))
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1] + grad_norm):
            raise Diverged(f"the loss {aux_loss.name} is {losses[-1]:g}, its gradient's norm {grad_norm:g}")
        optimiser.step(gradient, unread)
        network.stepped()
    return losses
