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


def _lesson(
    given: Array,
    place: Array,
    lengths: Array,
    returns: Array,
    weight: Array,
    bias: Array,
    head: Array,
    offset: Array,
    every: float,
    of_given: Array,
    of_weight: Array,
    of_bias: Array,
    of_head: Array,
    of_offset: Array,
) -> tuple[float, float]:  # pragma: no cover
    """`prediction_errors` of M whole episodes, and the gradient of their loss: the last five, filled.

    Args:
        given: [U, C], what `cell_input` makes of the distinct steps. place: int64 [B], which of them the steps of the
            episodes are, one episode after another. lengths: int64 [M]. returns: [M].
        weight: [C, C], bias: [C], of the gate. head: [1, C], offset: [1], of the prediction.
        every: the weight of the mean over all steps.
    """
    size, count, total, longest = given.shape[1], len(lengths), len(place), lengths.max()
    entering, across = np.empty_like(given), np.empty_like(weight)
    for u in range(len(given)):
        for j in range(size):
            entering[u, j] = tanh_of(given[u, j])
            of_given[u, j] = _32(0.0)
    for j in range(size):
        of_bias[j], of_head[0, j] = _32(0.0), _32(0.0)
        for k in range(size):
            of_weight[j, k], across[k, j] = _32(0.0), weight[j, k]
    of_offset[0] = _32(0.0)
    chain, gates = np.empty((longest + 1, size), np.float32), np.empty((longest, size), np.float32)
    errors = np.empty(longest, np.float32)
    sums, slope, carried = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    ends: float = 0.0
    squares: float = 0.0
    start = 0
    for m in range(count):
        steps = lengths[m]
        for j in range(size):
            chain[0, j], carried[j] = _32(0.0), _32(0.0)
        for t in range(steps):
            before, after, gate, enters = chain[t], chain[t + 1], gates[t], entering[place[start + t]]
            for j in range(size):
                sums[j] = bias[j]
            for k in range(size):
                for j in range(size):
                    sums[j] += across[k, j] * before[k]
            predicted = offset[0]
            for j in range(size):
                gate[j] = _32(0.5) + _32(0.5) * tanh_of(_32(0.5) * sums[j])  # the logistic function
                after[j] = before[j] + gate[j] * enters[j]
                predicted += head[0, j] * after[j]
            errors[t] = predicted - returns[m]
            squares += errors[t] * errors[t]
        ends += errors[steps - 1] * errors[steps - 1]
        for t in range(steps - 1, -1, -1):
            pull = errors[t] * _32(2.0 * every / total)
            if t == steps - 1:
                pull += errors[t] * _32(2.0 / count)
            of_offset[0] += pull
            before, after, gate = chain[t], chain[t + 1], gates[t]
            enters, out = entering[place[start + t]], of_given[place[start + t]]
            for j in range(size):
                of_head[0, j] += pull * after[j]
                carried[j] += pull * head[0, j]
                out[j] += carried[j] * gate[j]
                slope[j] = carried[j] * enters[j] * gate[j] * (_32(1.0) - gate[j])
                of_bias[j] += slope[j]
            for j in range(size):
                for k in range(size):
                    carried[k] += slope[j] * weight[j, k]
                    of_weight[j, k] += slope[j] * before[k]
        start += steps
    for u in range(len(given)):
        for j in range(size):
            of_given[u, j] *= _32(1.0) - entering[u, j] * entering[u, j]
    return ends / count, ends / count + every * squares / total


scan = kept(_scan, fastmath=LOOSE, error_model="numpy")
scan_back = kept(_scan_back, fastmath=LOOSE, error_model="numpy")
lesson = kept(_lesson, fastmath=LOOSE, error_model="numpy")
