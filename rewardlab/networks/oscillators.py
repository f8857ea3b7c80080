"""Oscillators that move joints without looking: one for each action, all of two common frequencies.

Paper: Raffin et al. 2023, An open-loop baseline for reinforcement learning locomotion tasks (arXiv:2310.05808)

q_i = a_i sin(theta_i + phi_i) + b_i. A phase theta_i runs at the frequency `swing` where that sine is above 0, at
`stance` elsewhere, by Euler steps of a thousandth of a second. A step of the environment takes the action of the phases
as they are, then they run for `dt` seconds. phi_1 is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rewardlab.errors import UserError
from rewardlab.kernel_cache import kept
from rewardlab.types import ActionSpec, Array, Obs, ObsSpec

_RATE = 1000  # Euler steps of a second
_SENSORS = "vector"


@dataclass(frozen=True)
class Feedback:
    """A PD controller that takes joints to q: the action is kp (q - joint) - kd velocity.

    joints, velocities: of each joint, where they stand in the observation `vector`.
    """

    joints: tuple[int, ...]
    velocities: tuple[int, ...]
    kp: float
    kd: float


class Oscillators:
    """Oscillators of P individuals, n of them for n numbers of an action.

    A genome has 3 n + 1 numbers, drawn around 0 with a deviation of about 0.5: swing, stance, a [n], b [n],
    phi_2 to phi_n. A frequency is f_max (0.5 + number), kept within 0 and f_max; phi is in turns. The encoding is ours:
    the paper's is not known.

    Without feedback q is the action, where -1 and 1 are the bounds. With it q is in the joints' units and the action is
    that of the PD controller. Both are cut at the bounds.

    Args:
        dt: seconds of a step of the environment.
        f_max: the largest frequency, in turns a second.
        feedback: None: nothing is looked at.

    Attributes:
        size: G, numbers of a genome.
        mean, std: float32 [0]: nothing is standardised.

    Raises:
        UserError: discrete actions, or without bounds; the observation has no such joints.
    """

    discrete = False

    def __init__(
        self, obs: Mapping[str, ObsSpec], action: ActionSpec, dt: float, f_max: float, feedback: Feedback | None = None
    ) -> None:
        self._low, self._high = np.array(action.low, np.float32), np.array(action.high, np.float32)
        if action.discrete or not (np.isfinite(self._low).all() and np.isfinite(self._high).all()):
            raise UserError("oscillators need continuous actions with bounds")
        self._count = math.prod(action.shape)
        self._steps, self._f_max, self._feedback = max(1, round(dt * _RATE)), f_max, feedback
        self._seconds = dt / self._steps
        if feedback is not None:
            _check(feedback, obs, self._count)
        self.size = 3 * self._count + 1
        self.mean, self.std = np.zeros(0, np.float32), np.zeros(0, np.float32)

    def inputs(self, obs: Obs) -> Array:
        """Observations [B, *shape] -> float32 [B, 2 n], joints and velocities; [B, 0] without feedback."""
        if self._feedback is None:
            return np.zeros((len(next(iter(obs.values()))), 0), np.float32)
        sensors: Array = obs[_SENSORS][:, [*self._feedback.joints, *self._feedback.velocities]]
        return sensors

    @property
    def floats(self) -> Array:
        """None is to be standardised: joints have units. bool [0]."""
        return np.zeros(0, dtype=bool)

    def begin(self, lanes: int) -> Array:
        """Phases theta at the beginning of episodes, in turns: float64 [lanes, n]."""
        return np.zeros((lanes, self._count))

    def outputs(self, genomes: Array, inputs: Array, state: Array | None) -> tuple[Array, Array]:
        """float32 [P, E, n] of genomes [P, G] and inputs [P, E, D], and the phases [P * E, n] a step later."""
        assert state is not None
        wanted = np.empty((*inputs.shape[:2], self._count))
        after = state.copy()
        _advance(genomes, self._f_max, self._seconds, self._steps, wanted, after)
        if self._feedback is not None:
            joints, velocities = inputs[..., : self._count], inputs[..., self._count :]
            wanted = self._feedback.kp * (wanted - joints) - self._feedback.kd * velocities
        return wanted.astype(np.float32), after

    def actions(self, outputs: Array, uniform: Array | None) -> Array:
        """Actions float32 [B, n] of outputs [B, n]; nothing is drawn."""
        if self._feedback is None:
            outputs = self._low + (self._high - self._low) / 2 * (outputs + 1)
        cut: Array = outputs.clip(self._low, self._high)
        return cut.astype(np.float32)

    def standardise(self, seen: Array) -> None:
        """Nothing: see `floats`."""


def _advance_all(
    genomes: Array, f_max: float, seconds: float, steps: int, wanted: Array, phases: Array
) -> None:  # pragma: no cover
    """Fill q in, `wanted` [P, E, n], and let the phases [P * E, n], in turns, run so many Euler steps of `seconds`.

    All steps until the next change of speed are taken at once, which is the same but for rounding.
    """
    lives, count = wanted.shape[1:]
    for p in range(wanted.shape[0]):
        genome = genomes[p].astype(np.float64)
        swing = min(max(f_max * (0.5 + genome[0]), 0.0), f_max) * seconds  # turns of a step
        stance = min(max(f_max * (0.5 + genome[1]), 0.0), f_max) * seconds
        for e in range(lives):
            for i in range(count):
                shift = genome[1 + 2 * count + i] if i else 0.0
                phase, left = phases[p * lives + e, i], steps
                wanted[p, e, i] = genome[2 + i] * np.sin(2 * np.pi * (phase + shift)) + genome[2 + count + i]
                while left > 0:
                    at = (phase + shift) % 1.0
                    swings = 0.0 < at < 0.5
                    speed = swing if swings else stance
                    way = (0.5 if swings else 1.0) - at if at > 0.0 else 0.0  # the sine of 0 is not above 0
                    taken = left
                    if way < left * speed:
                        taken = max(1, math.ceil(way / speed) if swings else math.floor(way / speed) + 1)
                    phase += min(taken, left) * speed
                    left -= taken
                phases[p * lives + e, i] = phase % 1.0


_advance = kept(_advance_all)


def _check(feedback: Feedback, obs: Mapping[str, ObsSpec], count: int) -> None:
    if _SENSORS not in obs:
        raise UserError(f"pd=joints: needs an observation named {_SENSORS}; there is {', '.join(obs)}")
    width = math.prod(obs[_SENSORS].shape)
    for name, places in (("joints", feedback.joints), ("velocities", feedback.velocities)):
        if len(places) != count:
            raise UserError(f"{name}={list(places)}: one place in {_SENSORS} for each of the {count} actions")
        if not all(0 <= place < width for place in places):
            raise UserError(f"{name}={list(places)}: {_SENSORS} has the places 0 to {width - 1}")
