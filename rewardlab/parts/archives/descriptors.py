"""What is kept of a life, and how lives are told apart by it.

place        where the agent is at the end
samples      where it is at S steps spread over an episode; one that ended earlier repeats its last place
last         what it sees at the end
signature    the way that it took: `maths/signature.py`
autoencoder  the code of a picture of the world, which is learned: `learned_descriptor.py`
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rewardlab.errors import UserError
from rewardlab.facts import PLACE, POSITION
from rewardlab.maths.signature import log_signature, signature
from rewardlab.networks.flat import UNREAD
from rewardlab.schemas import option
from rewardlab.types import Array, EnvSpec, Lives, Obs, ObsSpec

BOUNDED = ("place", "samples", "last")  # a fixed grid needs bounds
KINDS = (*BOUNDED, "signature", "autoencoder")
END = np.iinfo(np.int64).max
SEEN = "obs"  # what is watched of a life where it is no full-state fact: the numbers that are seen
_NAMES = ("mission", "cell", *UNREAD)  # entries whose numbers are names, or what no network reads


@dataclass
class DescriptorOptions:
    descriptor: str = option("place", "what tells lives apart", choices=KINDS)
    samples: int = option(5, "descriptor=samples, autoencoder: places or pictures that are looked at", above=0)
    signature_order: int = option(2, "descriptor=signature: its levels", minimum=1, maximum=3, neutral=2)
    signature_log: bool = option(False, "descriptor=signature: the logarithm, of order 2", neutral=False)
    signature_time: bool = option(False, "descriptor=signature: the time is a coordinate too", neutral=False)
    code: int = option(10, "descriptor=autoencoder: numbers of a code", above=0, neutral=10)
    units: int = option(128, "descriptor=autoencoder: units of its hidden layers", above=0, neutral=128)
    lesson: int = option(
        1000, "descriptor=autoencoder: it learns whenever so many more children have lived", above=0, neutral=1000
    )
    rarer: bool = option(
        True, "descriptor=autoencoder: the second lesson comes after twice, the third after three times as many, ...",
        neutral=True,
    )  # fmt: skip
    epochs: int = option(100, "descriptor=autoencoder: of a lesson, at most", above=0, neutral=100)
    patience: int = option(
        4, "descriptor=autoencoder: a lesson ends with so many errors in a row above the least, on a fifth held out;"
        " 0: with its epochs", minimum=0, neutral=4,
    )  # fmt: skip


def place_fact(spec: EnvSpec) -> str:
    """The full-state fact that tells where the agent is; empty where there is none."""
    told = (POSITION, PLACE) if spec.place is not None else ()
    return next((name for name in told if name in spec.privileged), "")


def moments_of(samples: int, max_steps: int | None) -> Array:
    """The steps after which a life is looked at, then its end: int64 [S + 1]; 1: its end alone, as where lives have no
    limit.
    """
    if samples == 1 or max_steps is None:
        return np.array([END], dtype=np.int64)
    steps = [max(1, math.ceil(i * (max_steps - 1) / samples)) for i in range(1, samples + 1)]
    return np.array([*steps, END], dtype=np.int64)


class Descriptor:
    """Attributes:
    moments, watched, sight_shape: see `types.Population`.
    assumes: what it needs beyond an ordinary learner.
    size: numbers of a descriptor, for each level.
    learns: whether it is a `learned_descriptor.Codes`.
    """

    moments: Array = np.array([END], dtype=np.int64)
    watched: str = ""
    sight_shape: tuple[int, ...] = ()
    assumes: frozenset[str] = frozenset()
    size: int
    learns: bool = False

    def kept(self, lives: Lives) -> Obs:
        """What archives keep of lives, each entry [P, ...]: enough to describe them at any time."""
        raise NotImplementedError

    def describe(self, outcome: Obs) -> Array:
        """Descriptors, float64 [P, B], of what was kept: those of all levels, one after another."""
        raise NotImplementedError


class Places(Descriptor):
    """Places of agents on the way, within [0, 1].

    Args:
        samples: S; 1: the end.

    Raises:
        UserError: the environment does not tell where the agent is.
    """

    assumes = frozenset({"place"})

    def __init__(self, spec: EnvSpec, name: str, samples: int = 1) -> None:
        self._low, self._high = _bounds(spec, name)
        self.moments = moments_of(samples, spec.max_steps)
        self._samples = min(samples, len(self.moments))
        self.size = self._samples * len(self._low)

    def kept(self, lives: Lives) -> Obs:
        return {"places": lives.outcome["places"][:, :, : self._samples]}

    def describe(self, outcome: Obs) -> Array:
        places = outcome["places"]
        scaled: Array = (places - self._low) / (self._high - self._low)
        return scaled.reshape(len(places), -1)


class Last(Descriptor):
    """What is seen at the end, within [0, 1]; entries that are names of things are left out.

    Raises:
        UserError: nothing is left, or it has no bounds.
    """

    watched = SEEN

    def __init__(self, spec: EnvSpec, name: str) -> None:
        bounds = [_seen_bounds(entry, each) for entry, each in spec.obs.items() if entry not in _NAMES]
        if not bounds:
            raise UserError(f"agent={name}: tells lives apart by what is seen last, and {spec.id} shows no amounts")
        self._low, self._high = np.concatenate(bounds, axis=1)
        if not (np.isfinite(self._low).all() and np.isfinite(self._high).all()):
            raise UserError(
                f"agent={name}: tells lives apart by what is seen last, and what {spec.id} shows has no bounds"
            )
        self._span = np.where(self._high > self._low, self._high - self._low, 1.0)
        self.sight_shape, self.size = self._low.shape, len(self._low)

    def kept(self, lives: Lives) -> Obs:
        return {"sights": lives.outcome["sights"]}

    def describe(self, outcome: Obs) -> Array:
        seen = outcome["sights"].astype(np.float64)
        scaled: Array = (seen - self._low) / self._span
        return scaled.reshape(len(seen), -1)


class Signatures(Descriptor):
    """Signatures of the ways that agents took, within a world scaled to [0, 1].

    They don't tell where a way starts, how fast it is walked, or steps there and back. With `time` they do.

    Args:
        log: the logarithm, of order 2, instead.
        time: whether the share of the time that a life may last is a coordinate too; it stops where a life ends.

    Raises:
        UserError: the environment does not tell where the agent is.
    """

    assumes = frozenset({"place"})

    def __init__(self, spec: EnvSpec, name: str, order: int = 2, log: bool = False, time: bool = False) -> None:
        if log and order != 2:
            raise UserError(f"agent.signature_order={order}: the logarithm is that of order 2")
        self._low, self._high = _bounds(spec, name)
        assert spec.max_steps is not None
        self._order, self._log, self._time, self._most = order, log, time, spec.max_steps
        self.moments = np.arange(spec.max_steps + 1)
        dimensions = len(self._low) + time
        self.size = dimensions * (dimensions + 1) // 2 if log else sum(dimensions**k for k in range(1, order + 1))

    def kept(self, lives: Lives) -> Obs:
        paths = (lives.outcome["places"] - self._low) / (self._high - self._low)
        if self._time:
            clock = np.minimum(self.moments, lives.length[..., None]) / self._most
            paths = np.concatenate([paths, clock[..., None]], axis=3)
        flat = paths.reshape(-1, *paths.shape[2:])
        found = log_signature(flat) if self._log else signature(flat, self._order)
        return {"signatures": found.reshape(*paths.shape[:2], -1)}

    def describe(self, outcome: Obs) -> Array:
        return outcome["signatures"].reshape(len(outcome["signatures"]), -1)


def numbers(obs: Obs) -> Array:
    """What is seen in one row, [B, D], of entries [B, ...]; without those that are names of things."""
    columns = [entry.reshape(len(entry), -1) for name, entry in obs.items() if name not in _NAMES]
    return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)


def _bounds(spec: EnvSpec, name: str) -> tuple[Array, Array]:
    """Of places."""
    if spec.place is None or spec.max_steps is None or not place_fact(spec):
        raise UserError(f"agent={name}: tells lives apart by places, and {spec.id} does not tell where the agent is")
    low, high = (np.array(bound, dtype=np.float64) for bound in spec.place)
    return low, high


def _seen_bounds(entry: str, spec: ObsSpec) -> Array:
    """Of the numbers of an entry, float64 [2, D]."""
    size = math.prod(spec.shape)
    if spec.bounds is not None:
        return np.array(spec.bounds, dtype=np.float64)
    return np.array([[0.0] * size, [spec.high if spec.high > 0 else np.inf] * size])
