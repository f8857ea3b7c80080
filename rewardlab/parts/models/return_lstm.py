"""An LSTM without forget and output gates that predicts an episode's return after each step.

Source: Arjona-Medina et al. 2019, RUDDER: return decomposition for delayed rewards (arXiv:1806.07857), in the form of
the authors' demonstration: the cell input sees the step alone, the input gate the cell alone. What is stored is never
forgotten, so a change of the prediction is the doing of the step at which it happens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from rewardlab.maths.compiled import compiles
from rewardlab.networks.adam import Adam
from rewardlab.networks.init import seeded_linear
from rewardlab.parts.models import return_lstm_kernel
from rewardlab.parts.models.sub_returns import side_by_side


class ReturnLSTM(nn.Module):
    """c += sigmoid(W c + b) tanh(V x + d); the prediction is linear in c. b begins about -3, the rest near 0."""

    def __init__(self, inputs: int, cells: int, generator: torch.Generator) -> None:
        super().__init__()
        self.cells = cells
        self.cell_input = seeded_linear(inputs, cells, generator)
        self.gate = seeded_linear(cells, cells, generator)
        self.head = seeded_linear(cells, 1, generator, 1.0)
        for layer, bias in ((self.cell_input, 0.0), (self.gate, -3.0)):
            nn.init.normal_(layer.weight, 0.0, 0.1, generator=generator)
            nn.init.normal_(layer.bias, bias, 1.0, generator=generator)

    def forward(
        self, given: torch.Tensor, state: torch.Tensor, first: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Predictions after each step, [T, N], and the cells after the last, [N, C].

        Args:
            given: [T, N, C], what `cell_input` makes of the steps.
            state: [N, C], the cells before step 0. first: bool [T, N], where an episode begins.
        """
        entering, weight, bias = torch.tanh(given).contiguous(), self.gate.weight, self.gate.bias
        if compiles(entering, state, weight):
            states: torch.Tensor = _Scan.apply(entering, state, first, weight, bias)  # type: ignore[no-untyped-call]
        else:
            states = _scan(entering, state, first, weight, bias)
        return self.head(states).squeeze(-1), states[-1]


def _scan(
    entering: torch.Tensor, state: torch.Tensor, first: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """The cells after each step, [T, N, C], step by step."""
    begun, states = (~first).to(state.dtype).unsqueeze(-1), []
    for t in range(len(entering)):
        state = state * begun[t]
        state = torch.addcmul(state, torch.sigmoid(torch.addmm(bias, state, weight.t())), entering[t])
        states.append(state)
    return torch.stack(states)


class _Scan(torch.autograd.Function):
    """The same in one compiled pass, and its gradient in another."""

    @staticmethod
    def forward(
        context: Any,
        entering: torch.Tensor,
        state: torch.Tensor,
        first: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        steps, rows, size = entering.shape
        chain, gates = entering.new_empty(steps + 1, rows, size), entering.new_empty(steps, rows, size)
        given = (entering, state, first, weight, bias)
        arrays = (tensor.detach().contiguous().numpy() for tensor in given)
        return_lstm_kernel.scan(*arrays, chain.numpy(), gates.numpy())
        context.save_for_backward(entering, first, weight, chain, gates)
        return chain[1:].clone()

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        entering, first, weight, chain, gates = context.saved_tensors
        to_entering, to_state = torch.empty_like(gates), torch.empty_like(chain[0])
        of_weight, of_bias = torch.zeros_like(weight), weight.new_zeros(len(weight))
        given = (gradients[0].contiguous(), entering, first.contiguous(), weight, chain, gates)
        filled = (to_entering, to_state, of_weight, of_bias)
        return_lstm_kernel.scan_back(*(tensor.detach().numpy() for tensor in (*given, *filled)))
        return to_entering, to_state, None, of_weight, of_bias


class ReturnLessons:
    """Gradient steps of a `ReturnLSTM` on whole episodes, with a decay of all weights.

    Args:
        every: the weight of the mean over all steps, see `prediction_errors`.
    """

    def __init__(self, network: ReturnLSTM, learning_rate: float, decay: float, every: float) -> None:
        self._network, self._decay, self._every = network, decay, every
        self.optimiser = Adam(network.parameters(), learning_rate)
        self._gradient, self._places = self.optimiser.gradients()

    @torch.no_grad()
    def take(self, inputs: torch.Tensor, place: torch.Tensor, lengths: torch.Tensor, returns: torch.Tensor) -> float:
        """One step on M episodes; their squared error after the last step, before it.

        Args:
            inputs: [U, D], of the distinct steps. place: int64 [B], which of them the steps of the episodes are, one
                episode after another. lengths: int64 [M]. returns: [M].
        """
        network, places = self._network, self._places
        if not compiles(inputs, network.gate.weight):
            return self._by_autograd(inputs, place, lengths, returns)
        cell_input, gate, head = network.cell_input, network.gate, network.head
        given = cell_input(inputs)
        weights = (gate.weight, gate.bias, head.weight, head.bias)
        to_given = torch.empty_like(given)
        last, _ = return_lstm_kernel.lesson(
            *(tensor.numpy() for tensor in (given, place, lengths, returns)),
            *(weight.detach().numpy() for weight in weights),
            self._every,
            to_given.numpy(),
            *(places[weight].numpy() for weight in weights),
        )
        torch.mm(to_given.t(), inputs, out=places[cell_input.weight])
        torch.sum(to_given, dim=0, out=places[cell_input.bias])
        for parameter, gradient in places.items():
            gradient.add_(parameter, alpha=self._decay)
        self.optimiser.step(self._gradient)
        return float(last)

    @torch.enable_grad()
    def _by_autograd(
        self, inputs: torch.Tensor, place: torch.Tensor, lengths: torch.Tensor, returns: torch.Tensor
    ) -> float:
        network = self._network
        columns, _ = side_by_side(network.cell_input(inputs)[place], lengths)
        first = torch.zeros(columns.shape[:2], dtype=torch.bool, device=columns.device)
        predicted, _ = network(columns, columns.new_zeros(len(lengths), network.cells), first)
        last, loss = prediction_errors(predicted, returns, lengths, self._every)
        decay = torch.cat([weight.flatten() for weight in network.parameters()]).square().sum()
        self.optimiser.descend(loss + 0.5 * self._decay * decay)
        return float(last.detach())


def prediction_errors(
    predicted: torch.Tensor, returns: torch.Tensor, lengths: torch.Tensor, every: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The squared error after the last step, and the whole loss: that, and `every` times the mean over all steps.

    Args:
        predicted: [T, M], of M episodes of lengths int64 [M]; what follows an end is not read. returns: [M].
    """
    errors = (predicted - returns).square()
    within = torch.arange(len(predicted), device=predicted.device).unsqueeze(-1) < lengths
    last = errors.gather(0, (lengths - 1).unsqueeze(0)).mean()
    return last, last + every * (errors * within).sum() / lengths.sum()
