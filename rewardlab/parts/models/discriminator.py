"""A discriminator that tells true successors from fake ones, by a trajectory's embedding before and after them.

Source: Wan et al. 2023, DEIR: efficient and robust exploration through discriminative-model-based intrinsic rewards.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from rewardlab.maths.distinct import spread
from rewardlab.networks.adam import Adam
from rewardlab.networks.fused import FusedMLP
from rewardlab.networks.fused_memory import FusedGRU
from rewardlab.networks.init import mlp
from rewardlab.networks.memory import Memory, gru_step
from rewardlab.parts.models.discriminator_kernel import discriminate
from rewardlab.parts.models.inverse_model import ObservationEncoder, action_size
from rewardlab.types import EnvSpec


@dataclass(frozen=True)
class Samples:
    """B steps to learn from, each with a fake successor.

    inputs: of the encoder, distinct ones, [U, D]. place: int64 [3, B], which of them was acted on, the true successor
    and the fake one. before: [B, W], the trajectory before what was acted on; no gradients go further back. action:
    encoded, [B, A]. usable: [B], 1 where the fake one is another, else 0.
    """

    inputs: torch.Tensor
    place: torch.Tensor
    before: torch.Tensor
    action: torch.Tensor
    usable: torch.Tensor


def fakes(true: torch.Tensor, candidates: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For true successors, int64 [B], others: the first or else the second candidate, [2, B], that is another; and 1
    where there is one, else 0, float32 [B].
    """
    fake = torch.where(candidates[0].ne(true), candidates[0], candidates[1])
    return fake, fake.ne(true).float()


class Discriminator(nn.Module):
    """Tells whether an observation followed from the trajectory so far and the action."""

    def __init__(self, spec: EnvSpec, hidden: int, features: int, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = ObservationEncoder(spec.obs, hidden, features, generator)
        self.trajectories = Memory(features, features, generator)
        self.head = mlp((2 * features + action_size(spec.action), hidden, 1), generator)  # of here, there and action

    def see(
        self, inputs: torch.Tensor, place: torch.Tensor, state: torch.Tensor, first: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings of observations [U, O], and of the trajectories up to each step [T, N, W].

        Args:
            inputs: of the encoder, [U, D]. place: int64 [T, N], which of them each step shows.
            state: [N, W], the trajectory before step 0. first: bool [T, N], where an episode begins.
        """
        encoded = self.encoder.layers(inputs)
        return encoded, self.trajectories(spread(encoded, place), state, first)[0]

    def learn(self, samples: Samples, optimiser: Adam) -> tuple[torch.Tensor, float, float]:
        """The gradient of the binary cross-entropy, that loss, and the share of right answers."""
        usable = samples.usable
        shown = spread(self.encoder.layers(samples.inputs), samples.place)
        here = gru_step(self.trajectories.cell, shown[0], samples.before)
        there = gru_step(self.trajectories.cell, shown[1:], here)
        told = here.expand_as(there), there, samples.action.expand(2, *samples.action.shape)
        logits = self.head(torch.cat(told, dim=-1)).squeeze(-1)
        true_loss = functional.softplus(-logits[0]).mean()
        fake_loss = (functional.softplus(logits[1]) * usable).sum() / usable.sum().clamp(min=1)
        loss = 0.5 * (true_loss + fake_loss)
        right = ((logits[0] > 0).sum() + ((logits[1] < 0) * usable).sum()) / (len(usable) + usable.sum())
        return optimiser.gradient(loss), float(loss.detach()), float(right)


class FusedDiscriminator:
    """The same without autograd; see `networks.fused`.

    Args:
        optimiser: of the discriminator's parameters.
    """

    def __init__(self, network: Discriminator, optimiser: Adam) -> None:
        self._gradient, places = optimiser.gradients()
        self._encoder = FusedMLP(network.encoder.layers, places)
        cell = network.trajectories.cell
        self._trajectories, self._width = FusedGRU(cell, places), cell.hidden_size
        first, _, last = network.head
        assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
        self._first, self._first_bias = first.weight.detach(), first.bias.detach()
        self._last, self._last_bias = last.weight.detach()[0], last.bias.detach()
        self._of_first, self._of_first_bias = places[first.weight], places[first.bias]
        self._of_last, self._of_last_bias = places[last.weight][0], places[last.bias]

    def see(
        self, inputs: torch.Tensor, place: torch.Tensor, state: torch.Tensor, first: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        encoded = self._encoder.predict(inputs)
        return encoded, self._trajectories.scan(self._trajectories.gates(encoded), place, state, first)[1:].clone()

    def learn(self, samples: Samples) -> tuple[torch.Tensor, float, float]:
        width = self._width
        encoded = self._encoder.forward(samples.inputs)
        gates = self._trajectories.gates(encoded)
        of_here, there, of_action = torch.split(self._first, [width, width, samples.action.shape[1]], dim=1)
        known, there = torch.cat([of_here, of_action], dim=1), there.contiguous()
        of_gates, of_known, of_there = (torch.empty_like(tensor) for tensor in (gates, known, there))
        given = gates, samples.place, samples.before, samples.action, samples.usable
        head = known, there, self._first_bias, self._last, self._last_bias
        of_head = of_known, of_there, self._of_first_bias, self._of_last, self._of_last_bias
        weights = *self._trajectories.recurrent, *head, of_gates, *self._trajectories.of_recurrent, *of_head
        loss, right = discriminate(*(tensor.numpy() for tensor in (*given, *weights)))
        torch.cat([of_known[:, :width], of_there, of_known[:, width:]], dim=1, out=self._of_first)
        self._encoder.backward(self._trajectories.gates_back(of_gates, encoded))
        return self._gradient, loss, right
