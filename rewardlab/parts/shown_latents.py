"""Latents of users in the observation: drawn from the prior in training, one user's own in evaluation.

Source: Poddar et al. 2024 (VPL, arXiv:2408.10075): a policy on (s, z), z drawn anew every ten episodes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from rewardlab.maths.distributions import Parameters, sample
from rewardlab.parts.conditioner import BaseConditioner
from rewardlab.types import Array, Asked, Attempts, Metrics, Obs, ObsSpec, Rollout, State, StreamSpec

SHOWN = "goal"  # the entry of the observation


class ShownLatents(BaseConditioner):
    """A conditioner whose goals are latents z: nothing reaches them, and nothing is paid for that.

    Args:
        size: numbers of a latent.
        episodes: for so many in training a latent stays.
    """

    streams: tuple[StreamSpec, ...] = ()
    assumes: frozenset[str] = frozenset()
    metrics: tuple[str, ...] = ()

    def __init__(self, size: int, episodes: int) -> None:
        self.obs: Mapping[str, ObsSpec] = {SHOWN: ObsSpec((size,), "float32")}
        self._episodes = episodes
        self._prior = {"mean": torch.zeros(size), "log_std": torch.zeros(size)}
        self._known = torch.zeros(size)

    def tell(self, prior: Parameters, known: torch.Tensor) -> None:
        """From here on, draw from `prior`; `known` [D] is what evaluation shows."""
        self._prior = {name: parameter.detach().cpu().clone() for name, parameter in prior.items()}
        self._known = known.detach().cpu().clone()

    def propose(self, asked: Asked, rng: torch.Generator) -> Obs:
        """`latent`, float32 [B, D], and `episodes`, int64 [B]: how many are left to it, this one included."""
        if not asked.training:
            return {"latent": self._known.repeat(asked.count, 1).numpy(), "episodes": np.ones(asked.count, np.int64)}
        drawn = sample({name: entry.expand(asked.count, -1) for name, entry in self._prior.items()}, rng).numpy()
        episodes = np.full(asked.count, self._episodes)
        if asked.before:
            left = asked.before["episodes"] - 1
            stays = left > 0
            drawn = np.where(stays[:, None], asked.before["latent"], drawn)
            episodes = np.where(stays, left, episodes)
        return {"latent": drawn, "episodes": episodes}

    def show(self, goal: Obs, facts: Obs) -> Obs:
        return {SHOWN: goal["latent"].copy()}

    def reached(self, goal: Obs, start: Obs, facts: Obs) -> Array:
        return np.zeros(len(goal["latent"]), dtype=bool)

    def take_in(self, attempts: Attempts) -> None:
        """Nothing is learned from attempts."""

    def compute(self, rollout: Rollout) -> dict[str, torch.Tensor]:
        return {}

    def update(self) -> Metrics:
        return {}

    def state_dict(self) -> State:
        return {"known": self._known.clone()} | {name: entry.clone() for name, entry in self._prior.items()}

    def load_state_dict(self, state: State) -> None:
        self._known = state["known"].cpu().clone()
        self._prior = {name: state[name].cpu().clone() for name in ("mean", "log_std")}
