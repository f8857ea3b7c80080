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
from rewardlab.networks.init import seeded_linear
from rewardlab.parts.models import return_lstm_kernel


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
