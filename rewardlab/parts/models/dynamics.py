"""Training of inverse and forward models, with the encoder that they share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.maths import compiled
from rewardlab.maths.distinct import distinct_of, pick
from rewardlab.maths.intrinsic import prediction_error
from rewardlab.networks.adam import Adam
from rewardlab.networks.fused import FusedMLP, can_fuse
from rewardlab.parts.models.inverse_model import ForwardModel, InverseModel, encode_action
from rewardlab.types import Rollout, TensorObs


class Dynamics:
    """Trains an inverse model, a forward model where there is one, and the encoder through both.

    Source: Pathak et al. 2017, eq. 7: a weighted sum of both losses.
    """

    def __init__(self, inverse: InverseModel, forward: ForwardModel | None, optimiser: Adam) -> None:
        """Args:
        optimiser: of the parameters of both.
        """
        self._inverse, self._forward, self._optimiser = inverse, forward, optimiser
        fits = inverse.action.discrete and can_fuse(inverse)
        self._fused = _Fused(inverse, forward, optimiser) if fits else None

    def encode(self, obs: TensorObs) -> torch.Tensor:
        """Features of observations [..., *shape], without a gradient: [..., features]."""
        encoder = self._inverse.encoder
        if self._fused is not None:
            return self._fused.encoder.predict(encoder.flat(obs))
        with torch.no_grad():
            features: torch.Tensor = encoder(obs)
        return features

    def learn(
        self,
        rollout: Rollout,
        parts: Iterable[torch.Tensor],
        *,
        inverse_coef: float = 1.0,
        forward_coef: float = 0.0,
        error: str = "mse",
    ) -> tuple[float, float]:
        """Learn from a rollout; the mean inverse and forward losses. Every step counts: its true successor is known.

        Args:
            parts: indices [B] of minibatches among the T * N steps.
            error: kind of `prediction_error` that the forward loss is the mean of.
        """
        distinct = distinct_of(rollout)
        inputs, action = self._inverse.encoder.flat(distinct.rows), rollout.action.flatten(0, 1)
        ends = torch.stack([distinct.here[:-1].flatten(), distinct.there.flatten()])
        step = self._step if self._fused is None else self._fused.step
        losses = []
        for index in parts:
            index = index.to(inputs.device)
            picked = pick(ends.index_select(1, index).flatten(), len(inputs))
            batch = _Transitions(inputs.index_select(0, picked.rows), picked.place, action.index_select(0, index))
            losses.append(step(batch, inverse_coef, forward_coef, error))
        inverse_losses, forward_losses = zip(*losses, strict=True)
        return sum(inverse_losses) / len(losses), sum(forward_losses) / len(losses)

    def _step(self, batch: _Transitions, inverse_coef: float, forward_coef: float, error: str) -> tuple[float, float]:
        """A gradient step; both losses."""
        action = batch.action
        features, next_features = self._inverse.encoder.layers(batch.rows).index_select(0, batch.place).chunk(2)
        inverse_loss = self._inverse.loss(features, next_features, action)
        forward_loss = torch.zeros(())
        if self._forward is not None:
            forward_loss = prediction_error(self._forward(features, action), next_features, error).mean()
        self._optimiser.descend(inverse_coef * inverse_loss + forward_coef * forward_loss)
        return float(inverse_loss.detach()), float(forward_loss.detach())


@dataclass(frozen=True)
class _Transitions:
    """B of them, by their distinct observations.

    rows: the encoder's inputs, [U, D]. place: int64 [2 * B], which of them was acted on, then which followed.
    action: int64 [B] or float32 [B, A].
    """

    rows: torch.Tensor
    place: torch.Tensor
    action: torch.Tensor


class _Fused:
    """`Dynamics._step` without autograd, for discrete actions."""

    def __init__(self, inverse: InverseModel, forward: ForwardModel | None, optimiser: Adam) -> None:
        self._optimiser = optimiser
        self._gradient, places = optimiser.gradients()
        self._action = inverse.action
        self.encoder, self._head = FusedMLP(inverse.encoder.layers, places), FusedMLP(inverse.head, places)
        self._forward = None if forward is None else FusedMLP(forward.layers, places)

    def step(self, batch: _Transitions, inverse_coef: float, forward_coef: float, error: str) -> tuple[float, float]:
        encoding, action, place = self.encoder.forward(batch.rows), batch.action, batch.place.numpy()
        size = encoding.shape[1]
        pairs = torch.empty(len(action), 2 * size)
        compiled.gather_pairs(encoding.numpy(), place, pairs.numpy())

        guess = self._head.forward(pairs)
        of_guess = torch.empty_like(guess)
        inverse_loss = compiled.cross_entropy(guess.numpy(), action.numpy(), inverse_coef, of_guess.numpy())
        of_pairs = self._head.backward(of_guess, of_inputs=True)
        assert of_pairs is not None

        forward_loss = 0.0
        if self._forward is not None:
            features, next_features = pairs[:, :size], pairs[:, size:].contiguous()
            prediction = self._forward.forward(torch.cat([features, encode_action(action, self._action)], dim=1))
            of_prediction, kind = torch.empty_like(prediction), compiled.ERRORS.index(error)
            once = np.ones(len(action), dtype=np.float32)
            forward_loss = compiled.distance_loss(
                prediction.numpy(), next_features.numpy(), once, kind, of_prediction.numpy()
            )
            of_pairs[:, size:] -= of_prediction.mul_(forward_coef)
            of_given = self._forward.backward(of_prediction, of_inputs=True)
            assert of_given is not None
            of_pairs[:, :size] += of_given[:, :size]

        of_encoding = torch.empty_like(encoding)
        compiled.scatter_pairs(of_pairs.numpy(), place, of_encoding.numpy())
        self.encoder.backward(of_encoding)
        self._optimiser.step(self._gradient)
        return float(inverse_loss), float(forward_loss)
