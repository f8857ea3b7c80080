"""Formulas over minibatches in one compiled pass each, their gradients with them, for what runs without autograd.

They are those of `losses`, `distributions` and `intrinsic`. Arrays are float32 unless it is said; results of more than
one number are written into the arrays that are given for them.
"""

import math
from typing import Any

import numba
import numpy as np
import torch

from rewardlab.kernel_cache import kept
from rewardlab.types import Array

ERRORS = ("mse", "half_square", "l2")  # kinds of `prediction_error`, by number
_LOOSE = {"reassoc", "contract", "arcp", "nsz"}
_32 = np.float32


def compiles(*tensors: torch.Tensor) -> bool:
    """Whether tensors are where and what compiled passes work on: float32 on a CPU."""
    return all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)


def _ppo_loss(
    logits: Array,
    values: Array,
    place: Array,
    chosen: Array,
    action: Array,
    old_log_prob: Array,
    advantage: Array,
    returns: Array,
    old_values: Array,
    clip: float,
    value_clip: float,
    value_coef: float,
    entropy_coef: float,
    logit_gradient: Array,
    value_gradient: Array,
) -> tuple[float, float, float, float, float]:  # pragma: no cover
    """PPO's loss for a categorical policy: policy + value_coef * value - entropy_coef * entropy.

    Args:
        logits, values: [U, A] and [U, S], of the network as it is, for distinct observations.
        place: int64 [B], which of them each sample has.
        chosen: int64 [B], the rows of the following that the samples are.
        action, old_log_prob, advantage: int64 [M], [M], [M].
        returns, old_values: [M, S].
        clip, value_clip: as in `clipped_policy_loss` and `value_loss`; inf: not at all.
        logit_gradient, value_gradient: [U, A] and [U, S], filled.

    Returns:
        The terms policy, value and entropy; `approximate_kl`; and the share of ratios beyond `clip`.
    """
    count, actions = place.size, logits.shape[1]
    share = _32(1.0 / count)
    logit_gradient[:], value_gradient[:] = _32(0.0), _32(0.0)
    odds = np.empty(actions, dtype=np.float32)
    low, high = _32(1.0 - clip), _32(1.0 + clip)
    of_entropy, of_value, within = _32(entropy_coef / count), _32(2.0 * value_coef / count), _32(value_clip)
    policy: Any = 0.0  # sums in float64
    value, entropy, divergence, beyond = policy, policy, policy, policy
    for i in range(count):
        m, u = chosen[i], place[i]
        row, out = logits[u], logit_gradient[u]
        most = row[0]
        for j in range(actions):
            most = max(most, row[j])
        total = _32(0.0)
        for j in range(actions):
            odds[j] = math.exp(row[j] - most)
            total += odds[j]
        base = most + math.log(total)
        uncertainty = _32(0.0)
        for j in range(actions):
            odds[j] /= total
            uncertainty -= odds[j] * (row[j] - base)
        entropy += uncertainty

        log_ratio = row[action[m]] - base - old_log_prob[m]
        exact = math.exp(np.float64(log_ratio))
        ratio = _32(exact)
        held = low if ratio < low else (high if ratio > high else ratio)
        gain, held_gain = ratio * advantage[m], held * advantage[m]
        policy -= held_gain if held_gain < gain else gain
        divergence += exact - 1.0 - log_ratio
        beyond += abs(ratio - _32(1.0)) > _32(clip)
        pull = _32(0.0) if held_gain < gain else gain * share
        for j in range(actions):
            out[j] += odds[j] * (pull + of_entropy * (row[j] - base + uncertainty))
        out[action[m]] -= pull

        for k in range(values.shape[1]):
            error = values[u, k] - returns[m, k]
            slope = error
            square = error * error
            moved = values[u, k] - old_values[m, k]
            if abs(moved) > within:
                error = old_values[m, k] + (within if moved > _32(0.0) else -within) - returns[m, k]
                if error * error > square:
                    square = error * error
                    slope = _32(0.0)
            value += square
            value_gradient[u, k] += slope * of_value
    return policy / count, value / count, entropy / count, divergence / count, beyond / count


def _distance_loss(
    prediction: Array, target: Array, weights: Array, kind: int, gradient: Array
) -> float:  # pragma: no cover
    """The mean of `prediction_error`s times their weights.

    Args:
        prediction, target: [B, D]. weights: [B].
        kind: place of the error in ERRORS.
        gradient: [B, D], filled: of the prediction; the target's is its negative.
    """
    loss: float = 0.0
    size, count = prediction.shape[1], _32(prediction.shape[0])
    for i in range(prediction.shape[0]):
        share = weights[i] / count
        row, aim, out = prediction[i], target[i], gradient[i]
        total = _32(0.0)
        for j in range(size):
            out[j] = row[j] - aim[j]
            total += out[j] * out[j]
        if kind == 0:
            error, slope = total / _32(size), _32(2.0) / _32(size)
        elif kind == 1:
            error, slope = _32(0.5) * total, _32(1.0)
        else:
            error = np.sqrt(total)
            slope = _32(0.0) if error == _32(0.0) else _32(1.0) / error
        loss += float(share * error)
        slope *= share
        for j in range(size):
            out[j] *= slope
    return loss


def _distance_from_unit(
    prediction: Array, target: Array, distance: Array, length: Array, cosine: Array
) -> None:  # pragma: no cover
    """`distance_from_unit` of rows [B, D]; filled, [B] each: it, the prediction's length, its cosine to the target."""
    for i in range(prediction.shape[0]):
        row, aim = prediction[i], target[i]
        square, product = _32(1e-24), _32(0.0)
        for j in range(row.size):
            square += row[j] * row[j]
            product += row[j] * aim[j]
        length[i] = np.sqrt(square)
        cosine[i] = product / length[i]
        distance[i] = _32(2.0) - _32(2.0) * cosine[i]


def _distance_from_unit_back(
    pull: Array, prediction: Array, target: Array, length: Array, cosine: Array, gradient: Array
) -> None:  # pragma: no cover
    """The gradient of the prediction, [B, D], filled, from that of the distances, [B]."""
    for i in range(prediction.shape[0]):
        row, aim, out = prediction[i], target[i], gradient[i]
        slope = _32(-2.0) * pull[i] / length[i]
        along = slope * cosine[i] / length[i]
        for j in range(row.size):
            out[j] = slope * aim[j] - along * row[j]


def _cross_entropy(logits: Array, action: Array, coef: float, gradient: Array) -> float:  # pragma: no cover
    """The mean of -log p(action), without the factor `coef` that its gradient has.

    Args:
        logits: [B, A]. action: int64 [B]. gradient: [B, A], filled.
    """
    loss, count = 0.0, logits.shape[0]
    share = _32(coef / count)
    for i in range(count):
        row, out = logits[i], gradient[i]
        most = row[0]
        for j in range(row.size):
            most = max(most, row[j])
        total = _32(0.0)
        for j in range(row.size):
            out[j] = math.exp(row[j] - most)
            total += out[j]
        loss += most + math.log(total) - row[action[i]]
        for j in range(row.size):
            out[j] *= share / total
        out[action[i]] -= share
    return float(loss / count)


def _accumulate(logits: Array, i: int, below: Array) -> None:  # pragma: no cover
    """The unnormalised distribution function of a categorical policy, below[i] [A], filled, from logits[i]."""
    most = logits[i, 0]
    for j in range(logits.shape[1]):
        most = max(most, logits[i, j])
    total = _32(0.0)
    for j in range(logits.shape[1]):
        total += math.exp(logits[i, j] - most)
        below[i, j] = total


def _choose(below: Array, i: int, uniform: float) -> int:  # pragma: no cover
    """The first action at which distribution function i exceeds a uniform number in [0, 1)."""
    last = below.shape[1] - 1
    chosen, mark = 0, uniform * below[i, last]
    while chosen < last and below[i, chosen] <= mark:
        chosen += 1
    return chosen


accumulate: Any = numba.njit(_accumulate, error_model="numpy")
choose: Any = numba.njit(_choose, error_model="numpy")


def _draw(logits: Array, uniform: Array, action: Array) -> None:  # pragma: no cover
    """Actions of a categorical policy. logits: [B, A]. uniform: [B], in [0, 1). action: int64 [B], filled."""
    below = np.empty(logits.shape, np.float32)
    for i in range(logits.shape[0]):
        accumulate(logits, i, below)
        action[i] = choose(below, i, uniform[i])


def _scan_back(sums: Array, decay: Array) -> None:  # pragma: no cover
    """From the last row to the first: sums[t] += decay[t] * sums[t + 1], of [T, N] each, in place."""
    for t in range(sums.shape[0] - 2, -1, -1):
        for i in range(sums.shape[1]):
            sums[t, i] += decay[t, i] * sums[t + 1, i]


def _moments(data: Array, times: Array, mean: Array, squares: Array) -> None:  # pragma: no cover
    """Mean of data [B, K], each row counted so many times, float64 [B], and the sum of squared deviations from it:
    float64 [K] each, filled.
    """
    rows, size = data.shape
    count = times.sum()
    mean[:], squares[:] = 0.0, 0.0
    for i in range(rows):
        row = data[i]
        for k in range(size):
            mean[k] += times[i] * row[k]
    for k in range(size):
        mean[k] /= count
    for i in range(rows):
        row = data[i]
        for k in range(size):
            gap = row[k] - mean[k]
            squares[k] += times[i] * gap * gap


def _whiten(data: Array, mean: Array, std: Array, clip: float, whitened: Array) -> None:  # pragma: no cover
    """(data - mean) / std within +-clip, filled: [B, K], from [B, K], [K] and [K]."""
    most = _32(clip)
    for i in range(data.shape[0]):
        row, out = data[i], whitened[i]
        for k in range(mean.size):
            x = (row[k] - mean[k]) / std[k]
            x = most if x > most else x
            out[k] = -most if x < -most else x


ppo_loss = kept(_ppo_loss, fastmath=_LOOSE, error_model="numpy")
distance_loss = kept(_distance_loss, fastmath=_LOOSE, error_model="numpy")
distance_from_unit = kept(_distance_from_unit, fastmath=_LOOSE, error_model="numpy")
distance_from_unit_back = kept(_distance_from_unit_back, fastmath=_LOOSE, error_model="numpy")
cross_entropy = kept(_cross_entropy, fastmath=_LOOSE, error_model="numpy")
scan_back = kept(_scan_back)
draw = kept(_draw, error_model="numpy")
moments = kept(_moments, fastmath={"contract"}, error_model="numpy")
whiten = kept(_whiten, error_model="numpy")
