"""SimHash: one key for observations that are alike."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from rewardlab.maths.codes import random_waves, sides, stripes
from rewardlab.maths.counting import Keys, hash_rows
from rewardlab.maths.distinct import distinct_of
from rewardlab.maths.moments import Moments, combine, moments
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.types import ObsSpec, Rollout, State, TensorObs

WARMUP = 128  # vector steps of a random agent that set what numbers are measured in
_SPREAD = math.pi / 2  # two states of random play are half a stripe apart
_STILL = 1e-6  # a standard deviation below this share of the mean is rounding


class SimHash:
    """Codes of `bits` random bits, hashed: more bits cut the states into more and smaller cells (Tang et al. 2017).

    Whole numbers (pictures, grids, missions, cells of a table): the signs of random projections, as published.

    Floats (vectors, goals): these signs would tell directions from the origin apart and nothing else, and a number of a
    small unit would never decide. So each number is measured in its standard deviations from its mean, both of a random
    agent's steps before training, and each bit is a pattern of stripes through all of space (`maths.codes.stripes`):
    bounds are not needed, and states far beyond random play are told apart as finely as those within. Mean and
    deviation stay as they are from then on, for a state whose code changed would lose its counts.
    """

    def __init__(self, obs: Mapping[str, ObsSpec], bits: int, generator: torch.Generator) -> None:
        """Args:
        obs: the entries that are hashed.
        bits: of whole numbers, and as many of floats where an observation has both.
        """
        self._warmed: Moments | None = None
        self._whole = {name: spec for name, spec in obs.items() if spec.high > 0}
        self._floats = {name: spec for name, spec in obs.items() if spec.high == 0}
        self._state = {"projection": torch.randn(flat_size(self._whole), bits, generator=generator)}
        if size := flat_size(self._floats):
            waves, phases = random_waves(size, bits, _SPREAD, generator)
            mean, std = torch.zeros(size, dtype=torch.float64), torch.ones(size, dtype=torch.float64)
            self._state |= {"waves": waves, "phases": phases, "mean": mean, "std": std}

    @property
    def warmup_steps(self) -> int:
        """Vector steps that `warm_up` wants to see before anything is counted."""
        return WARMUP if "waves" in self._state else 0

    def warm_up(self, rollout: Rollout) -> None:
        """Measure floats from now on as these steps were spread, and those of earlier calls; a number that never moved
        is left in its own unit.
        """
        if not self.warmup_steps:
            return
        distinct = distinct_of(rollout)
        rows = encode_flat(distinct.rows, self._floats).cpu()
        found = moments(rows, distinct.there.cpu().flatten().bincount(minlength=len(rows)))
        self._warmed = found if self._warmed is None else combine(self._warmed, found)
        count, mean, squares = self._warmed
        std = (squares / count).sqrt()
        self._state |= {"mean": mean, "std": torch.where(std > _STILL * mean.abs(), std, 1.0)}

    def keys(self, obs: TensorObs) -> Keys:
        """Observations [..., *shape] -> keys [...]."""
        state, codes = self._state, []
        if len(state["projection"]):
            codes.append(sides(encode_flat(obs, self._whole).cpu(), state["projection"]))
        if "waves" in state:
            # In float64: a batch of another size must not round a state into another cell.
            measured = (encode_flat(obs, self._floats).cpu().double() - state["mean"]) / state["std"]
            codes.append(stripes(measured, state["waves"], state["phases"]))
        return hash_rows(torch.cat(codes, dim=-1).to(torch.uint8).numpy())

    def state_dict(self) -> State:
        return {name: tensor.clone() for name, tensor in self._state.items()}

    def load_state_dict(self, state: State) -> None:
        self._state = {name: state[name].to("cpu", copy=True) for name in self._state}
