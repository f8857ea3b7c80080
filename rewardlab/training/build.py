"""From a config to the objects of a run: environments, reward scheme, agent and their random streams."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import cast

import numpy as np
import torch

from rewardlab import discovery, seeding
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.facts import PLACE
from rewardlab.schemas import NO_CURRICULUM, RootConfig
from rewardlab.training.fit import check_fit
from rewardlab.training.goals import GoalEnv
from rewardlab.training.starts import StartEnv
from rewardlab.types import (
    Agent,
    BuildContext,
    Conditioner,
    Curriculum,
    EnvSpec,
    GoalVecEnv,
    MakeEnv,
    Metrics,
    RewardScheme,
    State,
    StreamSpec,
    VecEnv,
)

_MAX_EVALUATION_ENVS = 100  # each step costs the policy little more for a hundred than for one


@dataclass
class Streams:
    """The named random generators that a run's objects draw from; saved and restored as a whole."""

    torch_rngs: dict[str, torch.Generator] = field(default_factory=dict)
    numpy_rngs: dict[str, np.random.Generator] = field(default_factory=dict)

    def context(self, name: str, config: RootConfig, spec: EnvSpec) -> BuildContext:
        """What the object `name` may know, with generators of its own."""
        self.torch_rngs[name] = seeding.torch_rng(config.seed, name)
        self.numpy_rngs[name] = seeding.numpy_rng(config.seed, name)
        return BuildContext(
            spec,
            config.num_envs,
            torch.device(config.device),
            self.torch_rngs[name],
            self.numpy_rngs[name],
            config.agent.gamma,
        )

    def state_dict(self) -> State:
        return {
            "torch": {name: generator.get_state() for name, generator in self.torch_rngs.items()},
            "numpy": {name: seeding.generator_state(rng) for name, rng in self.numpy_rngs.items()},
        }

    def load_state_dict(self, state: State) -> None:
        for name, generator in self.torch_rngs.items():
            generator.set_state(state["torch"][name])
        for name, rng in self.numpy_rngs.items():
            seeding.set_generator_state(rng, state["numpy"][name])


@dataclass
class Parts:
    """Everything that a run trains with."""

    env: VecEnv
    scheme: RewardScheme
    agent: Agent
    streams: Streams
    conditioner: Conditioner | None = None
    curriculum: Curriculum | None = None

    @property
    def reward_streams(self) -> tuple[StreamSpec, ...]:
        """What the learner is paid: the scheme's streams, then the conditioner's."""
        return self.scheme.streams + (self.conditioner.streams if self.conditioner is not None else ())

    def update_practice(self, progress: float) -> tuple[Metrics, Metrics]:
        """Let the conditioner and the curriculum learn what is practised on next, where there are any."""
        taught = {} if self.conditioner is None else self.conditioner.update()
        return taught, {} if self.curriculum is None else self.curriculum.update(progress)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Columns of train.csv that the parts fill."""
        parts = (self.agent, self.scheme, self.conditioner, self.curriculum)
        return tuple(name for part in parts if part is not None for name in part.metrics)

    @property
    def assumes(self) -> frozenset[str]:
        """What the run assumes beyond an ordinary learner."""
        parts = (self.scheme, self.conditioner, self.curriculum, self.agent)
        none: frozenset[str] = frozenset()
        return none.union(*(getattr(part, "assumes", none) for part in parts))


def build(config: RootConfig) -> Parts:
    """Build a run's parts.

    Raises:
        UserError: they do not fit together; nothing has been written yet.
    """
    evaluation_levels(config)
    env = make_training_env(config)
    try:
        streams = Streams()
        scheme_context = streams.context("scheme", config, env.spec)
        if env.spec.goals:
            scheme_context = replace(scheme_context, goal_outcome=cast(GoalVecEnv, env).goal_outcome)
        scheme = discovery.load("reward", config.reward.plugin).Scheme(config.reward, scheme_context)
        module = discovery.load("curriculum", config.curriculum.plugin)
        conditioner = _conditioner(config, module, streams, env.spec, scheme.streams)
        paid = scheme.streams
        if conditioner is not None:
            env, paid = GoalEnv(env, conditioner, config.reward.privileged(), learns=True), paid + conditioner.streams
        agent_context = streams.context("agent", config, env.spec)
        agent = discovery.load("agent", config.agent.plugin).Agent(config.agent, agent_context, paid)
        check_fit(scheme, agent, config, env.spec)
        curriculum = _curriculum(config, module, streams, env.spec, agent)
        if curriculum is not None:
            env = StartEnv(env, curriculum, make_level_env(config))
        _hand_over_losses(scheme, agent, config)
        streams.torch_rngs["act"] = seeding.torch_rng(config.seed, "act")
        _check_warmup(scheme, config)
    except BaseException:
        env.close()
        raise
    return Parts(env, scheme, agent, streams, conditioner, curriculum)


def _conditioner(
    config: RootConfig, module: ModuleType, streams: Streams, spec: EnvSpec, beside: tuple[StreamSpec, ...]
) -> Conditioner | None:
    """What sets goals, where the curriculum does."""
    if not hasattr(module, "Conditioner"):
        return None
    if spec.goals:
        raise UserError(f"curriculum={config.curriculum.name}: sets goals, and {spec.id} has its own")
    context = streams.context("curriculum", config, spec)
    made: Conditioner = module.Conditioner(config.curriculum, context)
    taken = {stream.name for stream in beside} & {stream.name for stream in made.streams}
    if taken:
        raise UserError(
            f"curriculum={config.curriculum.name}: pays a reward stream named {taken.pop()}, and so does"
            f" reward={config.reward.name}; name that one otherwise"
        )
    return made


def _curriculum(
    config: RootConfig, module: ModuleType, streams: Streams, spec: EnvSpec, agent: Agent
) -> Curriculum | None:
    """What says where episodes begin: the curriculum, or an agent that finds such places itself."""
    found: Curriculum | None = getattr(agent, "curriculum", None)
    if getattr(agent, "exploring", False) and training_levels(config) is None:
        raise UserError(f"agent={config.agent.name}: explores fixed levels; set env.levels=K (env.levels=1: one level)")
    if found is not None and config.curriculum.plugin != NO_CURRICULUM:
        raise UserError(
            f"agent={config.agent.name}: has a curriculum of its own; leave out curriculum={config.curriculum.name}"
        )
    if hasattr(module, "Curriculum"):
        found = module.Curriculum(config.curriculum, streams.context("curriculum", config, spec))
    return found


def _hand_over_losses(scheme: RewardScheme, agent: Agent, config: RootConfig) -> None:
    losses = scheme.aux_losses()
    if not losses:
        return
    take = getattr(agent, "take_aux_losses", None)
    if take is None:
        raise UserError(
            f"agent={config.agent.name}: can't learn from the loss that reward={config.reward.name} hands to it;"
            " use agent=ppo"
        )
    take(losses)


def _check_warmup(scheme: RewardScheme, config: RootConfig) -> None:
    frames = scheme.warmup_steps * config.num_envs
    if frames >= config.frames:
        raise UserError(
            f"frames={config.frames}: reward={config.reward.name} warms up for {frames} frames first, which leaves"
            " nothing to train on"
        )


def make_training_env(config: RootConfig) -> VecEnv:
    """The training environments, without the goals that a conditioner sets in them."""
    facts = tuple(dict.fromkeys((*config.reward.privileged(), *config.curriculum.privileged())))
    env: VecEnv = discovery.load("env", config.env.plugin).make(
        config.env, Levels(config.num_envs, pool=training_levels(config)), facts
    )
    return env


def make_level_env(config: RootConfig, privileged: tuple[str, ...] = ()) -> MakeEnv:
    """What makes environments like those of training that play lists of levels."""
    make = discovery.load("env", config.env.plugin).make

    def made(lists: Sequence[Sequence[int]]) -> VecEnv:
        env: VecEnv = make(config.env, Levels(len(lists), lists=lists), privileged)
        return env

    return made


def make_evaluation_env(config: RootConfig, spec: EnvSpec, conditioner: Conditioner | None) -> tuple[VecEnv, list[int]]:
    """The evaluation environments, and how many whole episodes each of them plays; goals stay, nobody learns there.

    They tell `PLACE` where the training environments, of `spec`, could.
    """
    lists = evaluation_levels(config)
    make = discovery.load("env", config.env.plugin).make
    told = (PLACE,) if PLACE in spec.privileged else ()
    facts = tuple(dict.fromkeys((*config.curriculum.privileged(), *told)))
    env: VecEnv = make(config.env, Levels(len(lists), lists=lists), facts)
    if conditioner is not None:
        env = GoalEnv(env, conditioner, kept=told)
    return env, [len(levels) for levels in lists]


def evaluation_levels(config: RootConfig) -> list[list[int]]:
    """The level seeds that each evaluation environment plays.

    The lists are fixed beforehand: taking the first episodes to finish would favour short ones.

    Raises:
        UserError: the training levels are asked for, and there are no fixed ones.
    """
    episodes = config.eval.episodes
    if config.eval.levels == "train":
        pool = training_levels(config)
        if pool is None:
            raise UserError("eval.levels=train: needs a fixed set of training levels; set env.levels=K")
        levels = [pool[i % len(pool)] for i in range(episodes)]
    else:
        levels = seeding.evaluation_seeds(episodes)
    num_envs = min(episodes, _MAX_EVALUATION_ENVS)
    return [levels[i::num_envs] for i in range(num_envs)]


def training_levels(config: RootConfig) -> list[int] | None:
    """The level seeds of `env.levels=K`, or None for procedural levels."""
    if math.isinf(config.env.levels):
        return None
    return seeding.env_seeds(config.seed, "levels", int(config.env.levels))
