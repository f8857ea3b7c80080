"""Populations: whole lives of many individuals on common levels, generation after generation.

All individuals of a generation play the same levels: a ranking across different levels would rank levels. Only the
first episode of each environment counts. Its steps are the frames; those of environments that wait for others are not.
The last generation plays as many individuals as surely fit the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.errors import UserError
from rewardlab.facts import PLACE
from rewardlab.parts.archives.coverage import Coverage
from rewardlab.parts.archives.descriptors import SEEN, place_fact
from rewardlab.parts.archives.first_reward import FIRST_EVALUATIONS, FIRST_FRAMES, FirstReward
from rewardlab.records.archive import ARCHIVE
from rewardlab.rewards.base import GIVE_LIMIT, BaseScheme
from rewardlab.schemas import NO_CURRICULUM, RootConfig
from rewardlab.training.collect import EpisodeStatistics
from rewardlab.training.environments import make_level_env
from rewardlab.training.levels import training_levels
from rewardlab.training.lives import Player
from rewardlab.training.parts import RunParts
from rewardlab.types import Agent, Array, EnvSpec, Lives, Metrics, Population, State

NEEDS = ("check_levels", "ask", "tell", "crown", "genome", "episodes", "lanes")


def check(scheme: BaseScheme, agent: Agent, config: RootConfig, spec: EnvSpec) -> None:
    """Raises:
    UserError: lives have no end, none fits the budget, somebody pays besides the task, or levels are too many.
    """
    name, population = config.agent.name, cast(Population, agent)
    if scheme.aux_losses() or config.curriculum.plugin != NO_CURRICULUM:
        raise UserError(
            f"agent={name}: ranks whole lives by the task's own return: use reward=none and curriculum=none"
        )
    if spec.max_steps is None:
        raise UserError(f"agent={name}: plays whole episodes, and {spec.id} has no limit of steps; {GIVE_LIMIT}")
    pool = training_levels(config)
    if population.fixed_levels and pool is None and spec.task.distinct_levels != 1:
        raise UserError(
            f"agent={name}: compares lives across generations, which needs the same levels in each; set env.levels=K"
        )
    episodes = _episodes(population, pool)
    population.check_levels(episodes)
    scaled = _scaled_first(population)
    if (longest := episodes * spec.max_steps * (1 + scaled)) > config.frames:
        raise UserError(
            f"frames={config.frames}: agent={name} plays {episodes} episodes of up to {spec.max_steps} steps for each"
            f" individual{', and as many random ones first' if scaled else ''}; frames={longest} or more"
        )


def _episodes(agent: Population, pool: list[int] | None) -> int:
    """Levels that each individual plays: all fixed ones, where lives are compared across generations."""
    return len(pool) if pool is not None and agent.fixed_levels else agent.episodes


def _scaled_first(agent: Population) -> bool:
    """Whether random lives come first, for the scale of what is seen."""
    return agent.normalise == "first" and bool(agent.genome.floats.any())


class Learning:
    """A generation at a time. Nothing that is played goes on between them."""

    metrics: tuple[str, ...] = (
        "explore/evaluations",
        "explore/idle",
        "explore/coverage",
        FIRST_EVALUATIONS,
        FIRST_FRAMES,
    )
    counts = (
        *("explore/evaluations", "explore/coverage", "explore/qd_score", "explore/archive", "explore/restarts"),
        FIRST_EVALUATIONS,
        FIRST_FRAMES,
    )
    warmup_frames = 0
    exact = True
    has_policy = True

    def __init__(self, config: RootConfig, parts: RunParts) -> None:
        self._config, self._agent = config, cast(Population, parts.agent)
        self._pool = training_levels(config)
        self._episodes = _episodes(self._agent, self._pool)
        self._longest = parts.env.spec.max_steps or 0
        self.least = self._episodes * self._longest
        self.plays = f"whole lives on {self._episodes} level{'s' if self._episodes > 1 else ''} each"
        self.statistics = EpisodeStatistics(1)
        self._evaluations = 0
        spec = parts.env.spec
        self._place = place_fact(spec)
        facts = tuple(name for name in (self._place, self._agent.watched) if name not in ("", SEEN))
        self._player = Player(make_level_env(config, facts), self._agent, spec)
        self._coverage = Coverage(spec.place) if spec.place is not None and self._place else None
        self._first_reward, self._spec = FirstReward(), spec
        if self._coverage is not None and spec.task.lowest_return is not None:
            self.metrics += ("explore/qd_score",)

    def warm_up(self) -> None:
        """Nobody asks for it: there is no scheme."""

    def pretrain(self) -> Metrics:
        return self._agent.pretrain()

    def iterate(self, spent: int) -> tuple[int, Sequence[Metrics]]:
        agent, left = self._agent, self._config.frames - spent
        frames, generation = 0, agent.updates
        if generation == 0 and _scaled_first(agent):
            frames += self._standardise()
        asked = agent.ask(spent / self._config.frames)
        genomes = asked[: max(1, (left - frames) // self.least)]
        lives, idle = self._play(genomes, f"generation/{generation}", self._episodes)
        self._first_reward.see(lives.task_return, lives.length, self._evaluations, spent + frames)
        self._evaluations += len(genomes)
        frames += int(lives.length.sum())
        told = agent.tell(genomes, lives)
        if len(agent.contenders) and (room := (left - frames) // (agent.validation * self._longest)):
            again, _ = self._play(agent.contenders[:room], f"validation/{generation}", agent.validation)
            agent.crown(again)
            frames += int(again.length.sum())
        own = {"explore/evaluations": float(self._evaluations), "explore/idle": idle, **self._first_reward.metrics}
        if self._coverage is not None:
            self._coverage.add(lives.outcome["places"], lives.task_return)
            own["explore/coverage"] = self._coverage.share
            if (lowest := self._spec.task.lowest_return) is not None:
                own["explore/qd_score"] = self._coverage.qd_score(lowest)
        return frames, (told, own)

    def arrays(self) -> dict[str, dict[str, Array]]:
        """What the agent collected and whom it crowned; where the world tells places, the best return of each cell."""
        agent = self._agent
        found = {
            **agent.collection(),
            "champion": agent.champion,
            "champion_return": np.array(agent.champion_return),
            "champion_born": np.array(agent.champion_born),
        }
        if self._coverage is not None:
            found |= {"map": self._coverage.best, "bounds": self._coverage.bounds}
            found["downwards"] = np.array(self._spec.downwards)
            if self._place == PLACE:
                found["whole"] = 1 + (self._coverage.bounds[1] - self._coverage.bounds[0]).astype(np.int64)
        return {ARCHIVE: found}

    def state_dict(self) -> State:
        own = {
            "statistics": self.statistics.state_dict(),
            "evaluations": self._evaluations,
            "first_reward": self._first_reward.state_dict(),
        }
        if self._coverage is not None:
            own["coverage"] = torch.from_numpy(self._coverage.best.copy())
        return {"learning": own}

    def load_state_dict(self, state: State, seeds: list[int]) -> None:
        self.statistics.load_state_dict(state["learning"]["statistics"])
        self._evaluations = state["learning"]["evaluations"]
        self._first_reward.load_state_dict(state["learning"]["first_reward"])
        if self._coverage is not None:
            self._coverage.best[:] = state["learning"]["coverage"].numpy()

    def buffer(self) -> State | None:
        return None

    def load_buffer(self, state: State) -> None: ...

    def _play(self, genomes: Array, stream: str, episodes: int) -> tuple[Lives, float]:
        """Lives on levels of a stream of their own, and the share of steps that waited for others."""
        rng = seeding.numpy_rng(self._config.seed, stream)
        levels = self._levels(stream, episodes, rng)
        keys = rng.integers(2**64, size=(len(genomes), episodes), dtype=np.uint64)
        lives, idle = self._player.play(genomes, levels, keys)
        rows = np.stack([lives.task_return.ravel(), lives.length.ravel(), lives.success.ravel()], axis=1)
        self.statistics.add_ended(rows, np.ones(1, dtype=bool))
        return lives, idle

    def _levels(self, stream: str, episodes: int, rng: np.random.Generator) -> list[int]:
        """Those of one generation: new ones, or of the fixed ones as many as are wanted, each as often as others."""
        if self._agent.fixed_levels:  # always the same ones; without a pool all levels are alike
            pool = self._pool or [0]
            return [pool[i % len(pool)] for i in range(episodes)]
        if self._pool is None:
            return seeding.env_seeds(self._config.seed, f"{stream}/levels", episodes)
        rounds = [rng.permutation(self._pool) for _ in range(-(-episodes // len(self._pool)))]
        return [int(level) for level in np.concatenate(rounds)[:episodes]]

    def _standardise(self) -> int:
        """Let the scale of what is seen be that of random lives, which are frames too."""
        rng = seeding.numpy_rng(self._config.seed, "standardise")
        seen, frames = self._player.random(self._levels("standardise", self._episodes, rng), rng)
        self._agent.genome.standardise(seen)
        return frames
