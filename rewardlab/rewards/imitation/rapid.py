"""RAPID: imitates its own best-explored episodes, ranked by return and by how much they saw.

Paper: Zha et al. 2021, Rank the episodes: a simple approach for exploration in procedurally-generated environments

An episode of L steps scores S = w0 R + w1 D / L + w2 mean(1 / sqrt(N(s))): R its return, D the number of
distinct views in it, N(s) the visits to a view over the whole run, as of now, so that all scores fall with time. The
steps of the best episodes fill a buffer, and after each rollout the policy takes gradient steps on the negative
log-probability of steps drawn from it, by the agent's own optimiser; PPO is unchanged and nothing else is paid.
For continuous observations D / L is the mean distance of an episode's observations from their mean (score=spread, as
published) and counts are left out. Continuous actions are imitated by their log-density, where the code squares.

Constants of the published MiniGrid code: weights 1, 0.1, 0.001; 10,000 steps; 5 updates of 256. It has one environment
and updates whenever an episode ends (updates_per=episode), about once in a rollout of 128 steps; with many environments
that costs more than PPO itself, so that here they come once per rollout, and more of them.
The code scores all anew after each episode, here once for the episodes of a rollout together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.maths.counting import Keys, hash_rows
from rewardlab.networks.flat import encode_flat
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.buffers.ranked_episodes import RankedEpisodes
from rewardlab.parts.memories.visit_counts import VisitCounts
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RewardConfig, option
from rewardlab.types import (
    Array,
    AuxLoss,
    BuildContext,
    Episode,
    Judgement,
    Metrics,
    Rollout,
    Signals,
    State,
    Transitions,
)

VERSION = 1


@dataclass
class Config(RewardConfig):
    return_weight: float = option(1.0, "w0: of an episode's return in its score", minimum=0)
    local_weight: float = option(0.1, "w1: of the share of distinct views in it", minimum=0)
    global_weight: float = option(0.001, "w2: of how rare its views are over the run", minimum=0)
    score: str = option(
        "distinct", "distinct views, or the spread of continuous observations", choices=("distinct", "spread")
    )
    buffer_size: int = option(10_000, "steps of the best episodes", above=0)
    updates: int = option(2, "gradient steps of imitation", above=0)
    updates_per: str = option("rollout", "when: after each rollout, or each episode", choices=("rollout", "episode"))
    batch_size: int = option(256, "steps in each", above=0)
    until: int | None = option(None, "imitate for so many frames, ever more rarely; null: to the end", above=0)


class Scheme(BaseScheme):
    """Pays the task's reward; what it adds is the loss."""

    name = "rapid"
    whole_episodes = True
    metrics = ("explore/states", "explore/rapid_score", "explore/rapid_return")

    def __init__(self, config: Config, context: BuildContext) -> None:
        self.reads = ("image",) if config.score == "distinct" else ()
        super().__init__(config, context)
        self.config = config
        self.episodes = EpisodeAssembler(context.num_envs)
        self.visits = VisitCounts()
        self.best = RankedEpisodes(config.buffer_size, self._scores)
        self.stateful = ("episodes", "visits", "best")
        self.frames = 0
        self.rollouts = 0
        self.next_turn = 1  # the number of the rollout after which imitation is due
        self.due = 0  # gradient steps of this iteration

    def compute(self, rollout: Rollout) -> Signals:
        ended = self.episodes.add(rollout)
        self.frames += rollout.steps * rollout.num_envs
        self.rollouts += 1
        until = self.config.until
        self.due = 0
        if until is None or self.frames < until:
            keys = [self._keys(episode) for episode in ended]
            if ended:
                self.visits.add(np.concatenate(keys)[:, None])
            facts = [
                (float(episode.task_reward.sum()), self._local(episode, key))
                for episode, key in zip(ended, keys, strict=True)
            ]
            self.best.add(ended, keys, np.array(facts))
            if self.rollouts >= self.next_turn:
                self.due = self.config.updates * (len(ended) if self.config.updates_per == "episode" else 1)
                self.next_turn += 1 if until is None else int(1.0 / (1.0 - self.frames / until))
        return Signals({"task": rollout.task_reward})

    def update(self, rollout: Rollout) -> Metrics:
        found = {"explore/states": float(len(self.visits))}
        if len(self.best):
            found["explore/rapid_score"] = float(self.best.scores.mean())
            found["explore/rapid_return"] = float(self.best.facts[:, 0].mean())
        return found

    def aux_losses(self) -> tuple[AuxLoss, ...]:
        return (self,)

    def batches(self) -> Iterator[Transitions]:
        for _ in range(self.due if len(self.best) else 0):
            yield self.best.sample(self.config.batch_size, self.context.generator)

    def loss(self, batch: Transitions, judgement: Judgement) -> torch.Tensor:
        return -judgement.log_prob.mean()

    def state_dict(self) -> State:
        turns = {"frames": self.frames, "rollouts": self.rollouts, "next_turn": self.next_turn, "due": self.due}
        return super().state_dict() | turns

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.frames, self.rollouts = state["frames"], state["rollouts"]
        self.next_turn, self.due = state["next_turn"], state["due"]

    def _keys(self, episode: Episode) -> Keys:
        """Of what was seen at each step, int64 [L]; none where observations are continuous."""
        if self.config.score == "spread":
            return np.empty(0, dtype=np.int64)
        return hash_rows(episode.obs["image"].flatten(1).cpu().numpy())

    def _local(self, episode: Episode, keys: Keys) -> float:
        if self.config.score == "distinct":
            return np.unique(keys).size / keys.size
        flat = encode_flat(episode.obs, self.context.spec.obs)
        return float((flat - flat.mean(dim=0)).norm(dim=-1).mean())

    def _scores(self, keys: list[Keys], facts: Array) -> Array:
        config = self.config
        scores: Array = config.return_weight * facts[:, 0] + config.local_weight * facts[:, 1]
        if config.score == "distinct":
            rarity = 1.0 / np.sqrt(self.visits.look_up(np.concatenate(keys)))
            lengths = np.array([key.size for key in keys])
            starts = np.cumsum(lengths) - lengths
            scores += config.global_weight * np.add.reduceat(rarity, starts) / lengths
        return scores
