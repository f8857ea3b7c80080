"""Schemes and rollouts for the tests of reward schemes: no environment, no config files."""

import numpy as np

from rewardlab import discovery
from rewardlab.contracts.reward_laws import RewardCase
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
