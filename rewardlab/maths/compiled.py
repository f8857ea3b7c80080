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


def _unit_distance_loss(prediction: Array, target: Array, place: Array, weights: Array) -> float:  # pragma: no cover
    """The sum of weighted `distance_from_unit`s.

    Args:
        prediction: [B, D]; its gradient is written over it.
        target: unit vectors [U, D]. place: int64 [B], which of them each prediction is of. weights: [B].
    """
    loss: float = 0.0
    for i in range(prediction.shape[0]):
        row, aim = prediction[i], target[place[i]]
        square, product = _32(1e-24), _32(0.0)
        for j in range(row.size):
            square += row[j] * row[j]
            product += row[j] * aim[j]
        inverse = _32(1.0) / np.sqrt(square)
        cosine = product * inverse
        loss += float(weights[i] * (_32(2.0) - _32(2.0) * cosine))
        slope = _32(-2.0) * weights[i] * inverse
        along = slope * cosine * inverse
        for j in range(row.size):
            row[j] = slope * aim[j] - along * row[j]
    return loss


def _exp(flat: Array) -> None:  # pragma: no cover
    """exp of values [K], in place, by Cephes' polynomial (`expf`), within 2e-7; those below -87 count as -87."""
    powers = np.empty(flat.size, dtype=np.int32)
    for i in range(flat.size):
        x = flat[i]
        x = _32(-87.0) if x < _32(-87.0) else x
        x = _32(88.0) if x > _32(88.0) else x
        whole = np.floor(x * _32(1.44269504088896341) + _32(0.5))
        x = x - whole * _32(0.693359375) + whole * _32(2.12194440e-4)
        p = _32(1.9875691500e-4) * x + _32(1.3981999507e-3)
        p = (p * x + _32(8.3334519073e-3)) * x + _32(4.1665795894e-2)
        p = (p * x + _32(1.6666665459e-1)) * x + _32(5.0000001201e-1)
        flat[i] = p * x * x + x + _32(1.0)
        powers[i] = (np.int32(whole) + np.int32(127)) << np.int32(23)  # the bits of 2^whole
    scales = powers.view(np.float32)
    for i in range(flat.size):
        flat[i] *= scales[i]


exp = kept(_exp, fastmath={"contract"}, error_model="numpy")


def _contrast(
    first: Array, second: Array, negatives: Array, scale: float, among: bool, share: float, pull: Array, found: Array
) -> None:  # pragma: no cover
    """`contrastive_information` of pairs that are scored by scaled products, and its gradient.

    Args:
        first, second: the halves of pairs drawn together, [B, H].
        negatives: [B, M], products of the first halves with others; their gradient is written over them.
        scale: of products.
        among: whether the others are the second halves of the first M pairs: no pair is then compared with itself.
        share: of each pair's information in what is differentiated.
        pull: [B], filled: the gradient of the product of each pair.
        found: [B], filled: the information.
    """
    size = negatives.shape[1]
    for i in range(first.shape[0]):
        scores, product = negatives[i], _32(0.0)
        for j in range(first.shape[1]):
            product += first[i, j] * second[i, j]
        product *= _32(scale)
        most = product
        alone = among and i < size
        if alone:
            scores[i] = _32(0.0)
        for m in range(size):
            scores[m] *= _32(scale)
            most = max(most, scores[m])
        for m in range(size):
            scores[m] -= most
        exp(scores)
        if alone:
            scores[i] = _32(0.0)
        own = _32(math.exp(product - most))
        total = own
        for m in range(size):
            total += scores[m]
        found[i] = product - most - math.log(total / _32(size + 1 - alone))
        weight = _32(share * scale) / total
        pull[i] = weight * (total - own)
        for m in range(size):
            scores[m] *= -weight


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


def _gather_pairs(rows: Array, place: Array, pairs: Array) -> None:  # pragma: no cover
    """pairs [B, 2 * D], filled: rows [U, D] by `place`, int64 [2 * B], its first half beside its second."""
    count, size = len(pairs), rows.shape[1]
    for i in range(count):
        first, second = rows[place[i]], rows[place[count + i]]
        for j in range(size):
            pairs[i, j], pairs[i, size + j] = first[j], second[j]


def _scatter_pairs(gradient: Array, place: Array, found: Array) -> None:  # pragma: no cover
    """found [U, D], filled: the gradient of the rows of `_gather_pairs`, from that of its pairs [B, 2 * D]."""
    count, size = len(gradient), found.shape[1]
    found[:] = _32(0.0)
    for i in range(count):
        first, second = found[place[i]], found[place[count + i]]
        for j in range(size):
            first[j] += gradient[i, j]
        for j in range(size):
            second[j] += gradient[i, size + j]


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
unit_distance_loss = kept(_unit_distance_loss, fastmath=_LOOSE, error_model="numpy")
contrast = kept(_contrast, fastmath=_LOOSE, error_model="numpy")
cross_entropy = kept(_cross_entropy, fastmath=_LOOSE, error_model="numpy")
gather_pairs = kept(_gather_pairs)
scatter_pairs = kept(_scatter_pairs)
scan_back = kept(_scan_back)
draw = kept(_draw, error_model="numpy")
moments = kept(_moments, fastmath={"contract"}, error_model="numpy")
whiten = kept(_whiten, error_model="numpy")
