"""A GRU over sequences in which new episodes begin.

Source: Cho et al. 2014 (arXiv:1406.1078), in the form of `torch.nn.GRU`, whose numbers it gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rewardlab.maths.compiled import compiles
from rewardlab.networks import fused_kernels
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
    """Both shares [B, 3H] of the reset, update and candidate gates, and states [B, H] -> the next states [B, H]."""

    @staticmethod
    def forward(context: Any, gates: torch.Tensor, recurrent: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        after, candidate, there = (torch.empty_like(state) for _ in range(3))
        switches = state.new_empty(len(state), 2 * state.shape[1])
        which = _in_order(state[:, 0])
        compiled = compiles(state)
        gru, _ = _kernels(compiled)
        gru(*_plain(compiled, gates, which, recurrent, state, switches, there, candidate, after))
        context.save_for_backward(which, there, state, switches, candidate)
        return after

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        saved = context.saved_tensors
        state = saved[2]
        compiled, width = compiles(state), 3 * state.shape[1]
        to_gates, to_recurrent = state.new_zeros(len(state), width), state.new_empty(len(state), width)
        to_state = torch.zeros_like(state)
        found = to_gates, to_recurrent, to_state
        _, back = _kernels(compiled)
        back(*_plain(compiled, gradients[0].contiguous(), *saved, *found))
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
        to_state = scan_back(context.trace, gradients[0].clone(), weight, to_gates, of_weight, of_bias)
        return to_gates, None, to_state, None, of_weight, of_bias


class Trace:
    """Where a scan of T steps of N states leaves what its gradient needs; may serve again and again.

    Attributes:
        chain: [T + 1, N, H], the states before the first step and after each.
    """

    def __init__(self, state: torch.Tensor, steps: int) -> None:
        """`state` [N, H] is like those to come."""
        rows, size = state.shape
        self.compiled = compiles(state)
        self.chain = state.new_empty(steps + 1, rows, size)
        self.states = self.chain.unbind(0)
        self.entered = state.new_empty(steps, rows, size)  # what the states were at each step, after new beginnings
        self.recurrent = state.new_empty(steps, rows, 3 * size)  # their shares of the gates, then the gradient of these
        self.which = torch.empty(0)
        self.first: torch.Tensor | None = None
        self.begins: list[bool] = [False] * steps  # whether any state begins anew
        kept = (state.new_empty(steps, rows, width * size) for width in (2, 1, 1))  # switches, there, candidate
        self.arrays = list(zip(*(_each(self.compiled, entry) for entry in kept), strict=True))
        self.ends = _each(self.compiled, self.chain)
        self.entries = _each(self.compiled, self.entered)
        self.shares = list(zip(self.recurrent.unbind(0), _each(self.compiled, self.recurrent), strict=True))


def scan(
    trace: Trace,
    gates: torch.Tensor,
    which: torch.Tensor,
    state: torch.Tensor,
    first: torch.Tensor | None,
    weight: torch.Tensor,
    bias: torch.Tensor,
) -> None:
    """Fill a trace.

    Args:
        gates: [R, 3H], inputs' shares of the reset, update and candidate gates. which: int64 [T, N], whose share each
            step has.
        state: [N, H], from before step 0. first: bool [T, N], where it begins anew; None: never.
        weight: [3H, H]. bias: [3H].
    """
    trace.which, trace.first = which, first
    trace.begins = [False] * len(which) if first is None else first.any(dim=1).tolist()
    trace.chain[0] = state
    kernel, _ = _kernels(trace.compiled)
    transposed, (said,) = weight.t(), _plain(trace.compiled, gates)
    for step, place in enumerate(_each(trace.compiled, which)):
        before, entry = trace.states[step], trace.ends[step]
        if first is not None and trace.begins[step]:
            before, entry = trace.entered[step], trace.entries[step]
            torch.mul(trace.states[step], ~first[step].unsqueeze(-1), out=before)
        share, shared = trace.shares[step]
        torch.addmm(bias, before, transposed, out=share)
        kernel(said, place, shared, entry, *trace.arrays[step], trace.ends[step + 1])


def scan_back(
    trace: Trace,
    gradient: torch.Tensor,
    weight: torch.Tensor,
    to_gates: torch.Tensor,
    of_weight: torch.Tensor,
    of_bias: torch.Tensor,
) -> torch.Tensor:
    """The gradient of the first states, [N, H], from that of the states after each step, [T, N, H].

    The latter is overwritten. That of the gates is added to `to_gates`; those of weights and biases fill the last two.
    """
    _, kernel = _kernels(trace.compiled)
    of_states = [torch.zeros_like(gradient[0]), *gradient.unbind(0)]
    (gates,), places = _plain(trace.compiled, to_gates), _each(trace.compiled, trace.which)
    for step in range(len(gradient) - 1, -1, -1):
        share, shared = trace.shares[step]
        switches, there, candidate = trace.arrays[step]
        entry = trace.entries[step] if trace.begins[step] else trace.ends[step]
        before = torch.zeros_like(of_states[step]) if trace.begins[step] else of_states[step]
        pull, to_state = _plain(trace.compiled, of_states[step + 1], before)
        kernel(pull, places[step], there, entry, switches, candidate, gates, shared, to_state)
        before.addmm_(share, weight)
        if trace.first is not None and trace.begins[step]:
            of_states[step] += before * ~trace.first[step].unsqueeze(-1)
    entered = trace.chain[:-1]
    if trace.first is not None and any(trace.begins):
        entered = entered * ~trace.first.unsqueeze(-1)
    pulled = trace.recurrent.flatten(0, 1)
    torch.mm(pulled.t(), entered.flatten(0, 1), out=of_weight)
    torch.sum(pulled, dim=0, out=of_bias)
    return of_states[0]


def _kernels(compiled: bool) -> tuple[Callable[..., None], Callable[..., None]]:
    """A step and its gradient, on arrays where they are compiled, else on tensors."""
    return (fused_kernels.gru, fused_kernels.gru_back) if compiled else (_gru, _gru_back)


def _plain(compiled: bool, *tensors: torch.Tensor) -> tuple[Any, ...]:
    return tuple(tensor.numpy() for tensor in tensors) if compiled else tensors


def _each(compiled: bool, tensor: torch.Tensor) -> Sequence[Any]:
    """What a tensor [T, ...] holds of each step."""
    return list(tensor.numpy()) if compiled else tensor.unbind(0)


def _gru(
    gates: torch.Tensor,
    which: torch.Tensor,
    recurrent: torch.Tensor,
    state: torch.Tensor,
    switches: torch.Tensor,
    there: torch.Tensor,
    candidate: torch.Tensor,
    after: torch.Tensor,
) -> None:
    """A step of a GRU, B of them.

    Args:
        gates: [R, 3H], inputs' shares of the reset, update and candidate gates. which: int64 [B], whose each one has.
        recurrent: [B, 3H], the states' shares. state: [B, H], the states before.
        switches: [B, 2H], there: [B, H], candidate: [B, H], filled: the reset and update gates, the state's share of
            the candidate, the candidate. after: [B, H], filled: the states that follow.
    """
    size, gates = state.shape[1], gates.index_select(0, which)
    there.copy_(recurrent[:, 2 * size :])
    torch.sigmoid(gates[:, : 2 * size] + recurrent[:, : 2 * size], out=switches)
    reset, update = switches[:, :size], switches[:, size:]
    torch.tanh(torch.addcmul(gates[:, 2 * size :], reset, there), out=candidate)
    torch.lerp(candidate, state, update, out=after)


def _gru_back(
    gradient: torch.Tensor,
    which: torch.Tensor,
    there: torch.Tensor,
    state: torch.Tensor,
    switches: torch.Tensor,
    candidate: torch.Tensor,
    to_gates: torch.Tensor,
    to_recurrent: torch.Tensor,
    to_state: torch.Tensor,
) -> None:
    """Its gradients, from that of the next states: added to `to_gates`, [R, 3H], and `to_state`; `to_recurrent` filled.

    That of the states is without what passes through their share of the gates.
    """
    size = state.shape[1]
    reset, update = switches[:, :size], switches[:, size:]
    of_candidate = gradient * (1.0 - update) * (1.0 - candidate.square())
    of_update = gradient * (state - candidate) * update * (1.0 - update)
    of_reset = of_candidate * there * reset * (1.0 - reset)
    to_gates.index_add_(0, which, torch.cat([of_reset, of_update, of_candidate], dim=1))
    torch.cat([of_reset, of_update, of_candidate * reset], dim=1, out=to_recurrent)
    to_state.addcmul_(gradient, update)
