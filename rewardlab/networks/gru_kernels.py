"""Compiled passes of a GRU over float32 arrays, products included; see `networks.gru`, whose names these are.

Rows are taken in blocks, each through all steps, so that what lies between stays in the cache.
"""

import numpy as np

from rewardlab.kernel_cache import kept
from rewardlab.networks.fused_kernels import LOOSE, tanh_of
from rewardlab.types import Array

_BLOCK = 256  # rows of states that are taken at once
_32 = np.float32


def _step(
    gates: Array,
    which: Array,
    recurrent: Array,
    state: Array,
    switches: Array,
    there: Array,
    candidate: Array,
    after: Array,
) -> None:  # pragma: no cover
    """A step."""
    size = state.shape[1]
    for i in range(state.shape[0]):
        own, past, switch, share = gates[which[i]], recurrent[i], switches[i], there[i]
        for j in range(2 * size):  # the logistic function, by tanh
            switch[j] = _32(0.5) + _32(0.5) * tanh_of(_32(0.5) * (own[j] + past[j]))
        for j in range(size):
            share[j] = past[2 * size + j]
            new = tanh_of(own[2 * size + j] + switch[j] * past[2 * size + j])
            candidate[i, j] = new
            after[i, j] = new + switch[size + j] * (state[i, j] - new)


def _step_back(
    gradient: Array,
    which: Array,
    there: Array,
    state: Array,
    switches: Array,
    candidate: Array,
    to_gates: Array,
    to_recurrent: Array,
    to_state: Array,
) -> None:  # pragma: no cover
    """Its gradients."""
    size = state.shape[1]
    for i in range(state.shape[0]):
        pull, new, switch, share = gradient[i], candidate[i], switches[i], there[i]
        own, past = to_gates[which[i]], to_recurrent[i]
        for j in range(size):
            reset, update = switch[j], switch[size + j]
            of_new = pull[j] * (_32(1.0) - update) * (_32(1.0) - new[j] * new[j])
            of_reset = of_new * share[j] * reset * (_32(1.0) - reset)
            of_update = pull[j] * (state[i, j] - new[j]) * update * (_32(1.0) - update)
            past[j], past[size + j], past[2 * size + j] = of_reset, of_update, of_new * reset
            own[2 * size + j] += of_new
            to_state[i, j] += pull[j] * update
        for j in range(2 * size):
            own[j] += past[j]


step = kept(_step, fastmath=LOOSE, error_model="numpy")
step_back = kept(_step_back, fastmath=LOOSE, error_model="numpy")


def _shares(states: Array, weight: Array, bias: Array, recurrent: Array) -> None:  # pragma: no cover
    """recurrent [B, 3H], filled: the states' shares of the gates, from states [B, H], weight [3H, H], bias [3H]."""
    np.dot(states, weight.T, recurrent)
    for i in range(recurrent.shape[0]):
        for j in range(bias.size):
            recurrent[i, j] += bias[j]


shares = kept(_shares, fastmath=LOOSE, error_model="numpy")


def _enter(states: Array, first: Array, entered: Array) -> None:  # pragma: no cover
    """entered [B, H], filled: states [B, H], or zero where an episode begins, bool [B]."""
    for i in range(states.shape[0]):
        for j in range(states.shape[1]):
            entered[i, j] = _32(0.0) if first[i] else states[i, j]


enter = kept(_enter)


def _scan(
    gates: Array,
    which: Array,
    first: Array,
    weight: Array,
    bias: Array,
    chain: Array,
    switches: Array,
    there: Array,
    candidate: Array,
) -> None:  # pragma: no cover
    """A scan, from the states in chain[0] on; `first` has no rows where no episode begins."""
    steps, count = which.shape
    size, begins = weight.shape[1], len(first) > 0
    entering, recurrent = np.empty((_BLOCK, size), np.float32), np.empty((_BLOCK, 3 * size), np.float32)
    for low in range(0, count, _BLOCK):
        high = min(low + _BLOCK, count)
        rows = high - low
        for t in range(steps):
            state = chain[t, low:high]
            if begins:
                enter(state, first[t, low:high], entering)
                state = entering[:rows]
            shares(state, weight, bias, recurrent[:rows])
            found = switches[t, low:high], there[t, low:high], candidate[t, low:high]
            step(gates, which[t, low:high], recurrent, state, *found, chain[t + 1, low:high])


def _scan_back(
    gradient: Array,
    which: Array,
    first: Array,
    weight: Array,
    chain: Array,
    switches: Array,
    there: Array,
    candidate: Array,
    to_gates: Array,
    of_weight: Array,
    of_bias: Array,
    to_state: Array,
) -> None:  # pragma: no cover
    """Its gradients; `to_state` is filled."""
    steps, count = which.shape
    size, begins = weight.shape[1], len(first) > 0
    entering, kept_on = np.empty((_BLOCK, size), np.float32), np.empty((_BLOCK, size), np.float32)
    passed, recurrent = np.empty((_BLOCK, size), np.float32), np.empty((_BLOCK, 3 * size), np.float32)
    part = np.empty(weight.shape, np.float32)
    of_weight[:], of_bias[:], to_state[:] = _32(0.0), _32(0.0), _32(0.0)
    for low in range(0, count, _BLOCK):
        high = min(low + _BLOCK, count)
        rows = high - low
        for t in range(steps - 1, -1, -1):
            state, pulled = chain[t, low:high], recurrent[:rows]
            if begins:
                enter(state, first[t, low:high], entering)
                state = entering[:rows]
            kept_on[:] = _32(0.0)
            found = there[t, low:high], state, switches[t, low:high], candidate[t, low:high]
            step_back(gradient[t, low:high], which[t, low:high], *found, to_gates, pulled, kept_on)
            np.dot(pulled, weight, passed[:rows])
            before = gradient[t - 1, low:high] if t > 0 else to_state[low:high]
            for i in range(rows):
                if not begins or not first[t, low + i]:
                    for j in range(size):
                        before[i, j] += kept_on[i, j] + passed[i, j]
            np.dot(pulled.T, state, part)
            of_weight += part
            for i in range(rows):
                for j in range(of_bias.size):
                    of_bias[j] += pulled[i, j]


def _advance(
    gates: Array, which: Array, state: Array, weight: Array, bias: Array, after: Array
) -> None:  # pragma: no cover
    """after [B, H], filled: the states that follow states [B, H], where nothing is to be learned from it."""
    size = weight.shape[1]
    recurrent, switches = np.empty((_BLOCK, 3 * size), np.float32), np.empty((_BLOCK, 2 * size), np.float32)
    there, candidate = np.empty((_BLOCK, size), np.float32), np.empty((_BLOCK, size), np.float32)
    for low in range(0, len(state), _BLOCK):
        high = min(low + _BLOCK, len(state))
        shares(state[low:high], weight, bias, recurrent[: high - low])
        step(gates, which[low:high], recurrent, state[low:high], switches, there, candidate, after[low:high])


scan = kept(_scan, fastmath=LOOSE, error_model="numpy")
scan_back = kept(_scan_back, fastmath=LOOSE, error_model="numpy")
advance = kept(_advance, fastmath=LOOSE, error_model="numpy")
