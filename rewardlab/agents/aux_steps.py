"""Gradient steps on a term that a reward scheme hands to the agent."""

from __future__ import annotations

import math

import torch

from rewardlab.errors import Diverged
from rewardlab.maths import distributions
from rewardlab.networks.actor_critic import ActorCritic
from rewardlab.types import AuxLoss, Judgement


def aux_steps(
    aux_loss: AuxLoss,
    network: ActorCritic,
    weights: torch.nn.Parameter,
    optimiser: torch.optim.Optimizer,
    max_grad_norm: float,
    task_coef: float,
) -> list[float]:
    """One step on each minibatch of this iteration; the losses.

    Args:
        network: one without memory; its parameters are views of `weights` (see `networks.flatten`).
        task_coef: the weight of the task's reward in what its value head learns.

    Raises:
        Diverged: the loss or its gradient is not finite; the weights are as before.
    """
    parameters = list(network.parameters())
    losses = []
    for batch in aux_loss.batches():
        dist, values = network(network.prepare(batch.obs))
        task_value = values[..., 0] / task_coef if task_coef else values[..., 0]
        log_prob, entropy = distributions.log_prob_and_entropy(dist, batch.action)
        loss = aux_loss.loss(batch, Judgement(log_prob, entropy, task_value))
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        gradient = torch.cat(
            [torch.zeros(p.numel(), device=p.device) if g is None else g.flatten()
             for p, g in zip(parameters, found, strict=True)]
        )  # fmt: skip
        grad_norm = gradient.norm()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1] + float(grad_norm)):
            raise Diverged(f"the loss {aux_loss.name} is {losses[-1]:g}, its gradient's norm {float(grad_norm):g}")
        weights.grad = gradient.mul_((max_grad_norm / (grad_norm + 1e-6)).clamp(max=1.0))
        # What the loss does not read stays where it is: Adam's momentum would carry it on.
        unread = [(p, p.detach().clone()) for p, g in zip(parameters, found, strict=True) if g is None]
        optimiser.step()
        with torch.no_grad():
            for parameter, kept in unread:
                parameter.copy_(kept)
    return losses
