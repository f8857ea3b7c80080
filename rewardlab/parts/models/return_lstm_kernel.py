"""Compiled passes of `ReturnLSTM` over float32 arrays; see there."""

import numpy as np

from rewardlab.kernel_cache import kept
from rewardlab.networks.fused_kernels import LOOSE, tanh_of
from rewardlab.types import Array

_32 = np.float32


def _scan(
    entering: Array, state: Array, first: Array, weight: Array, bias: Array, chain: Array, gates: Array
) -> None:  # pragma: no cover
    """T steps of N rows of C cells.

    Args:
        entering: [T, N, C], what each step would add. state: [N, C]. first: bool [T, N], where the cells begin at 0.
        weight: [C, C], bias: [C], of the gate.
        chain: [T + 1, N, C], filled: the cells before the first step and after each. gates: [T, N, C], filled.
    """
    steps, rows, size = entering.shape
    before = np.empty(size, np.float32)
    for i in range(rows):
        for j in range(size):
            chain[0, i, j] = state[i, j]
        for t in range(steps):
            for j in range(size):
                before[j] = _32(0.0) if first[t, i] else chain[t, i, j]
            for j in range(size):
                total = bias[j]
                for k in range(size):
                    total += weight[j, k] * before[k]
                gate = _32(0.5) + _32(0.5) * tanh_of(_32(0.5) * total)  # the logistic function
                gates[t, i, j] = gate
                chain[t + 1, i, j] = before[j] + gate * entering[t, i, j]


def _scan_back(
    gradient: Array,
    entering: Array,
    first: Array,
    weight: Array,
    chain: Array,
    gates: Array,
    to_entering: Array,
    to_state: Array,
    of_weight: Array,
    of_bias: Array,
) -> None:  # pragma: no cover
    """Its gradients, from those of the cells after each step, [T, N, C]: the last four, of which two begin at 0."""
    steps, rows, size = entering.shape
    pull, slope = np.empty(size, np.float32), np.empty(size, np.float32)
    for i in range(rows):
        for j in range(size):
            to_state[i, j] = _32(0.0)
        carried = to_state[i]
        for t in range(steps - 1, -1, -1):
            for j in range(size):
                gate = gates[t, i, j]
                pull[j] = gradient[t, i, j] + carried[j]
                to_entering[t, i, j] = pull[j] * gate
                slope[j] = pull[j] * entering[t, i, j] * gate * (_32(1.0) - gate)
                of_bias[j] += slope[j]
            if first[t, i]:
                for j in range(size):
                    carried[j] = _32(0.0)
                continue
            for j in range(size):
                carried[j] = pull[j]
            for j in range(size):
                for k in range(size):
                    carried[k] += slope[j] * weight[j, k]
                    of_weight[j, k] += slope[j] * chain[t, i, k]


scan = kept(_scan, fastmath=LOOSE, error_model="numpy")
scan_back = kept(_scan_back, fastmath=LOOSE, error_model="numpy")
