"""Rounds of levels that a designer chooses: one for each environment, held for a whole rollout of every student.

A round begins with an episode on each level, its recurrent state reset, and later episodes of the rollout begin on the
same level again. The forced end of the rollout is no end of an episode: values stand for what would have come, and
what it cuts enters no score. A student plays, and then learns, before the next one plays. Every step of every student
is a frame, those of rounds that are only tried too.

Agents do not name this way: a curriculum that designs levels turns `on_policy` into it. Nothing goes on between rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.errors import UserError
from rewardlab.gridworld.mazes import distances, to_state
from rewardlab.maths.level_scores import attempted, oracle_regret
from rewardlab.records.archive import LEVELS
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RootConfig
from rewardlab.training.collect import Collector
from rewardlab.training.learning import on_policy
from rewardlab.training.learning.base import Collected
from rewardlab.training.level_measures import METRICS, Shown, measures
from rewardlab.training.levels import training_levels
from rewardlab.training.parts import RunParts
from rewardlab.training.paying import pay
from rewardlab.training.random_play import warm_up
from rewardlab.types import (
    Agent,
    Array,
    EnvSpec,
    LevelDesigner,
    Metrics,
    OnPolicyAgent,
    Played,
    State,
)

NEEDS = (*on_policy.NEEDS, "judge_task")


def check(scheme: BaseScheme, agent: Agent, config: RootConfig, spec: EnvSpec) -> None:
    """Raises:
    UserError: nobody can make the environment's levels, or something else chooses them, or reads across rounds.
    """
    on_policy.check(scheme, agent, config, spec)
    name = f"curriculum={config.curriculum.name}"
    if not (spec.mazes and spec.placeable):
        raise UserError(f"{name}: designs mazes, and {spec.id} plays none; use env=maze")
    if training_levels(config) is not None:
        raise UserError(f"{name}: designs the levels; leave out env.levels={config.env.levels:g}")
    if config.env.maze is not None:
        raise UserError(f"{name}: designs the levels; leave out env.maze={config.env.maze}")
    if config.env.delayed_reward:
        raise UserError(f"{name}: rounds cut episodes before env.delayed_reward pays them; leave one of the two out")
    if spec.max_steps is None or agent.rollout_steps < spec.max_steps:
        raise UserError(
            f"{name}: only whole episodes count, and a level that is not solved takes {spec.max_steps} steps; use"
            f" agent.rollout_steps={spec.max_steps} or more"
        )
    if scheme.conditioner is not None:
        raise UserError(f"{name} reward={config.reward.name}: sets goals, which designed levels have none of")
    if scheme.streams[0].weight(0.0) == 0 or scheme.streams[0].weight(1.0) == 0:
        ends = "" if scheme.streams[0].weight(0.0) == 0 else " at the end of the budget"
        raise UserError(
            f"{name} reward={config.reward.name}: levels are scored by the task's stream, whose weight is 0{ends}"
        )
    if len(scheme.streams) > 1 and not agent.mixes_advantages:
        raise UserError(
            f"{name} reward={config.reward.name}: scores need the task's own values; use agent.streams=separate"
        )


@dataclass
class _Student:
    """`parts` has its agent and its scheme."""

    parts: RunParts
    collector: Collector
    rng: torch.Generator


class Learning(Collected):
    """One round an iteration."""

    metrics = METRICS

    def __init__(self, config: RootConfig, parts: RunParts) -> None:
        assert parts.designer is not None, "the curriculum chose this way"
        self._designer: LevelDesigner = parts.designer
        super().__init__(config, parts)
        students = len(self._students)
        self.counts = self._designer.counts
        self.least = config.num_envs * students
        self.warmup_frames *= students
        self.plays = f"a level in each of {config.num_envs} environments"
        self._shown = Shown(config.frames)

    def begin(self) -> None:
        super().begin()
        parts, config = self.parts, self.config
        self._students = [_Student(parts, self.collector, parts.generators.torch_rngs["act"])]
        if parts.rival is not None:
            seeds = seeding.env_seeds(config.seed, "train_envs", config.num_envs)
            agent, scheme = parts.rival
            collector = Collector(parts.env, agent, seeds, agent.rollout_steps, self.device)
            own = replace(parts, agent=agent, scheme=scheme)
            self._students.append(_Student(own, collector, parts.generators.torch_rngs["act_rival"]))

    def warm_up(self) -> None:
        """Each student's scheme sees the same random play."""
        for student in self._students:
            warm_up(self.config, student.parts)

    def pretrain(self) -> Metrics:
        told = [student.parts.agent.pretrain() for student in self._students]
        return told[0]

    def iterate(self, spent: int) -> tuple[int, Sequence[Metrics]]:
        """One round: design, let each student play and learn, tell the designer."""
        designer, progress, count = self._designer, spent / self.config.frames, self.config.num_envs
        round_ = designer.design(count, self.parts.generators.numpy_rngs["curriculum"])
        lengths = self._lengths(spent, 1 if round_.learn else round_.rollouts)
        self._shown.see(spent, round_)
        played: list[Played] = []
        told: list[Metrics] = []
        for student, levels, highest in zip(self._students, round_.levels, round_.highest, strict=True):
            found, learned = self._play(student, levels, highest, lengths, round_.learn, progress)
            played.append(found)
            told += learned if len(played) == 1 else []  # columns are of the first student
        told += [measures(round_, played), designer.played(round_, played), designer.update(progress)]
        return sum(lengths) * count * len(played), told

    def _lengths(self, spent: int, rollouts: int) -> list[int]:
        """Vector steps of each rollout of a round: as many as fit the budget, at least one."""
        each = self.config.num_envs * len(self._students)
        left = max(1, (int(self.config.frames) - spent) // each)
        found: list[int] = []
        while left > 0 and len(found) < rollouts:
            found.append(min(self.parts.agent.rollout_steps, left))
            left -= found[-1]
        return found

    def _play(
        self, student: _Student, levels: Any, highest: Array, lengths: list[int], learn: bool, progress: float
    ) -> tuple[Played, list[Metrics]]:
        """What one student does on its levels, and what it tells of its learning."""
        parts, agent, collector = student.parts, cast(OnPolicyAgent, student.parts.agent), student.collector
        collector.begin_on(to_state(levels))
        rows: list[list[Array]] = []
        told: list[Metrics] = []
        for steps in lengths:
            rollout = collector.collect(steps, student.rng)
            rollout.progress = progress
            on_policy.assess(agent, rollout)
            of_steps = (rollout.task_reward, rollout.done, rollout.success, *agent.judge_task(rollout))
            rows.append([entry.cpu().numpy().copy() for entry in of_steps])
            if learn:
                signals, means = pay(parts, rollout)
                told += [means, agent.update(rollout, signals, progress), parts.scheme.update(rollout)]
        rewards, ended, success, advantages, values = (np.concatenate(pieces) for pieces in zip(*rows, strict=True))
        tried, least = attempted(rewards, ended, success), distances(levels)
        limit = parts.env.spec.max_steps
        assert limit is not None, "mazes have limits"
        regret, best = oracle_regret(least, limit, tried.mean), np.fmax(highest, tried.best)
        return Played(advantages, values, ended, tried, best, least, regret), told

    def kept(self) -> State:
        return {"shown": self._shown.state_dict()}

    def put_back(self, state: State) -> None:
        self._shown.load_state_dict(state["shown"])

    def arrays(self) -> dict[str, dict[str, Array]]:
        return {LEVELS: self._shown.arrays()}
