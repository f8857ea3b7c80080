"""What a uniform-random agent sees in environments like those of training, before it or apart from it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from rewardlab import discovery, seeding
from rewardlab.schemas import RootConfig
from rewardlab.training.collect import Collector
from rewardlab.training.environments import make_training_env
from rewardlab.training.parts import RunParts
from rewardlab.types import BuildContext, EnvSpec, Rollout, StreamSpec

_MOST = 2**29  # bytes of the observations of one rollout, of which there are two


def warm_up(config: RootConfig, parts: RunParts) -> None:
    """Show the reward scheme what it wants to see before training."""
    context = parts.generators.context("warmup", config, parts.env.spec)
    steps = _pieces(parts.scheme.warmup_steps, config.num_envs, parts.env.spec)
    for rollout in random_play(config, context, "warmup", steps):
        parts.scheme.warm_up(rollout)


def _pieces(steps: int, num_envs: int, spec: EnvSpec) -> list[int]:
    """So many steps in rollouts that each fit into memory."""
    size = sum(math.prod(entry.shape) * np.dtype(entry.dtype).itemsize for entry in spec.obs.values())
    most = max(1, _MOST // max(1, size * num_envs))
    return [min(most, steps - start) for start in range(0, steps, most)]


def random_play(config: RootConfig, context: BuildContext, name: str, steps: Sequence[int]) -> Iterator[Rollout]:
    """Rollouts without values, one after another, of so many vector steps each; one is to be read before the next.

    Args:
        context: the agent's, of the environments' spec.
        name: of the streams of random numbers that levels and actions are drawn from.
    """
    random = discovery.load("agent", "random")
    if not steps:
        return
    env = make_training_env(config)
    of_task = replace(context, spec=env.spec)  # a curriculum may add actions
    agent = random.Agent(random.Config(), of_task, (StreamSpec("task", context.gamma),))
    try:
        seeds = seeding.env_seeds(config.seed, f"{name}_envs", config.num_envs)
        rng = seeding.torch_rng(config.seed, f"{name}_act")
        delayed, clipped = config.env.delayed_reward, config.env.clip_reward
        collector = Collector(env, agent, seeds, max(steps), context.device, delayed, clipped=clipped)
        for count in steps:
            yield collector.collect(count, rng)
    finally:
        env.close()
