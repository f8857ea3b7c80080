"""What is kept of a life, and how lives are told apart by it.

place     where the agent is at the end
samples   where it is at S steps spread over an episode; one that ended earlier repeats its last place
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rewardlab.errors import UserError
from rewardlab.facts import PLACE, POSITION
from rewardlab.types import Array, EnvSpec, Obs

KINDS = ("place", "samples")
END = np.iinfo(np.int64).max


def place_fact(spec: EnvSpec) -> str:
    """The full-state fact that tells where the agent is; empty where there is none."""
    told = (POSITION, PLACE) if spec.place is not None else ()
    return next((name for name in told if name in spec.privileged), "")


class Places:
    """Places of agents on the way.

    Args:
        samples: S; 1: the end.

    Attributes:
        moments: int64 [S], the steps after which it looks.

    Raises:
        UserError: the environment does not tell where the agent is.
    """

    def __init__(self, spec: EnvSpec, name: str, samples: int = 1) -> None:
        if spec.place is None or spec.max_steps is None or not place_fact(spec):
            raise UserError(
                f"agent={name}: tells lives apart by places, and {spec.id} does not tell where the agent is"
            )
        self._low, self._high = (np.array(bound, dtype=np.float64) for bound in spec.place)
        steps = [math.ceil(i * (spec.max_steps - 1) / samples) for i in range(1, samples + 1)]
        self.moments = np.array([END] if samples == 1 else steps, dtype=np.int64)

    def describe(self, outcome: Obs) -> Array:
        """Descriptors within [0, 1], float64 [P, B], of places [P, E, S, D]: those of all levels, one after another."""
        places = outcome["places"]
        scaled: Array = (places - self._low) / (self._high - self._low)
        return scaled.reshape(len(places), -1)


class Watch:
    """Keeps the places of L lives that are played step by step, as they are found after each step."""

    def __init__(self, moments: Array, places: Array) -> None:
        """`places` [L, D] of the beginning."""
        self._moments = moments
        self.places: Array = np.repeat(places[:, None].astype(np.float64), len(moments), axis=1)

    def see(self, step: int, places: Array, live: Array) -> None:
        """After a step, 1 being the first: places [L, D], of those that were still alive, bool [L]."""
        coming = np.flatnonzero(self._moments >= step)
        rows = np.flatnonzero(live)
        self.places[np.ix_(rows, coming)] = places[rows][:, None]


def make_descriptor(kind: str, samples: int, spec: EnvSpec, name: str) -> Any:
    """The descriptor of a kind."""
    return Places(spec, name, samples if kind == "samples" else 1)
