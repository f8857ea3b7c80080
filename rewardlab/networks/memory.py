"""A GRU over sequences in which new episodes begin.

Source: Cho et al. 2014 (arXiv:1406.1078), in the form of `torch.nn.GRU`, whose numbers it gives.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

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


class _Scan(torch.autograd.Function):
    """The recurrence with its gradient by hand: six times as fast as autograd over 128 small steps.

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
        size = weight.shape[1]
        transposed = weight.t()
        before, switches, recalled, candidates, states = [], [], [], [], []
        for step in range(gates.shape[0]):
            state = state * kept[step]
            recurrent = torch.addmm(bias, state, transposed)
            switch = torch.sigmoid(gates[step, :, : 2 * size] + recurrent[:, : 2 * size])
            recall = recurrent[:, 2 * size :]
            candidate = torch.tanh(torch.addcmul(gates[step, :, 2 * size :], switch[:, :size], recall))
            before.append(state)
            switches.append(switch)
            recalled.append(recall)
            candidates.append(candidate)
            state = torch.lerp(candidate, state, switch[:, size:])
            states.append(state)
        if any(context.needs_input_grad):
            context.save_for_backward(
                torch.stack(before), torch.stack(switches), torch.stack(recalled), torch.stack(candidates), kept, weight
            )
        return torch.stack(states)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        before, switches, recalled, candidates, kept, weight = context.saved_tensors
        steps, num_envs, size = before.shape
        reset, update = switches.split(size, dim=-1)
        # All gates' gradients are the new state's times a factor that is known before the backward recurrence.
        to_candidate = (1.0 - update) * (1.0 - candidates.square())
        to_update = (before - candidates) * update * (1.0 - update)
        to_reset = to_candidate * recalled * reset * (1.0 - reset)
        factors = torch.stack((to_reset, to_update, to_candidate * reset), dim=2)

        state_gradients = torch.empty_like(before)
        recurrent_gradients = torch.empty_like(factors)
        carried = torch.zeros_like(before[0])
        for step in range(steps - 1, -1, -1):
            here = torch.add(gradients[0][step], carried, out=state_gradients[step])
            gates = torch.mul(here.unsqueeze(1), factors[step], out=recurrent_gradients[step])
            carried = torch.addmm(here * update[step], gates.view(num_envs, 3 * size), weight) * kept[step]

        flat = recurrent_gradients.view(steps * num_envs, 3 * size)
        input_gradients = recurrent_gradients.clone()
        input_gradients[:, :, 2] = state_gradients * to_candidate
        return (
            input_gradients.view(steps, num_envs, 3 * size),
            None,
            None,
            flat.t() @ before.view(steps * num_envs, size),
            flat.sum(dim=0),
        )
