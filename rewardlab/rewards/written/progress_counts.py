"""Progress counts: pays for states whose progress, by a function given as code, was seen rarely.

Paper: Sarukkai et al. 2024, Automated rewards via LLM-generated progress functions (arXiv:2410.09187)
Assumes: privileged on grids, whose whole state the code sees

    rewardlab run env=doorkey reward=progress_counts reward.code=stages_progress

The file defines progress(state), a few numbers by name that grow with progress, and RISING, which says of each whether
it does: RISING = {"distance": False}. States with the same numbers, cut into `bins`, are one state, which pays
1 / sqrt(visits) to reach. form=sum pays the numbers themselves instead, each as the share of its range: the weaker
ablation of the paper.

Ours, since the paper does not say: ranges are those that random play meets before training, and stay, because bins that
move would be counted twice; what is beyond goes on in bins of the same width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.errors import CodeError
from rewardlab.maths.counting import Keys, hash_rows
from rewardlab.parts.memories.episode_counts import EpisodeCounts
from rewardlab.parts.memories.visit_counts import VisitCounts
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.rewards.written.code_states import CodeOptions, CodeStates
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Metrics, Rollout, State

VERSION = 1


@dataclass
class Config(CodeOptions, BonusConfig):
    code: str = option("stages_progress", "the file that defines progress, or a name in conf/code", dataset=True)
    coef: float = option(0.01, "weight of the bonus", minimum=0)
    form: str = option("counts", "what is paid: rare progress, or progress itself", choices=("counts", "sum"))
    bins: int = option(20, "bins of each number's range", above=0, maximum=10_000)
    scope: str = option("lifelong", "counted over the whole run or the episode", choices=("lifelong", "episodic"))
    warmup: int = option(2048, "frames of random play that tell the ranges", above=0)

    def validate(self) -> None:
        self.source("progress")


class Scheme(BonusScheme):
    """Counts whole time steps at once, so that the order of the environments does not matter."""

    metrics = ("explore/states",)
    stateful = ("visits", "episode_visits")

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.episodic_memory = config.form == "counts" and config.scope == "episodic"
        self.warmup_steps = -(-config.warmup // context.num_envs)
        self.states = CodeStates(config, context, "progress")
        self.assumes, self.code = self.states.assumes, self.states.source
        self.least: Array = np.zeros(0)
        self.most: Array = np.zeros(0)
        self.visits = VisitCounts()
        self.episode_visits = EpisodeCounts(context.num_envs)

    def warm_up(self, rollout: Rollout) -> None:
        self._measure([self._progress(each) for each in self.states.of_both_ends(rollout)])

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        told = [self._progress(each) for each in self.states.of_both_ends(rollout)]
        if not len(self.least):  # nothing was seen before
            self._measure(told)
        before, after = (self._shares(each) for each in told)
        shape = rollout.task_reward.shape
        if self.config.form == "sum":
            paid = after.sum(axis=1)
        else:
            paid = 1.0 / np.sqrt(self._counts(self._keys(before, shape), self._keys(after, shape), rollout)).reshape(-1)
        return torch.from_numpy(paid.astype(np.float32)).to(rollout.task_reward.device).view(shape)

    def update(self, rollout: Rollout) -> Metrics:
        return {"explore/states": float(len(self.visits))}

    def state_dict(self) -> State:
        return {**super().state_dict(), "least": self.least.tolist(), "most": self.most.tolist()}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict({name: part for name, part in state.items() if name not in ("least", "most")})
        self.least, self.most = np.array(state["least"]), np.array(state["most"])

    def _measure(self, told: list[Array]) -> None:
        seen = np.concatenate(told)
        self.least, self.most = seen.min(axis=0), seen.max(axis=0)

    def _progress(self, told: dict[str, Array]) -> Array:
        """float64 [B, K], what grows with progress; what is not finite is 0."""
        rising = self.states.rising
        if unknown := [name for name in rising if name not in told]:
            raise CodeError(
                f"reward.code={self.config.code}: RISING names {', '.join(unknown)}, which it does not return"
            )
        signed = [each if rising.get(name, True) else -each for name, each in told.items()]
        return np.nan_to_num(np.stack(signed, axis=1).astype(np.float64), posinf=0.0, neginf=0.0)

    def _shares(self, progress: Array) -> Array:
        """Each number as the share of its range, [B, K]; 0 where there is no range."""
        width = self.most - self.least
        shares: Array = np.where(width > 0, (progress - self.least) / np.where(width > 0, width, 1.0), 0.0)
        return shares

    def _keys(self, shares: Array, shape: torch.Size) -> Keys:
        bins = np.floor(shares * self.config.bins).clip(-(2.0**31), 2.0**31).astype(np.int64)
        return hash_rows(bins).reshape(*shape)

    def _counts(self, before: Keys, after: Keys, rollout: Rollout) -> Array:
        counts = self.visits.add(after)
        if self.episodic_memory:
            return self.episode_visits.add(after, before, rollout.first.cpu().numpy())
        return counts
