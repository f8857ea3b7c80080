"""A GRU forwards and backwards without autograd; see `networks.fused`. CPU and float32 only."""

from __future__ import annotations

import torch
from torch import nn

from rewardlab.networks import gru_kernels
from rewardlab.networks.gru import Trace, scan, scan_back


class FusedGRU:
    """The function of a cell over one step or many, and its gradient.

    Args:
        cell: its weights stay where they are (make an optimiser of them first).
        gradients: from a parameter to where its gradient goes (`Adam.gradients`).
    """

    def __init__(self, cell: nn.GRUCell, gradients: dict[torch.Tensor, torch.Tensor]) -> None:
        self.weight_ih, self.bias_ih = cell.weight_ih.detach(), cell.bias_ih.detach()
        self.of_weight_ih, self.of_bias_ih = gradients[cell.weight_ih], gradients[cell.bias_ih]
        self.recurrent = cell.weight_hh.detach(), cell.bias_hh.detach()  # of the states: weight [3H, H], bias [3H]
        self.of_recurrent = gradients[cell.weight_hh], gradients[cell.bias_hh]
        self._traces: dict[tuple[int, int], Trace] = {}

    def gates(self, inputs: torch.Tensor) -> torch.Tensor:
        """What inputs [R, I] say of the gates, [R, 3H]."""
        return torch.addmm(self.bias_ih, inputs, self.weight_ih.t())

    def gates_back(self, gradient: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """The gradient of inputs [R, I], and of their weights, from that of what they said, [R, 3H]."""
        torch.mm(gradient.t(), inputs, out=self.of_weight_ih)
        torch.sum(gradient, dim=0, out=self.of_bias_ih)
        return torch.mm(gradient, self.weight_ih)

    def step(self, gates: torch.Tensor, which: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """One step, not to be learned from: the next states [B, H], in memory of their own.

        Args:
            gates: [R, 3H]. which: int64 [B], whose each one has. state: [B, H].
        """
        after = torch.empty_like(state)
        given = (gates, which, state.contiguous(), *self.recurrent, after)
        gru_kernels.advance(*(tensor.numpy() for tensor in given))
        return after

    def scan(
        self, gates: torch.Tensor, which: torch.Tensor, state: torch.Tensor, first: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The states before the first of T steps and after each, [T + 1, B, H]: a buffer that the next pass writes to.

        Args: as in `networks.gru.scan`.
        """
        shape = (len(which), len(state))
        if shape not in self._traces:
            self._traces[shape] = Trace(state, len(which))
        self._trace, self._inputs = self._traces[shape], len(gates)
        scan(self._trace, gates, which, state, first, *self.recurrent)
        return self._trace.chain

    def backward(self, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The gradients of gates [R, 3H] and first states [B, H], and those of the weights that the states pass.

        Args:
            gradient: of the states after each step of the latest `scan`, [T, B, H]; overwritten.
        """
        weight, _ = self.recurrent
        to_gates = torch.zeros(self._inputs, len(weight))
        return to_gates, scan_back(self._trace, gradient, weight, to_gates, *self.of_recurrent)
