"""PPO's gradients of minibatches by autograd; `fused_steps.py` has the same without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from rewardlab.agents.on_policy.batch import Batch
from rewardlab.maths import distributions
from rewardlab.maths.distinct import spread
from rewardlab.maths.losses import approximate_kl, clipped_policy_loss, value_loss
from rewardlab.networks.actor_critic import ActorCritic
from rewardlab.networks.adam import Adam, clip_norm

LOSSES = ("loss/policy", "loss/value", "loss/entropy", "loss/approx_kl", "loss/clip_fraction", "loss/grad_norm")


class Options(Protocol):
    """What is read of PPO's."""

    clip: float
    value_clip: float | None
    value_coef: float
    entropy_coef: float
    max_grad_norm: float


class GradientSteps:
    """The gradients of minibatches of a rollout.

    Attributes:
        gradient: of all weights, of the latest minibatch: one vector.
    """

    gradient: torch.Tensor

    def __init__(self, network: ActorCritic, optimiser: Adam, options: Options) -> None:
        self._network, self._optimiser, self._options = network, optimiser, options

    def begin(self, whole: Batch) -> None:
        """Take over the samples of a rollout: [B, ...], or with memory whole sequences [T, N, ...]."""
        self._whole = whole

    def losses(self, chosen: torch.Tensor) -> list[float]:
        """Fill the clipped gradient of some samples, int64 [B], or of some sequences; what `LOSSES` names."""
        options, parts = self._options, self._blocks(chosen)
        gradient: torch.Tensor | None = None
        terms = [0.0] * (len(LOSSES) - 1)
        for part in parts:
            batch = self._whole.of_envs(part) if self._whole.place is None else self._whole.at(part)
            dist, values = self._network(batch.obs, batch.state0, batch.first)
            if batch.place is not None:
                dist = {name: spread(entry, batch.place) for name, entry in dist.items()}
                values = spread(values, batch.place)
            log_prob, entropies = distributions.log_prob_and_entropy(dist, batch.action)
            log_ratio = log_prob - batch.log_prob
            ratio = log_ratio.exp()
            policy = clipped_policy_loss(ratio, batch.advantage, options.clip)
            value = value_loss(values, batch.returns, batch.values, options.value_clip)
            entropy = entropies.mean()
            loss, share = policy + options.value_coef * value - options.entropy_coef * entropy, len(part) / len(chosen)
            of_part = self._optimiser.gradient(loss)
            with torch.no_grad():
                clipped = ((ratio - 1.0).abs() > options.clip).float().mean()
                found = torch.stack([policy, value, entropy, approximate_kl(log_ratio), clipped])
            of_part = of_part if len(parts) == 1 else of_part.mul_(share)
            gradient = of_part if gradient is None else gradient.add_(of_part)
            terms = [term + share * more for term, more in zip(terms, found.tolist(), strict=True)]
        assert gradient is not None
        norm = clip_norm(gradient, options.max_grad_norm)
        self.gradient = gradient
        return [*terms, float(norm)]

    def _blocks(self, chosen: torch.Tensor) -> Sequence[torch.Tensor]:
        """A minibatch in the parts that the network learns from one after another: the same but for rounding."""
        block = self._network.encoder.block
        if block is None:
            return (chosen,)
        each = 1 if self._whole.place is not None else len(self._whole.first)  # observations of a sample or a sequence
        return torch.split(chosen, max(1, block // each))
