"""Guided retries: a level that an attempt fails on is tried again with guidance, and what then succeeds is cloned

Assumes: privileged, state_restore

An attempt begins as the task has it, without guidance. If it is not paid, the next one begins in the very same state
and is guided: its subgoals are shown and paid, as `subgoal_list` does, and the share `shares` of the exact solution has
been done already. The first number is of the second attempt, and so on; a level on which all have failed is left.
Every attempt is frames. The agent learns from all of them as ever. Guided ones that were paid, which is the
verification, are cloned beside: -mean log pi(a|s) of their steps, with the code for no subgoal in the place of what
was shown (drop_guidance=true), so that what was done with guidance is learned without it, or as they were seen.

Evaluations are never guided. What is given of a solution is a state with the steps that led to it, as in `hint_prefix`;
nothing of it is played or learned from. No code of such systems is public: whether guidance stays in what is learned
from can't be told, and which attempts are learned from by the policy gradient, and how often they are cloned, is ours.
For language models Tang et al. 2025 (arXiv:2510.26109) ask again with hints where no answer was right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch

from rewardlab.curricula import subgoal_list
from rewardlab.errors import UserError
from rewardlab.facts import BEGUN, DISTANCE, GRID
from rewardlab.gridworld.solved import PartSolver
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.buffers.whole_episodes import WholeEpisodes
from rewardlab.schemas import option
from rewardlab.types import (
    Array,
    AuxLoss,
    BuildContext,
    EnvSpec,
    Episode,
    Judgement,
    Metrics,
    Obs,
    Outcomes,
    Rollout,
    State,
    Transitions,
)

VERSION = 1
_METRICS = ("retries/solved_first", "retries/solved_guided", "retries/guided")
_STREAMS = "streams"  # the randomness of a place, which is the environment's


@dataclass
class Config(subgoal_list.Config):
    INSTEAD: ClassVar[str] = "use curriculum.shown=false curriculum.paid=false curriculum.shares=[0.5]"

    shares: list[float] = option([0.0], "of the solution that the second attempt is given, the third, ...")
    clone_coef: float = option(1.0, "weight of cloning guided attempts that succeeded; 0: they are not", minimum=0)
    clone_updates: int = option(2, "gradient steps on that after each rollout", above=0)
    clone_batch_size: int = option(256, "steps of each", above=0)
    clone_memory: int = option(20_000, "latest steps of such attempts that are kept", above=0, maximum=10**7)
    drop_guidance: bool = option(True, "whether they are cloned as if no subgoal had been shown")

    def validate(self) -> None:
        if self.file is not None:
            raise ValueError(f"file={self.file}: guided attempts have exact lists; leave it out")
        if not self.shares or not all(0 <= share < 1 for share in self.shares):
            raise ValueError(f"shares={list(self.shares)}: one share or more, from 0 to below 1")
        if not (self.shown or self.paid or all(self.shares)):
            raise ValueError(
                f"shown=false paid=false shares={list(self.shares)}: without subgoals every share must be above 0"
            )

    def check(self, spec: EnvSpec, training: list[int] | None, evaluation: list[int]) -> None:
        if GRID not in spec.privileged or self.shown or self.paid:
            super().check(spec, training, [])  # evaluations have no lists
        if any(self.shares) and (DISTANCE not in spec.privileged or spec.backend != "fast" or spec.mazes):
            raise UserError(
                f"curriculum={self.name or self.plugin}: shares={list(self.shares)} are of exact solutions, and the"
                f" solver has none for {spec.id}; use curriculum.shares=[0]"
            )


@dataclass
class _Level:
    """A level that is tried: how many attempts at it have failed, and the state in which they begin."""

    failed: int = 0
    first: Obs = field(default_factory=dict)  # entries without a leading dimension


class Curriculum:
    """Levels that are tried; each has a number, which is what `propose` names as a trail. The step is how many attempts
    have failed: above 0, an attempt is guided.
    """

    assumes = frozenset({"privileged", "state_restore"})
    metrics = _METRICS

    def __init__(self, config: Config, context: BuildContext) -> None:
        self._shares, self._solver = list(config.shares), PartSolver(context.spec.id)
        self._levels: dict[int, _Level] = {}
        self._again: list[int] = []  # numbers of those that wait for another attempt
        self._begun = 0  # levels so far
        self._counts = [0, 0, 0, 0]  # attempts that ended since the last metrics: first, solved; guided, solved

    def trails(self) -> None:
        return None

    def propose(self, count: int) -> tuple[Array, Array]:
        """Where an attempt failed, the next one is at the same level."""
        chosen = [self._again.pop(0) if self._again else self._new() for _ in range(count)]
        return np.array(chosen, dtype=np.int64), np.array([self._levels[one].failed for one in chosen], dtype=np.int64)

    def places(self, trail: Array, step: Array, own: Obs) -> Obs:
        made = {name: entry.copy() for name, entry in own.items()}
        for row, number in enumerate(trail.tolist()):
            level = self._levels[number]
            if level.failed == 0:
                level.first = {name: entry[row].copy() for name, entry in own.items() if name != _STREAMS}
                continue
            for name, entry in self._given(level).items():
                made[name][row] = entry
        return made

    def feedback(self, ended: Outcomes) -> None:
        for number, failed, paid in zip(
            ended.trail.tolist(), ended.step.tolist(), ended.task_return.tolist(), strict=True
        ):
            kind = 2 if failed else 0
            self._counts[kind] += 1
            self._counts[kind + 1] += paid > 0
            if paid > 0 or failed == len(self._shares):
                del self._levels[number]
            else:
                self._levels[number].failed += 1
                self._again.append(number)

    def update(self, progress: float) -> Metrics:
        (first, solved), (guided, rescued) = self._counts[:2], self._counts[2:]
        self._counts = [0, 0, 0, 0]
        told = {"retries/solved_first": solved / first} if first else {}
        told |= {"retries/solved_guided": rescued / guided} if guided else {}
        return told | ({"retries/guided": guided / (first + guided)} if first + guided else {})

    def state_dict(self) -> State:
        levels = {
            number: [level.failed, {name: torch.from_numpy(np.array(entry)) for name, entry in level.first.items()}]
            for number, level in self._levels.items()
        }
        return {"levels": levels, "again": list(self._again), "begun": self._begun, "counts": list(self._counts)}

    def load_state_dict(self, state: State) -> None:
        self._levels = {
            number: _Level(failed, {name: entry.numpy().copy() for name, entry in first.items()})
            for number, (failed, first) in state["levels"].items()
        }
        self._again, self._begun, self._counts = list(state["again"]), state["begun"], list(state["counts"])

    def _new(self) -> int:
        self._begun += 1
        self._levels[self._begun - 1] = _Level()
        return self._begun - 1

    def _given(self, level: _Level) -> Obs:
        """The state in which a guided attempt begins: the first one, or where a share of the solution leads."""
        share = self._shares[level.failed - 1]
        return self._solver.after(level.first, share) if share else level.first


class Conditioner(subgoal_list.Conditioner):
    """The subgoals of guided attempts, and the guided attempts that succeeded."""

    config: Config

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self._assembler = EpisodeAssembler(context.num_envs)
        self._solved = WholeEpisodes(config.clone_memory, context.device)
        self._cloning = _Cloning(config, self._solved, context.numpy_rng)

    def compute(self, rollout: Rollout) -> dict[str, torch.Tensor]:
        if BEGUN in rollout.privileged and self.config.clone_coef:
            failed = rollout.privileged[BEGUN][..., 1][rollout.done].tolist()
            ended = zip(self._assembler.add(rollout), failed, strict=True)
            solved = [episode for episode, guided in ended if guided and float(episode.task_reward.sum()) > 0]
            self._solved.add([self._as_learned(episode) for episode in solved])
        return super().compute(rollout)

    def aux_losses(self) -> tuple[AuxLoss, ...]:
        return (self._cloning,) if self.config.clone_coef else ()

    def state_dict(self) -> State:
        return super().state_dict() | {"episodes": self._assembler.state_dict(), "solved": self._solved.state_dict()}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._assembler.load_state_dict(state["episodes"])
        self._solved.load_state_dict(state["solved"])

    def _begun(self, grid: Array, facts: Obs, rng: torch.Generator) -> list[int]:
        """No subgoals but for guided attempts; nobody tells of any in evaluation."""
        guided = (self.config.shown or self.config.paid) and BEGUN in facts and facts[BEGUN][1] > 0
        return super()._begun(grid, facts, rng) if guided else []

    def _as_learned(self, episode: Episode) -> Episode:
        if not self.config.drop_guidance:
            return episode
        return replace(episode, obs=episode.obs | {"goal": torch.full_like(episode.obs["goal"], self.none)})


class _Cloning:
    name = "guided_cloning"

    def __init__(self, config: Config, solved: WholeEpisodes, rng: np.random.Generator) -> None:
        self._config, self._solved, self._rng = config, solved, rng

    def batches(self) -> Iterator[Transitions]:
        for _ in range(self._config.clone_updates if len(self._solved) else 0):
            yield self._solved.single_steps(self._config.clone_batch_size, self._rng).steps

    def loss(self, batch: Transitions, judgement: Judgement) -> torch.Tensor:
        return -self._config.clone_coef * judgement.log_prob.mean()
