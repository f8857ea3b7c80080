"""Count: rarely visited states pay more, 1 / sqrt(number of visits).

Paper: Strehl and Littman 2008, An analysis of model-based interval estimation for Markov decision processes
Assumes: nothing with key=view, simhash or downscaled, privileged with key=state

The bonus of a step is 1 / sqrt(N(s')), s' its true successor and N the visits to it, this one included.
Published under this name:

- key=view, scope=lifelong, shared=true, coef=0.005: the flattened partial view in one table (Andres et al. 2022;
  the tabular count of NovelD's code). The default.
- key=state, scope=lifelong, shared=false, coef=0.005: the full grid, a table for each actor (the code of RIDE,
  Raileanu and Rocktaeschel 2020).
- key=simhash: `bits` random bits in place of the state, which similar ones share, for pixels and vectors (#Exploration,
  Tang et al. 2017, algorithm 1; 32 bits and coef 0.01 for continuous control). More bits tell more states apart. Floats
  are measured as random play spreads them and cut otherwise than there (`parts/simhash.py`).
- key=downscaled: pictures shrunk and dimmed, as the cells of Go-Explore (Ecoffet et al. 2021); channels=1 leaves the
  latest of several grey frames.
- scope=episodic: visits within the episode, that with which it began included, as the episodic factor of RIDE counts
  them (there with key=state).
"""

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.maths.counting import Keys, combine_keys
from rewardlab.parts.memories.episode_counts import EpisodeCounts
from rewardlab.parts.memories.visit_counts import VisitCounts
from rewardlab.parts.state_keys import KINDS, CellOptions, StateKeys, revision_of
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import RootConfig, option
from rewardlab.types import Array, BuildContext, Metrics, Rollout, Transitions

VERSION = 3


@dataclass
class Config(CellOptions, BonusConfig):
    coef: float = option(0.002, "weight of the bonus", minimum=0)
    key: str = option(
        "view",
        "what is counted: view, place, message, full state, a hash of likeness, or the picture made small",
        choices=KINDS,
    )
    bits: int = option(32, "length of the simhash: more bits tell more states apart", above=0, maximum=1024, neutral=32)
    scope: str = option("lifelong", "over what: the whole run or the episode", choices=("lifelong", "episodic"))
    shared: bool = option(True, "one lifelong table for all environments, or one each")

    def revision(self, setting: RootConfig) -> int:
        return revision_of(self.key)


class Scheme(BonusScheme):
    """Counts whole time steps at once, so that the order of the environments does not matter."""

    metrics = ("explore/states",)
    pays_anew = True
    stateful = ("keys", "visits", "own_visits", "episode_visits")

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.episodic_memory = config.scope == "episodic"
        self.pays_anew = config.scope == "lifelong" and config.shared
        self.keys = StateKeys("count", config, context)
        self.tell_apart_by(self.keys)
        self.visits = VisitCounts()  # of all environments, whatever the scope: it tells how much was explored
        self.own_visits = VisitCounts()
        self.episode_visits = EpisodeCounts(context.num_envs)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        return _paid(self._counts(self.keys.reached(rollout), rollout), rollout.task_reward.device)

    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        counts = np.maximum(self.visits.look_up(self.keys.reached_in(steps)), 1)
        return {"intrinsic": _paid(counts, steps.action.device)}

    def update(self, rollout: Rollout) -> Metrics:
        return {"explore/states": float(len(self.visits))}

    def _counts(self, keys: Keys, rollout: Rollout) -> Array:
        counts = self.visits.add(keys)
        if self.episodic_memory:
            return self.episode_visits.add(keys, self.keys.starts(rollout), rollout.first.cpu().numpy())
        if not self.config.shared:
            return self.own_visits.add(combine_keys(keys, np.arange(rollout.num_envs)))
        return counts


def _paid(counts: Array, device: torch.device) -> torch.Tensor:
    """1 / sqrt(count), float32."""
    return torch.from_numpy((1.0 / np.sqrt(counts)).astype(np.float32)).to(device)
