"""Ways of learning: what an agent plays and is given. Each module beside this one is a way, which agents name in
`learns_from`.

It has a class `Learning`, `NEEDS`, the names of the methods that it calls on agents, and
`check(scheme, agent, config, spec)`, which refuses what cannot be learned that way.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

import torch

from rewardlab import discovery, seeding
from rewardlab.errors import UserError
from rewardlab.schemas import RootConfig
from rewardlab.training.collect import Collector, EpisodeStatistics
from rewardlab.training.learned_ranks import LearnedRanks
from rewardlab.training.parts import RunParts
from rewardlab.training.random_play import warm_up
from rewardlab.types import Agent, Array, Metrics, Rollout, Signals, State


class Learning(Protocol):
    """One run's learning: it owns what is played, and counts the frames.

    Attributes:
        metrics: columns of train.csv beside those of the parts.
        counts: those of all columns whose latest value is told, instead of the mean since the last row.
        statistics: of the training episodes; None where none are played.
        least: the frames of the smallest iteration: what is left of the budget below it is not spent.
        warmup_frames: what `warm_up` plays; 0 where nobody asks for it.
        exact: whether running episodes go on after `load_state_dict`.
        has_policy: whether there is a policy for the task, which can be evaluated.
        plays: what is stepped, in words.
    """

    metrics: tuple[str, ...]
    counts: tuple[str, ...]
    statistics: EpisodeStatistics | None
    least: int
    warmup_frames: int
    exact: bool
    has_policy: bool
    plays: str

    def warm_up(self) -> None:
        """Play before all training what the reward scheme asks for."""

    def pretrain(self) -> Metrics:
        """Learn before the first frame, where that is wanted: seen in the first row and the first evaluation."""

    def iterate(self, spent: int) -> tuple[int, Sequence[Metrics]]:
        """Play and learn, when so many frames of the budget were spent: the frames of it, and what to tell of it."""

    def state_dict(self) -> State:
        """What a checkpoint keeps of it, by the checkpoint's own keys."""

    def load_state_dict(self, state: State, seeds: list[int]) -> None:
        """Go on from a checkpoint; `seeds` are of new episodes, where the running ones cannot be put back."""

    def buffer(self) -> State | None:
        """What is too large for the checkpoint and goes to a file of its own, or None."""

    def load_buffer(self, state: State) -> None: ...

    def arrays(self) -> dict[str, dict[str, Array]]:
        """What a finished run keeps in files of arrays, by their names: see `records.archive`."""


class Collected:
    """What the ways that step a vector of environments have in common. Nothing is kept between iterations."""

    metrics: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    has_policy: bool = True

    def __init__(self, config: RootConfig, parts: RunParts) -> None:
        self.config, self.parts = config, parts
        self.device = torch.device(config.device)
        self.exact = True
        self.least = config.num_envs
        self.plays = f"{config.num_envs} environments"
        self.warmup_frames = parts.scheme.warmup_steps * config.num_envs
        self.ranks = LearnedRanks(config, parts)
        self.metrics = (*self.metrics, *self.ranks.metrics)
        self.begin()

    def begin(self) -> None:
        """Let episodes begin in the training environments."""
        parts, seeds = self.parts, seeding.env_seeds(self.config.seed, "train_envs", self.config.num_envs)
        steps, env = parts.agent.rollout_steps, self.config.env
        given = (parts.env, parts.agent, seeds, steps, self.device, env.delayed_reward)
        self.collector = Collector(*given, counted=env.counted(), clipped=env.clip_reward)

    @property
    def statistics(self) -> EpisodeStatistics:
        return self.collector.statistics

    def steps(self, spent: int, wanted: int) -> int:
        """Vector steps of an iteration: the last one is shortened to fit the budget."""
        left = (int(self.config.frames) - spent) // self.config.num_envs
        return min(wanted, max(1, left))

    def collect(self, spent: int, steps: int) -> Rollout:
        """Play a rollout of at most so many steps of each environment."""
        self.ranks.begin(spent)
        return self.collector.collect(self.steps(spent, steps), self.parts.generators.torch_rngs["act"])

    def ranked(self, rollout: Rollout, signals: Signals) -> Metrics:
        """How a learned reward compares with the true one, where that is asked now."""
        return self.ranks.add(rollout, signals, self.collector.earned(rollout))

    def warm_up(self) -> None:
        """A uniform-random agent acts first, in environments of its own; the scheme sees a rollout without values."""
        warm_up(self.config, self.parts)

    def pretrain(self) -> Metrics:
        return self.parts.agent.pretrain()

    def state_dict(self) -> State:
        ranks = {"ranks": self.ranks.state_dict()} if self.ranks.metrics else {}
        return {"collector": self.collector.state_dict(), "learning": self.kept()} | ranks

    def load_state_dict(self, state: State, seeds: list[int]) -> None:
        self.exact = self.collector.load_state_dict(state["collector"], seeds)
        if self.ranks.metrics:
            self.ranks.load_state_dict(state["ranks"], self.exact)
        self.put_back(state.get("learning", {}))  # checkpoints of before there was replay have none

    def kept(self) -> State:
        """What is kept between iterations, but for the collector's and a buffer."""
        return {}

    def put_back(self, state: State) -> None:
        """Restore what `kept` returned; unless `exact`, without what belongs to running episodes."""

    def buffer(self) -> State | None:
        return None

    def load_buffer(self, state: State) -> None: ...

    def arrays(self) -> dict[str, dict[str, Array]]:
        return {}


@cache
def ways() -> tuple[str, ...]:
    """The names that `learns_from` may have."""
    others = ("__init__", "base", "level_rounds")  # curricula choose the last
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in others))


def way(config: RootConfig, agent: Agent) -> ModuleType:
    """The module of an agent's way of learning, or of what a curriculum that designs levels makes of it.

    Raises:
        UserError: such a curriculum knows nothing to make of it.
    """
    designer = getattr(discovery.load("curriculum", config.curriculum.plugin), "Designer", None)
    if designer is None:
        return import_module(f"rewardlab.training.learning.{agent.learns_from}")
    name = designer.turns.get(agent.learns_from)
    if name is None or not hasattr(agent, "judge_task"):
        able = " or ".join(agents_that_learn_from(each, "judge_task") for each in designer.turns)
        raise UserError(
            f"curriculum={config.curriculum.name} agent={config.agent.name}: designs levels for agents that learn from"
            f" rollouts and judge the task (judge_task); use {able}"
        )
    return import_module(f"rewardlab.training.learning.{name}")


def plugins_with(group: str, kind: str, attribute: str, value: object) -> list[str]:
    """Plug-ins of a group whose class `kind` has such an attribute; faulty ones of the user's own are passed over."""
    found = []
    for name in discovery.plugins(group):
        with suppress(UserError):
            if getattr(getattr(discovery.load(group, name), kind), attribute, None) == value:
                found.append(name)
    return found


def agents_that_learn_from(name: str, method: str = "act") -> str:
    """The agents of one way that have a method, as a user writes them."""
    able = plugins_with("agent", "Agent", "learns_from", name)
    able = [each for each in able if hasattr(discovery.load("agent", each).Agent, method)]
    return " or ".join(f"agent={each}" for each in able)


def make_learning(config: RootConfig, parts: RunParts) -> Learning:
    """What the run's agent learns from."""
    learning: Learning = way(config, parts.agent).Learning(config, parts)
    return learning
