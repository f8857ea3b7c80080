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
        kept = (~first).to(features.dtype).unsqueeze(-1)
        outputs = _scan(cell, gates.flatten(0, 1), _in_order(first), state, kept)
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
    cell: nn.GRUCell, gates: torch.Tensor, which: torch.Tensor, state: torch.Tensor, kept: torch.Tensor | None
) -> torch.Tensor:
    states: torch.Tensor = _Scan.apply(gates, which, state, kept, cell.weight_hh, cell.bias_hh)  # type: ignore[no-untyped-call]
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
        to_state = torch.empty_like(state)
        found = to_gates, to_recurrent, to_state
        _, back = _kernels(compiled)
        back(*_plain(compiled, gradients[0].contiguous(), *saved, *found))
        return found


class _Scan(torch.autograd.Function):
    """The recurrence with its gradient by hand, without autograd's many small calls.

    gates [R, 3H] are inputs' shares of the reset, update and candidate gates; which, int64 [T, N], says whose share
    each step has; kept [T, N, 1] is 0 where the state starts anew, None where it never does; weight [3H, H]; bias [3H].
    Returns the states [T, N, H].
    """

    @staticmethod
    def forward(
        context: Any,
        gates: torch.Tensor,
        which: torch.Tensor,
        state: torch.Tensor,
        kept: torch.Tensor | None,
        weight: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        (steps, num_envs), size = which.shape, weight.shape[1]
        before, theres, candidates, states = (gates.new_empty(steps, num_envs, size) for _ in range(4))
        switches, recurrent = gates.new_empty(steps, num_envs, 2 * size), gates.new_empty(num_envs, 3 * size)
        compiled = compiles(gates)
        gru, _ = _kernels(compiled)
        always = _plain(compiled, gates, recurrent)
        rows = [_each(compiled, entry) for entry in (which, before, switches, theres, candidates, states)]
        kept_at = None if kept is None else kept.unbind(0)
        transposed, here = weight.t(), before.unbind(0)
        for step, (entering, after, place, *filled) in enumerate(zip(here, states.unbind(0), *rows, strict=True)):
            if kept_at is None:
                entering.copy_(state)
            else:
                torch.mul(state, kept_at[step], out=entering)
            torch.addmm(bias, entering, transposed, out=recurrent)
            gru(always[0], place, always[1], *filled)
            state = after
        context.save_for_backward(which, theres, before, switches, candidates, kept, weight)
        context.rows = len(gates)
        return states

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        *saved, kept, weight = context.saved_tensors
        before = saved[2]
        to_gates, of_weight = weight.new_zeros(context.rows, len(weight)), torch.zeros_like(weight)
        to_recurrent, of_bias = weight.new_empty(before.shape[1], len(weight)), weight.new_zeros(len(weight))
        to_state, carried = torch.empty_like(before[0]), torch.zeros_like(before[0])
        compiled = compiles(weight)
        _, back = _kernels(compiled)
        pull, *found = _plain(compiled, carried, to_gates, to_recurrent, to_state)
        rows = [_each(compiled, entry) for entry in saved]
        for step in range(len(before) - 1, -1, -1):
            carried += gradients[0][step]
            back(pull, *(entry[step] for entry in rows), *found)
            of_weight.addmm_(to_recurrent.t(), before[step])
            of_bias += to_recurrent.sum(dim=0)
            torch.addmm(to_state, to_recurrent, weight, out=carried)
            if kept is not None:
                carried *= kept[step]
        return to_gates, None, carried, None, of_weight, of_bias


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
    """Its gradients, from that of the next states: added to `to_gates`, [R, 3H]; `to_recurrent` and `to_state` filled.

    That of the states is without what passes through their share of the gates.
    """
    size = state.shape[1]
    reset, update = switches[:, :size], switches[:, size:]
    of_candidate = gradient * (1.0 - update) * (1.0 - candidate.square())
    of_update = gradient * (state - candidate) * update * (1.0 - update)
    of_reset = of_candidate * there * reset * (1.0 - reset)
    to_gates.index_add_(0, which, torch.cat([of_reset, of_update, of_candidate], dim=1))
    torch.cat([of_reset, of_update, of_candidate * reset], dim=1, out=to_recurrent)
    torch.mul(gradient, update, out=to_state)
