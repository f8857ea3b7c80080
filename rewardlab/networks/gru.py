"""The recurrence of a GRU with its gradient by hand: compiled on arrays, else a few calls a step.

Source: Cho et al. 2014 (arXiv:1406.1078), in the form of `torch.nn.GRU`, whose numbers it gives.
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.maths.compiled import compiles
from rewardlab.networks import gru_kernels
from rewardlab.types import Array

_NEVER = np.empty((0, 0), dtype=np.bool_)


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
        self.switches = state.new_empty(steps, rows, 2 * size)
        self.there, self.candidate = state.new_empty(steps, rows, size), state.new_empty(steps, rows, size)
        self.which = torch.empty(0)
        self.first: torch.Tensor | None = None

    def entered(self, step: int) -> torch.Tensor:
        """The states that a step starts from, after new beginnings, [N, H]."""
        before = self.chain[step]
        return before if self.first is None else before * ~self.first[step].unsqueeze(-1)

    def arrays(self) -> tuple[Array, ...]:
        return tuple(tensor.numpy() for tensor in (self.chain, self.switches, self.there, self.candidate))

    def places(self) -> tuple[Array, Array]:
        """Which share of the gates each step has, and where it begins anew, as the compiled passes take them."""
        return self.which.contiguous().numpy(), _NEVER if self.first is None else self.first.contiguous().numpy()


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
    trace.which, trace.first, trace.chain[0] = which, first, state
    if trace.compiled:
        weights = (tensor.detach().numpy() for tensor in (weight, bias))
        gru_kernels.scan(gates.numpy(), *trace.places(), *weights, *trace.arrays())
        return
    for t in range(len(which)):
        entered = trace.entered(t)
        recurrent = torch.addmm(bias, entered, weight.t())
        found = trace.switches[t], trace.there[t], trace.candidate[t]
        step(gates, which[t], recurrent, entered, *found, trace.chain[t + 1])


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
    to_state = torch.zeros_like(gradient[0])
    if trace.compiled:
        filled = (tensor.numpy() for tensor in (to_gates, of_weight, of_bias, to_state))
        given = gradient.numpy(), *trace.places(), weight.detach().numpy()
        gru_kernels.scan_back(*given, *trace.arrays(), *filled)
        return to_state
    of_states = [to_state, *gradient.unbind(0)]
    of_weight.zero_()
    of_bias.zero_()
    for t in range(len(gradient) - 1, -1, -1):
        entered = trace.entered(t)
        found = trace.there[t], entered, trace.switches[t], trace.candidate[t]
        to_recurrent, before = gradient.new_empty(len(entered), len(weight)), torch.zeros_like(entered)
        step_back(of_states[t + 1], trace.which[t], *found, to_gates, to_recurrent, before)
        before.addmm_(to_recurrent, weight)
        of_states[t] += before if trace.first is None else before * ~trace.first[t].unsqueeze(-1)
        of_weight.addmm_(to_recurrent.t(), entered)
        of_bias += to_recurrent.sum(dim=0)
    return to_state


def step(
    gates: torch.Tensor,
    which: torch.Tensor,
    recurrent: torch.Tensor,
    state: torch.Tensor,
    switches: torch.Tensor,
    there: torch.Tensor,
    candidate: torch.Tensor,
    after: torch.Tensor,
) -> None:
    """A step of B states.

    Args:
        gates: as in `scan`. which: int64 [B].
        recurrent: [B, 3H], the states' shares. state: [B, H], the states before.
        switches: [B, 2H], there: [B, H], candidate: [B, H], filled: the reset and update gates, the state's share of
            the candidate, the candidate. after: [B, H], filled: the states that follow.
    """
    if compiles(state):
        given = (gates, which, recurrent, state, switches, there, candidate, after)
        gru_kernels.step(*(tensor.numpy() for tensor in given))
        return
    size, gates = state.shape[1], gates.index_select(0, which)
    there.copy_(recurrent[:, 2 * size :])
    torch.sigmoid(gates[:, : 2 * size] + recurrent[:, : 2 * size], out=switches)
    reset, update = switches[:, :size], switches[:, size:]
    torch.tanh(torch.addcmul(gates[:, 2 * size :], reset, there), out=candidate)
    torch.lerp(candidate, state, update, out=after)


def step_back(
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
    if compiles(state):
        given = (gradient, which, there, state, switches, candidate, to_gates, to_recurrent, to_state)
        gru_kernels.step_back(*(tensor.numpy() for tensor in given))
        return
    size = state.shape[1]
    reset, update = switches[:, :size], switches[:, size:]
    of_candidate = gradient * (1.0 - update) * (1.0 - candidate.square())
    of_update = gradient * (state - candidate) * update * (1.0 - update)
    of_reset = of_candidate * there * reset * (1.0 - reset)
    to_gates.index_add_(0, which, torch.cat([of_reset, of_update, of_candidate], dim=1))
    torch.cat([of_reset, of_update, of_candidate * reset], dim=1, out=to_recurrent)
    to_state.addcmul_(gradient, update)
