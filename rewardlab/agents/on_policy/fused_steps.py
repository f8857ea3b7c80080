"""PPO's gradients of minibatches without autograd: those of `gradient_steps.py` but for rounding."""

from __future__ import annotations

import math

import numpy as np
import torch

from rewardlab.agents.on_policy.batch import Batch
from rewardlab.agents.on_policy.gradient_steps import Options
from rewardlab.kernel_cache import kept
from rewardlab.maths.compiled import ppo_loss
from rewardlab.networks import fused_kernels
from rewardlab.networks.fused import FusedActorCritic
from rewardlab.types import Array


class FusedSteps:
    """The gradients of minibatches of a rollout.

    Attributes:
        gradient: of all weights, of the latest minibatch: one vector.
    """

    def __init__(self, fused: FusedActorCritic, options: Options) -> None:
        value_clip = math.inf if options.value_clip is None else options.value_clip
        self._coefficients = (options.clip, value_clip, options.value_coef, options.entropy_coef)
        self._fused, self._max_grad_norm = fused, options.max_grad_norm
        self.gradient = fused.gradient
        self._clipped = fused.gradient.numpy()

    def begin(self, whole: Batch) -> None:
        """Take over the samples of a rollout [B, ...], whose `obs["flat"]` is what the network reads."""
        assert whole.place is not None
        self._inputs, self._place = whole.obs["flat"].numpy(), whole.place.numpy()
        samples = (whole.action, whole.log_prob, whole.advantage, whole.returns, whole.values)
        self._samples = [entry.numpy() for entry in samples]

    def losses(self, chosen: torch.Tensor) -> list[float]:
        """Fill the clipped gradient of some samples, int64 [B]; what `LOSSES` names."""
        sample = chosen.numpy()
        rows, place = _distinct_rows(self._inputs, self._place, sample)
        logits, values = self._fused.forward(torch.from_numpy(rows))
        of_logits, of_values = torch.empty_like(logits), torch.empty_like(values)
        terms = ppo_loss(
            logits.numpy(),
            values.numpy(),
            place,
            sample,
            *self._samples,
            *self._coefficients,
            of_logits.numpy(),
            of_values.numpy(),
        )
        self._fused.backward(of_logits, of_values)
        return [*terms, fused_kernels.clip(self._clipped, self._max_grad_norm)]


def _rows_of(inputs: Array, place: Array, chosen: Array) -> tuple[Array, Array]:  # pragma: no cover
    """The distinct rows of inputs [R, P] that samples `chosen` [B] have, [U, P], and which of them each has, [B].

    Args:
        place: int64 [M], the row of each sample.
    """
    seen = np.full(inputs.shape[0], -1, dtype=np.int64)
    where = np.empty(chosen.size, dtype=np.int64)
    rows = np.empty((min(chosen.size, inputs.shape[0]), inputs.shape[1]), dtype=np.float32)
    found = 0
    for i in range(chosen.size):
        row = place[chosen[i]]
        if seen[row] < 0:
            seen[row] = found
            rows[found] = inputs[row]
            found += 1
        where[i] = seen[row]
    return rows[:found], where


_distinct_rows = kept(_rows_of)
