"""Compiled passes over float32 arrays: layers, the loops between products that are done elsewhere, Adam's.

Sums may be taken in another order, so that a loop takes a few vector instructions; a value that is not finite stays so.
"""

import math
from typing import Any

import numba
import numpy as np

from rewardlab.kernel_cache import kept
from rewardlab.types import Array

LINEAR, TANH, RELU, ELU = range(4)  # kinds of activation
LOOSE = {"reassoc", "contract", "arcp", "nsz"}
_32 = np.float32


def _tanh_of(x: Any) -> Any:  # pragma: no cover
    """tanh: the quotient of polynomials of Eigen (`generic_fast_tanh_float`), within 3e-7."""
    x = _32(7.9) if x > _32(7.9) else x
    x = _32(-7.9) if x < _32(-7.9) else x
    s = x * x
    p = s * _32(-2.76076847742355e-16) + _32(2.00018790482477e-13)
    p = s * (s * p + _32(-8.60467152213735e-11)) + _32(5.12229709037114e-08)
    p = s * (s * p + _32(1.48572235717979e-05)) + _32(6.37261928875436e-04)
    p = s * p + _32(4.89352455891786e-03)
    q = s * _32(1.19825839466702e-06) + _32(1.18534705686654e-04)
    q = s * (s * q + _32(2.26843463243900e-03)) + _32(4.89352518554385e-03)
    return x * p / q


tanh_of: Any = numba.njit(_tanh_of, inline="always", fastmath=LOOSE, error_model="numpy")


def _tanh(flat: Array) -> None:  # pragma: no cover
    """tanh of values [K], in place."""
    for i in range(flat.size):
        flat[i] = tanh_of(flat[i])


tanh = kept(_tanh, fastmath=LOOSE, error_model="numpy")


def _activate(flat: Array, kind: int) -> None:  # pragma: no cover
    """The activation of values [K], in place."""
    if kind == TANH:
        tanh(flat)
    elif kind == RELU:
        for i in range(flat.size):
            flat[i] = _32(0.0) if flat[i] < _32(0.0) else flat[i]
    elif kind == ELU:
        for i in range(flat.size):
            if flat[i] < _32(0.0):
                flat[i] = math.expm1(flat[i])


activate = kept(_activate, fastmath=LOOSE, error_model="numpy")


def _forward(
    inputs: Array,
    weights: tuple[Array, ...],
    biases: tuple[Array, ...],
    kinds: Array,
    outputs: tuple[Array, ...],
) -> None:  # pragma: no cover
    """Layers one after the other: outputs [B, O], filled, of inputs [B, D], weights [O, D], biases [O]."""
    values = inputs
    for layer in range(len(weights)):
        bias, out = biases[layer], outputs[layer]
        np.dot(values, weights[layer].T, out)
        for i in range(out.shape[0]):
            row = out[i]
            for j in range(bias.size):
                row[j] += bias[j]
            activate(row, kinds[layer])
        values = out


def _pass_back(gradient: Array, outputs: Array, bias_gradient: Array, kind: int) -> None:  # pragma: no cover
    """From the gradient of an activation's outputs [B, H] to that of its inputs, in place, and its sum over B, [H]."""
    for j in range(bias_gradient.size):
        bias_gradient[j] = _32(0.0)
    for i in range(gradient.shape[0]):
        row, output = gradient[i], outputs[i]
        if kind == TANH:
            for j in range(bias_gradient.size):
                row[j] *= _32(1.0) - output[j] * output[j]
        elif kind == RELU:
            for j in range(bias_gradient.size):
                row[j] = row[j] if output[j] > _32(0.0) else _32(0.0)
        elif kind == ELU:
            for j in range(bias_gradient.size):
                row[j] *= _32(1.0) if output[j] > _32(0.0) else output[j] + _32(1.0)
        for j in range(bias_gradient.size):
            bias_gradient[j] += row[j]


pass_back = kept(_pass_back, fastmath=LOOSE, error_model="numpy")


def _backward(
    gradient: Array,
    inputs: Array,
    weights: tuple[Array, ...],
    kinds: Array,
    outputs: tuple[Array, ...],
    weight_gradients: tuple[Array, ...],
    bias_gradients: tuple[Array, ...],
    input_gradients: tuple[Array, ...],
    of_inputs: bool,
) -> None:  # pragma: no cover
    """The gradients of `_forward`, filled, from that of the last outputs [B, O], which is overwritten.

    Args:
        input_gradients: [B, D], of each layer's inputs; the first layer's only with `of_inputs`.
    """
    of_outputs = gradient
    for layer in range(len(weights) - 1, -1, -1):
        pass_back(of_outputs, outputs[layer], bias_gradients[layer], kinds[layer])
        values = outputs[layer - 1] if layer > 0 else inputs
        np.dot(of_outputs.T, values, weight_gradients[layer])
        if layer > 0 or of_inputs:
            np.dot(of_outputs, weights[layer], input_gradients[layer])
            of_outputs = input_gradients[layer]


def _gather(rows: Array, weight: Array, bias: Array, features: Array) -> None:  # pragma: no cover
    """features [B, H] = tanh(bias + the sum of those rows of `weight` [R, H] that `rows` [B, K] name, as floats)."""
    for i in range(rows.shape[0]):
        sums = features[i]
        for j in range(bias.size):
            sums[j] = bias[j]
        for k in range(rows.shape[1]):
            row = weight[int(rows[i, k])]
            for j in range(bias.size):
                sums[j] += row[j]
        tanh(sums)


def _scatter(
    rows: Array, features: Array, gradient: Array, weight_gradient: Array, bias_gradient: Array
) -> None:  # pragma: no cover
    """The gradients of `_gather`'s weights [R, H] and bias [H], from that of its features [B, H]."""
    weight_gradient[:] = _32(0.0)
    bias_gradient[:] = _32(0.0)
    pulled = np.empty(bias_gradient.size, dtype=np.float32)
    for i in range(rows.shape[0]):
        for j in range(bias_gradient.size):
            pulled[j] = gradient[i, j] * (_32(1.0) - features[i, j] * features[i, j])
            bias_gradient[j] += pulled[j]
        for k in range(rows.shape[1]):
            row = weight_gradient[int(rows[i, k])]
            for j in range(bias_gradient.size):
                row[j] += pulled[j]


def _clip(gradient: Array, most: float) -> float:  # pragma: no cover
    """Shorten a gradient [K] in place to the norm `most`; returns the norm that it had."""
    total = _32(0.0)
    for i in range(gradient.size):
        total += gradient[i] * gradient[i]
    norm = math.sqrt(total)
    if norm > most:
        share = _32(most / (norm + 1e-6))
        for i in range(gradient.size):
            gradient[i] *= share
    return norm


def _adam(
    weights: Array,
    mean: Array,
    square: Array,
    gradient: Array,
    rate: float,
    root: float,
    eps: float,
    beta1: float,
    beta2: float,
) -> None:  # pragma: no cover
    """A step of Adam on K weights, in place.

    Args:
        rate: the step size over what the mean is short of (1 - beta1^t).
        root: 1 over the root of what the square is short of (1 - beta2^t).
    """
    step, scale, small = _32(rate), _32(root), _32(eps)
    new_mean, old_square, new_square = _32(1.0 - beta1), _32(beta2), _32(1.0 - beta2)
    for i in range(weights.size):
        m = mean[i] + (gradient[i] - mean[i]) * new_mean
        s = square[i] * old_square + gradient[i] * gradient[i] * new_square
        mean[i], square[i] = m, s
        weights[i] -= step * m / (np.sqrt(s) * scale + small)


forward = kept(_forward, fastmath=LOOSE, error_model="numpy")
backward = kept(_backward, fastmath=LOOSE, error_model="numpy")
gather = kept(_gather, fastmath=LOOSE, error_model="numpy")
scatter = kept(_scatter, fastmath=LOOSE, error_model="numpy")
clip = kept(_clip, fastmath=LOOSE, error_model="numpy")
adam = kept(_adam, fastmath=LOOSE, error_model="numpy")
