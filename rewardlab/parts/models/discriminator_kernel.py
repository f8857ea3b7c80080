"""DEIR's discriminator forwards and backwards in one compiled pass, between encoder and gradient step.

Samples are taken in blocks, so that what lies between the products stays in the cache.
"""

import math

import numpy as np

from rewardlab.kernel_cache import kept
from rewardlab.networks.fused_kernels import LOOSE
from rewardlab.networks.gru_kernels import shares, step, step_back
from rewardlab.types import Array

_BLOCK = 256
_32 = np.float32


def _judge(
    known: Array,
    hidden: Array,
    weight: Array,
    bias: Array,
    usable: Array,
    share_true: float,
    share_false: float,
    of_weight: Array,
    of_bias: Array,
) -> tuple[float, float]:  # pragma: no cover
    """The sum of binary cross-entropies times their shares, and how many answers are right.

    The logit of a sample is that of ReLU(hidden + known), a linear layer of one output after it.

    Args:
        known: [B, H]. hidden: [2 * B, H], of true samples, then of false ones. Their gradients are written over them.
        weight: [H]. bias: [1]. usable: [B], 1 where the false one counts, else 0.
        of_weight: [H], of_bias: [1]: their gradients are added to these.
    """
    count, width = known.shape
    loss, right = 0.0, _32(0.0)
    for i in range(count):
        both = known[i]
        for c in range(2):
            row = hidden[c * count + i]
            logit = bias[0]
            for j in range(width):
                x = row[j] + both[j]
                row[j] = x if x > _32(0.0) else _32(0.0)
            for j in range(width):
                logit += row[j] * weight[j]
            share = _32(share_true) if c == 0 else _32(share_false) * usable[i]
            wrong = -logit if c == 0 else logit  # how much the logit says so
            power = _32(math.exp(-abs(wrong)))
            loss += share * (max(wrong, _32(0.0)) + math.log1p(power))
            right += _32(wrong < _32(0.0)) * (_32(1.0) if c == 0 else usable[i])
            slope = share * (_32(1.0) if wrong > _32(0.0) else power) / (_32(1.0) + power)
            slope = -slope if c == 0 else slope
            of_bias[0] += slope
            for j in range(width):
                of_weight[j] += slope * row[j]
            for j in range(width):
                row[j] = slope * weight[j] if row[j] > _32(0.0) else _32(0.0)
        first, second = hidden[i], hidden[count + i]
        for j in range(width):
            both[j] = first[j] + second[j]
    return float(loss), float(right)


def _add_product(
    pulled: Array, entered: Array, of_weight: Array, of_bias: Array, part: Array
) -> None:  # pragma: no cover
    """Add the gradients of a layer, [O, D] and [O], from that of its outputs [B, O] and its inputs [B, D]."""
    np.dot(pulled.T, entered, part)
    for k in range(of_weight.shape[0]):
        for j in range(of_weight.shape[1]):
            of_weight[k, j] += part[k, j]
    for i in range(pulled.shape[0]):
        for j in range(of_bias.size):
            of_bias[j] += pulled[i, j]


judge = kept(_judge, fastmath=LOOSE, error_model="numpy")
add_product = kept(_add_product, fastmath=LOOSE, error_model="numpy")


def _discriminate(
    gates: Array,
    place: Array,
    before: Array,
    action: Array,
    usable: Array,
    recurrent: Array,
    recurrent_bias: Array,
    known: Array,
    there: Array,
    bias: Array,
    last: Array,
    last_bias: Array,
    of_gates: Array,
    of_recurrent: Array,
    of_recurrent_bias: Array,
    of_known: Array,
    of_there: Array,
    of_bias: Array,
    of_last: Array,
    of_last_bias: Array,
) -> tuple[float, float]:  # pragma: no cover
    """Half the sum of the mean cross-entropies of true and of false samples, and the share of right answers.

    Args:
        gates: [R, 3W], what distinct observations say of a GRU's gates. The next four are those of `Samples`.
        recurrent: [3W, W], recurrent_bias: [3W], of the GRU.
        known: [H, W + A], there: [H, W], bias: [H]: the head's first layer, of what is known before (trajectory and
            action) and of the trajectory after. last: [H], last_bias: [1]: its last.
        of_gates, ...: filled: the gradients of all these.
    """
    count, width = before.shape
    hidden_size, inputs = known.shape
    total = _32(0.0)
    for i in range(count):
        total += usable[i]
    share_true, share_false = 0.5 / count, 0.5 / max(1.0, float(total))
    of_gates[:], of_recurrent[:], of_recurrent_bias[:] = _32(0.0), _32(0.0), _32(0.0)
    of_known[:], of_there[:], of_bias[:] = _32(0.0), _32(0.0), _32(0.0)
    of_last[:], of_last_bias[:] = _32(0.0), _32(0.0)

    here, passed = np.empty((_BLOCK, width), np.float32), np.empty((_BLOCK, width), np.float32)
    after, to_after = np.empty((2 * _BLOCK, width), np.float32), np.empty((2 * _BLOCK, width), np.float32)
    told, to_told = np.empty((_BLOCK, inputs), np.float32), np.empty((_BLOCK, inputs), np.float32)
    said, hidden = np.empty((_BLOCK, hidden_size), np.float32), np.empty((2 * _BLOCK, hidden_size), np.float32)
    pulled, fake_pulled = np.empty((_BLOCK, 3 * width), np.float32), np.empty((_BLOCK, 3 * width), np.float32)
    switches = np.empty((3, _BLOCK, 2 * width), np.float32)
    share, candidate = np.empty((3, _BLOCK, width), np.float32), np.empty((3, _BLOCK, width), np.float32)
    recurrent_part, nowhere = np.empty(recurrent.shape, np.float32), np.zeros(hidden_size, np.float32)
    known_part, there_part = np.empty(known.shape, np.float32), np.empty(there.shape, np.float32)

    loss, right = 0.0, 0.0
    for low in range(0, count, _BLOCK):
        high = min(low + _BLOCK, count)
        rows = high - low
        state, now, pull = before[low:high], here[:rows], pulled[:rows]
        ends, of_ends, heard = after[: 2 * rows], to_after[: 2 * rows], told[:rows]
        shares(state, recurrent, recurrent_bias, pull)
        step(gates, place[0, low:high], pull, state, switches[0], share[0], candidate[0], now)
        shares(now, recurrent, recurrent_bias, pull)
        for c in range(1, 3):
            end = ends[(c - 1) * rows : c * rows]
            step(gates, place[c, low:high], pull, now, switches[c], share[c], candidate[c], end)
        heard[:, :width], heard[:, width:] = now, action[low:high]
        shares(heard, known, bias, said[:rows])
        np.dot(ends, there.T, hidden[: 2 * rows])
        judged = said[:rows], hidden[: 2 * rows], last, last_bias, usable[low:high]
        part, hits = judge(*judged, share_true, share_false, of_last, of_last_bias)
        loss += part
        right += hits

        add_product(said[:rows], heard, of_known, of_bias, known_part)
        add_product(hidden[: 2 * rows], ends, of_there, nowhere, there_part)
        np.dot(said[:rows], known, to_told[:rows])
        np.dot(hidden[: 2 * rows], there, of_ends)
        of_now = np.ascontiguousarray(to_told[:rows, :width])
        for c in range(1, 3):
            found = share[c], now, switches[c], candidate[c]
            into = pulled if c == 1 else fake_pulled
            step_back(of_ends[(c - 1) * rows : c * rows], place[c, low:high], *found, of_gates, into, of_now)
        pull += fake_pulled[:rows]
        add_product(pull, now, of_recurrent, of_recurrent_bias, recurrent_part)
        np.dot(pull, recurrent, passed[:rows])
        of_now += passed[:rows]
        found = share[0], state, switches[0], candidate[0]
        step_back(of_now, place[0, low:high], *found, of_gates, pull, passed)  # what is passed on is not asked for
        add_product(pull, state, of_recurrent, of_recurrent_bias, recurrent_part)
    return float(loss), float(right / (count + total))


discriminate = kept(_discriminate, fastmath=LOOSE, error_model="numpy")
