"""Schemes and rollouts for the tests of reward schemes: no environment, no config files."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import nn

from rewardlab import discovery
from rewardlab.contracts.reward_case import RewardCase
from rewardlab.contracts.state_laws import NUM_ENVS
from rewardlab.contracts.worlds import Script, worlds, write_script
from rewardlab.types import Rollout

STEPS = 32


def case(name: str, world: str = "grid", **options: object) -> RewardCase:
    """The scheme `name` with options, in a made-up world that gives whatever facts it reads."""
    module = discovery.load("reward", name)
    config = module.Config(plugin=name, **options)
    return RewardCase(module.Scheme, config, worlds(config.privileged())[world])


def scripts(a_case: RewardCase, *lengths: int, seed: int = 1) -> list[Script]:
    """Random scripts in a row, of NUM_ENVS environments."""
    rng = np.random.default_rng(seed)
    made: list[Script] = []
    for steps in lengths:
        made.append(write_script(rng, a_case.spec, steps, NUM_ENVS, made[-1] if made else None))
    return made


def rollouts(a_case: RewardCase, *lengths: int, seed: int = 1) -> list[Rollout]:
    return [a_case.render(script) for script in scripts(a_case, *lengths, seed=seed)]


def steps_of(made: list[Rollout]) -> Iterator[tuple[int, int, int, tuple[int, int], bool]]:
    """Every step in order: rollout, time, environment, a name for its episode, whether it is the episode's first."""
    episode = [0] * NUM_ENVS
    for number, rollout in enumerate(made):
        for t in range(rollout.steps):
            for env in range(NUM_ENVS):
                begins = bool(rollout.first[t, env])
                episode[env] += int(begins)
                yield number, t, env, (env, episode[env]), begins


def what_is_seen(obs: Any, t: int, env: int) -> bytes:
    """An observation as bytes: equal where every entry is."""
    return b"".join(entry[t, env].numpy().tobytes() for entry in obs.values())


def numpy_network(layers: nn.Module, inputs: Any) -> Any:
    """Linear and ReLU layers applied by hand, [..., D] float64 -> [..., features]."""
    for layer in layers:  # type: ignore[attr-defined]
        if isinstance(layer, nn.Linear):
            inputs = inputs @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
        else:
            assert isinstance(layer, nn.ReLU)
            inputs = np.maximum(inputs, 0.0)
    return inputs


def numpy_view(obs: Any) -> Any:
    """The views of the made-up grid as the networks see them, [T, N, 147] float64."""
    image = obs["image"].double().numpy() / 10.0
    return image.reshape(*image.shape[:2], -1)
