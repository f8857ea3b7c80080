"""The latent world model forwards and backwards without autograd; see `networks.fused`. CPU and float32 only."""

from __future__ import annotations

import torch
from torch import nn

from rewardlab.networks.fused import FusedMLP
from rewardlab.networks.fused_memory import FusedGRU
from rewardlab.parts.models.inverse_model import distinct_actions
from rewardlab.parts.models.latent_world_model import Batch, LatentWorldModel
from rewardlab.types import ActionSpec


class FusedWorldModel:
    """The functions of a `LatentWorldModel` under their names, and the gradient of what a batch imagines.

    `gradients` is as in `FusedMLP`.
    """

    def __init__(
        self, model: LatentWorldModel, action: ActionSpec, gradients: dict[torch.Tensor, torch.Tensor]
    ) -> None:
        self._action = action
        self.encoder = FusedMLP(model.encoder.layers, gradients)
        self._closed, self._open = FusedGRU(model.closed.cell, gradients), FusedGRU(model.open, gradients)
        last = model.encoder.layers[-1]
        assert isinstance(last, nn.Linear)
        self._seen = last.out_features  # so many of the closed loop's inputs; the others are actions

    def beliefs(
        self,
        inputs: torch.Tensor,
        place: torch.Tensor,
        previous: torch.Tensor,
        state: torch.Tensor,
        first: torch.Tensor,
    ) -> torch.Tensor:
        """In a buffer that the next pass writes to."""
        return self._beliefs(self.encoder.predict(inputs), place, previous, state, first)

    def step(self, state: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        rows, which = distinct_actions(action, self._action)
        return self._open.step(self._open.gates(rows), which, state)

    def imagined(self, batch: Batch) -> torch.Tensor:
        """As `Batch.imagined`, in a buffer that the next pass writes to."""
        self._batch, self._encoded = batch, self.encoder.forward(batch.inputs)
        belief = self._beliefs(self._encoded, batch.place, batch.previous, batch.state, batch.first)
        self._rows, which = distinct_actions(batch.action, self._action)
        return self._open.scan(self._open.gates(self._rows), which, belief.flatten(0, 1))

    def backward(self, gradient: torch.Tensor) -> None:
        """The gradients of all weights, from that of the states after each action of the latest `imagined`, [K, B, M].

        What those states' beliefs are told besides is without gradients.
        """
        of_gates, of_belief = self._open.backward(gradient)
        self._open.gates_back(of_gates, self._rows)
        closed, place, seen = self._closed, self._batch.place, self._seen
        of_gates, _ = closed.backward(of_belief.view(*place.shape, -1))
        of_seen = torch.zeros(len(self._encoded), of_gates.shape[1]).index_add_(0, place.flatten(), of_gates)
        closed.of_weight_ih[:, :seen] = of_seen.t() @ self._encoded
        closed.of_weight_ih[:, seen:] = of_gates.t() @ self._batch.previous.flatten(0, 1)
        torch.sum(of_seen, dim=0, out=closed.of_bias_ih)
        self.encoder.backward(of_seen @ closed.weight_ih[:, :seen])

    def _beliefs(
        self,
        encoded: torch.Tensor,
        place: torch.Tensor,
        previous: torch.Tensor,
        state: torch.Tensor,
        first: torch.Tensor,
    ) -> torch.Tensor:
        cell, seen = self._closed, self._seen
        of_seen = torch.addmm(cell.bias_ih, encoded, cell.weight_ih[:, :seen].t())
        gates = of_seen.index_select(0, place.flatten()).addmm_(previous.flatten(0, 1), cell.weight_ih[:, seen:].t())
        order = torch.arange(place.numel()).view(place.shape)
        return cell.scan(gates, order, state, first)[1:]
