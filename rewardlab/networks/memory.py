"""A GRU over sequences in which new episodes begin; its recurrence is in `networks.gru`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rewardlab.networks.gru import Trace, scan, scan_back, step, step_back
from rewardlab.networks.init import seeded_gru


class Memory(nn.Module):
    """A GRU whose state starts from zero wherever an episode does."""

    def __init__(self, inputs: int, size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.size = size
        self.cell = seeded_gru(inputs, size, generator)

    def forward(
        self, features: torch.Tensor, state: torch.Tensor, first: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs of each step, and the state after the last.

        Args:
            features: [T, N, inputs].
            state: [N, size], from before step 0.
            first: bool [T, N], true where an episode begins.

        Returns:
            outputs [T, N, size] and state [N, size].
        """
        cell = self.cell
        gates = functional.linear(features, cell.weight_ih, cell.bias_ih)  # of all steps at once: no recurrence in it
        outputs = _scan(cell, gates.flatten(0, 1), _in_order(first), state, first)
        return outputs, outputs[-1]


def unroll(cell: nn.GRUCell, inputs: torch.Tensor, which: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """What the cell makes of inputs one after another, from states [B, H] on: [T, B, H].

    Args:
        inputs: [R, I], distinct ones. which: int64 [T, B], the one that comes at each step.
    """
    return _scan(cell, functional.linear(inputs, cell.weight_ih, cell.bias_ih), which, state, None)


def gru_step(cell: nn.GRUCell, inputs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """What the cell itself says, in fewer calls: inputs [..., B, I] and states [B, H] -> next states [..., B, H]."""
    gates = functional.linear(inputs, cell.weight_ih, cell.bias_ih)
    recurrent = functional.linear(state, cell.weight_hh, cell.bias_hh).expand(gates.shape)
    before = state.expand(*inputs.shape[:-1], cell.hidden_size)
    rows = (tensor.flatten(0, -2) for tensor in (gates, recurrent, before))
    after: torch.Tensor = _Step.apply(*rows)  # type: ignore[no-untyped-call]
    return after.view(before.shape)


def _scan(
    cell: nn.GRUCell, gates: torch.Tensor, which: torch.Tensor, state: torch.Tensor, first: torch.Tensor | None
) -> torch.Tensor:
    states: torch.Tensor = _Scan.apply(gates, which, state, first, cell.weight_hh, cell.bias_hh)  # type: ignore[no-untyped-call]
    return states


def _in_order(like: torch.Tensor) -> torch.Tensor:
    return torch.arange(like.numel(), device=like.device).view(like.shape)


class _Step(torch.autograd.Function):
    """Inputs' and states' shares of the gates, [B, 3H] each, and states [B, H] -> the next states [B, H]."""

    @staticmethod
    def forward(context: Any, gates: torch.Tensor, recurrent: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        after, candidate, there = (torch.empty_like(state) for _ in range(3))
        switches = state.new_empty(len(state), 2 * state.shape[1])
        which = _in_order(state[:, 0])
        step(gates, which, recurrent, state, switches, there, candidate, after)
        context.save_for_backward(which, there, state, switches, candidate)
        return after

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        which, there, state, switches, candidate = context.saved_tensors
        width = 3 * state.shape[1]
        to_gates, to_recurrent = state.new_zeros(len(state), width), state.new_empty(len(state), width)
        to_state = torch.zeros_like(state)
        found = to_gates, to_recurrent, to_state
        step_back(gradients[0].contiguous(), which, there, state, switches, candidate, *found)
        return found


class _Scan(torch.autograd.Function):
    """The recurrence with its gradient by hand, without autograd's many small calls.

    Arguments as in `scan`; returns the states [T, N, H].
    """

    @staticmethod
    def forward(
        context: Any,
        gates: torch.Tensor,
        which: torch.Tensor,
        state: torch.Tensor,
        first: torch.Tensor | None,
        weight: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        context.trace = trace = Trace(state, len(which))
        scan(trace, gates, which, state, first, weight, bias)
        context.save_for_backward(weight)
        context.rows = len(gates)
        return trace.chain[1:]

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (weight,) = context.saved_tensors
        to_gates, of_weight = weight.new_zeros(context.rows, len(weight)), torch.empty_like(weight)
        of_bias = weight.new_empty(len(weight))
        gradient = gradients[0].clone(memory_format=torch.contiguous_format)
        to_state = scan_back(context.trace, gradient, weight, to_gates, of_weight, of_bias)
        return to_gates, None, to_state, None, of_weight, of_bias
