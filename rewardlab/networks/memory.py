"""A GRU over sequences in which new episodes begin.

Source: Cho et al. 2014 (arXiv:1406.1078), in the form of `torch.nn.GRU`, whose numbers it gives.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

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
            state: [N, size], from before step 0; not differentiated.
            first: bool [T, N], true where an episode begins.

        Returns:
            outputs [T, N, size] and state [N, size].
        """
        cell = self.cell
        gates = functional.linear(features, cell.weight_ih, cell.bias_ih)  # of all steps at once: no recurrence in it
        kept = (~first).to(features.dtype).unsqueeze(-1)
        outputs: torch.Tensor = _Scan.apply(gates, state, kept, cell.weight_hh, cell.bias_hh)  # type: ignore[no-untyped-call]
        return outputs, outputs[-1]


def gru_step(cell: nn.GRUCell, inputs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """What the cell itself says, in fewer calls: inputs [..., B, I] and states [B, H] -> next states [..., B, H]."""
    gates = functional.linear(inputs, cell.weight_ih, cell.bias_ih)
    recurrent = functional.linear(state, cell.weight_hh, cell.bias_hh).expand(gates.shape)
    before = state.expand(*inputs.shape[:-1], cell.hidden_size)
    rows = (tensor.flatten(0, -2) for tensor in (gates, recurrent, before))
    after: torch.Tensor = _Step.apply(*rows)  # type: ignore[no-untyped-call]
    return after.view(before.shape)


class _Step(torch.autograd.Function):
    """Both shares [B, 3H] of the reset, update and candidate gates, and states [B, H] -> the next states [B, H]."""

    @staticmethod
    def forward(context: Any, gates: torch.Tensor, recurrent: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        after, candidate = torch.empty_like(state), torch.empty_like(state)
        switches = state.new_empty(len(state), 2 * state.shape[1])
        _mix(gates, recurrent, state, switches, candidate, after)
        context.save_for_backward(recurrent, state, switches, candidate)
        return after

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        recurrent, state, switches, candidate = context.saved_tensors
        found = torch.empty_like(recurrent), torch.empty_like(recurrent), torch.empty_like(state)
        _unmix(gradients[0].contiguous(), recurrent, state, switches, candidate, *found)
        return found


class _Scan(torch.autograd.Function):
    """The recurrence with its gradient by hand, without autograd's many small calls.

    gates [T, N, 3H] are the inputs' share of the reset, update and candidate gates; kept [T, N, 1] is 0 where the
    state starts anew; weight [3H, H]; bias [3H]. Returns the states [T, N, H].
    """

    @staticmethod
    def forward(
        context: Any,
        gates: torch.Tensor,
        state: torch.Tensor,
        kept: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        steps, num_envs, width = gates.shape
        size = width // 3
        before, candidates, states = (gates.new_empty(steps, num_envs, size) for _ in range(3))
        switches, recurrent = gates.new_empty(steps, num_envs, 2 * size), torch.empty_like(gates)
        transposed = weight.t()
        for step in range(steps):
            torch.mul(state, kept[step], out=before[step])
            torch.addmm(bias, before[step], transposed, out=recurrent[step])
            _mix(gates[step], recurrent[step], before[step], switches[step], candidates[step], states[step])
            state = states[step]
        context.save_for_backward(recurrent, before, switches, candidates, kept, weight)
        return states

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        recurrent, before, switches, candidates, kept, weight = context.saved_tensors
        to_gates, to_recurrent = torch.empty_like(recurrent), torch.empty_like(recurrent)
        to_state, carried = torch.empty_like(before[0]), torch.zeros_like(before[0])
        for step in range(len(before) - 1, -1, -1):
            carried += gradients[0][step]
            saved = recurrent[step], before[step], switches[step], candidates[step]
            _unmix(carried, *saved, to_gates[step], to_recurrent[step], to_state)
            torch.addmm(to_state, to_recurrent[step], weight, out=carried)
            carried *= kept[step]
        flat = to_recurrent.flatten(0, 1)
        return to_gates, None, None, flat.t() @ before.flatten(0, 1), flat.sum(dim=0)


def _mix(
    gates: torch.Tensor,
    recurrent: torch.Tensor,
    state: torch.Tensor,
    switches: torch.Tensor,
    candidate: torch.Tensor,
    after: torch.Tensor,
) -> None:
    """The next states [B, H] from both shares of the gates [B, 3H]; fills the last three: [B, 2H], [B, H], [B, H]."""
    if _compiles(gates):
        fused_kernels.gru(*(tensor.numpy() for tensor in (gates, recurrent, state, switches, candidate, after)))
        return
    size = state.shape[1]
    torch.sigmoid(gates[:, : 2 * size] + recurrent[:, : 2 * size], out=switches)
    reset, update = switches[:, :size], switches[:, size:]
    torch.tanh(torch.addcmul(gates[:, 2 * size :], reset, recurrent[:, 2 * size :]), out=candidate)
    torch.lerp(candidate, state, update, out=after)


def _unmix(
    gradient: torch.Tensor,
    recurrent: torch.Tensor,
    state: torch.Tensor,
    switches: torch.Tensor,
    candidate: torch.Tensor,
    to_gates: torch.Tensor,
    to_recurrent: torch.Tensor,
    to_state: torch.Tensor,
) -> None:
    """The gradients of what `_mix` was given, from that of the next states: the last three are filled.

    That of the states is without what passes through their share of the gates.
    """
    if _compiles(gradient):
        tensors = (gradient, recurrent, state, switches, candidate, to_gates, to_recurrent, to_state)
        fused_kernels.gru_back(*(tensor.numpy() for tensor in tensors))
        return
    size = state.shape[1]
    reset, update = switches[:, :size], switches[:, size:]
    of_candidate = gradient * (1.0 - update) * (1.0 - candidate.square())
    of_update = gradient * (state - candidate) * update * (1.0 - update)
    of_reset = of_candidate * recurrent[:, 2 * size :] * reset * (1.0 - reset)
    torch.cat([of_reset, of_update, of_candidate], dim=1, out=to_gates)
    torch.cat([of_reset, of_update, of_candidate * reset], dim=1, out=to_recurrent)
    torch.mul(gradient, update, out=to_state)


def _compiles(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32
