"""Flat vectors of numbers as small networks: a population's individuals, each with weights of its own.

A genome is laid out layer by layer: weights row by row [in, out], then biases [out].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np

from rewardlab.errors import UserError
from rewardlab.kernel_cache import kept
from rewardlab.maths.compiled import draw
from rewardlab.networks.flat import UNREAD
from rewardlab.networks.fused_kernels import LOOSE, tanh
from rewardlab.types import ActionSpec, Array, Obs, ObsSpec

_32 = np.float32
_TOLD_APART = ("mission", "cell")  # entries of numbers that are names, not amounts
INITS = ("normc", "normal")
_OUTPUT_NORM = 0.1  # of the columns of the last layer in `normc`
_WIDEST = _32(5)  # of numbers in `normal`


class Mlp:
    """tanh networks of P individuals: discrete actions by their logits, boxes by tanh, scaled to the bounds.

    Observations are flattened in the order of their entries: integers divided by their largest value; missions and
    numbers of cells as one-hot; floats as they are, or standardised by `mean` and `std` and kept within `limit`.

    Args:
        hidden: sizes of the hidden layers.
        init: how individuals begin: one of `INITS`.

    Attributes:
        size: G, numbers of a genome.
        sizes: int64, of all layers, the inputs' first.
        mean, std: float32 [D], of the inputs; 0 and 1 until `standardise` or `rescale`, and of others than floats.
        limit: of standardised inputs, either way.

    Raises:
        UserError: a box of actions without bounds.
    """

    def __init__(
        self, obs: Mapping[str, ObsSpec], action: ActionSpec, hidden: tuple[int, ...], init: str = "normal"
    ) -> None:
        self._init = init
        self._obs = {name: spec for name, spec in obs.items() if name not in UNREAD}
        inputs = sum(_width(name, spec) for name, spec in self._obs.items())
        self._low, self._high = np.array(action.low, np.float32), np.array(action.high, np.float32)
        if not (np.isfinite(self._low).all() and np.isfinite(self._high).all()):
            raise UserError("a population's networks need actions with bounds")
        self.discrete = action.n is not None
        self.sizes = np.array([inputs, *hidden, action.n or math.prod(action.shape)], dtype=np.int64)
        self.size = int(((self.sizes[:-1] + 1) * self.sizes[1:]).sum())
        self.mean, self.std = np.zeros(inputs, np.float32), np.ones(inputs, np.float32)
        self.limit = np.inf

    def inputs(self, obs: Obs) -> Array:
        """Observations [B, *shape] -> float32 [B, D]."""
        flat = self.flat(obs)
        if not self.floats.any():
            return flat
        scaled: Array = (flat - self.mean) / self.std
        return scaled if self.limit == np.inf else scaled.clip(-self.limit, self.limit)

    def flat(self, obs: Obs) -> Array:
        """The same before floats are standardised."""
        columns = [_flattened(name, spec, obs[name]) for name, spec in self._obs.items()]
        return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)

    @property
    def floats(self) -> Array:
        """Which inputs are floats, bool [D]: those that may be standardised."""
        kinds = [np.full(_width(name, spec), spec.dtype == "float32") for name, spec in self._obs.items()]
        return np.concatenate(kinds)

    def standardise(self, seen: Array) -> None:
        """Take mean and deviation of the floats from inputs, float32 [B, D], that were not yet scaled."""
        self.rescale(seen.mean(axis=0), np.maximum(seen.std(axis=0), 1e-4))

    def rescale(self, mean: Array, std: Array) -> None:
        """Take these of the floats, [D]."""
        floats = self.floats
        self.mean[floats], self.std[floats] = mean[floats], std[floats]

    def begin(self, lanes: int) -> None:
        """There is no memory."""

    def outputs(self, genomes: Array, inputs: Array, state: Array | None = None) -> tuple[Array, None]:
        """float32 [P, E, O], of genomes [P, G] and inputs [P, E, D]."""
        found = np.empty((*inputs.shape[:2], self.sizes[-1]), dtype=np.float32)
        _outputs(genomes, self.sizes, np.ascontiguousarray(inputs), found)
        return found, None

    def actions(self, outputs: Array, uniform: Array | None) -> Array:
        """Actions [B] or [B, A] of outputs [B, O].

        Args:
            uniform: float32 [B], in [0, 1), which draw discrete ones by their softmax; None: the likeliest.
        """
        if not self.discrete:
            half = (self._high - self._low) / 2
            scaled: Array = self._low + half * (np.tanh(outputs) + 1)
            return scaled.astype(np.float32)
        if uniform is None:
            likeliest: Array = outputs.argmax(axis=1)
            return likeliest
        chosen = np.empty(len(outputs), dtype=np.int64)
        draw(outputs, uniform, chosen)
        return chosen

    def first(self, draws: Array) -> Array:
        """Individuals to begin with, float32 [P, G], of draws float32 [P, G] of N(0, 1).

        normal: the draws, within 5 of 0 (SERENE's). normc: columns of weights have norm 1, those of the last layer 0.1,
        and biases are 0 (Deep GA's).
        """
        if self._init == "normal":
            return draws.clip(-_WIDEST, _WIDEST)
        genomes = draws.copy()
        _normc(genomes, self.sizes, _32(_OUTPUT_NORM))
        return genomes


def _width(name: str, spec: ObsSpec) -> int:
    return math.prod(spec.shape) * (spec.high + 1 if name in _TOLD_APART else 1)


def _flattened(name: str, spec: ObsSpec, entry: Array) -> Array:
    flat = entry.reshape(len(entry), -1)
    if name in _TOLD_APART:
        hot: Array = flat[:, :, None] == np.arange(spec.high + 1)
        return hot.reshape(len(flat), -1).astype(np.float32)
    return flat.astype(np.float32) * _32(1.0 / spec.high if spec.high > 0 else 1.0)


def _output_of(genomes: Array, p: int, sizes: Array, layers: Array, there: Array) -> None:  # pragma: no cover
    """Individual p's network: its inputs are layers[0], its outputs the last of layers [L + 1, most + 1].

    Inputs that are zero, most of what a grid shows, are passed over. there: int64 [most + 4], overwritten.
    """
    genome, at = genomes[p], 0
    last = sizes.size - 2
    for layer in range(sizes.size - 1):
        width, height = sizes[layer], sizes[layer + 1]
        values, after = layers[layer], layers[layer + 1]
        count = 0
        for k in range(width):
            there[count] = k
            count += values[k] != _32(0.0)
        base = at + width * height
        for j in range(height):
            after[j] = genome[base + j]
        for k in range(3):  # four at a time: what is missing is zero
            there[count + k] = width
        values[width] = _32(0.0)
        for n in range(0, count, 4):
            a, b, c, d = there[n], there[n + 1], there[n + 2], there[n + 3]
            of_a, of_b, of_c, of_d = values[a], values[b], values[c], values[d]
            row_a, row_b, row_c, row_d = at + a * height, at + b * height, at + c * height, at + d * height
            for j in range(height):
                after[j] += (
                    of_a * genome[row_a + j]
                    + of_b * genome[row_b + j]
                    + of_c * genome[row_c + j]
                    + of_d * genome[row_d + j]
                )
        if layer < last:
            tanh(after[:height])
        at = base + height


output_of: Any = numba.njit(_output_of, fastmath=LOOSE, error_model="numpy")


def _outputs_of_all(genomes: Array, sizes: Array, inputs: Array, found: Array) -> None:  # pragma: no cover
    """found [P, E, O], filled, of inputs [P, E, D]."""
    most = sizes.max()
    layers = np.zeros((sizes.size, most + 1), dtype=np.float32)
    there = np.zeros(most + 4, dtype=np.int64)
    for p in range(inputs.shape[0]):
        for e in range(inputs.shape[1]):
            layers[0, : sizes[0]] = inputs[p, e]
            output_of(genomes, p, sizes, layers, there)
            found[p, e] = layers[sizes.size - 1, : sizes[sizes.size - 1]]


_outputs = kept(_outputs_of_all, error_model="numpy")


def _normc_of_all(genomes: Array, sizes: Array, of_outputs: Any) -> None:  # pragma: no cover
    """Draws [P, G] to normc, in place: sums run over rows in their order."""
    sums, last = np.empty(sizes.max(), dtype=np.float32), sizes.size - 2
    for p in range(genomes.shape[0]):
        genome, at = genomes[p], 0
        for layer in range(sizes.size - 1):
            width, height = sizes[layer], sizes[layer + 1]
            sums[:height] = _32(0.0)
            for k in range(width):
                for j in range(height):
                    weight = genome[at + k * height + j]
                    sums[j] += weight * weight
            norm = of_outputs if layer == last else _32(1.0)
            for j in range(height):
                sums[j] = norm / np.sqrt(sums[j])
            for k in range(width):
                for j in range(height):
                    genome[at + k * height + j] *= sums[j]
            at += width * height
            genome[at : at + height] = _32(0.0)
            at += height


_normc = kept(_normc_of_all, error_model="numpy")
