"""Rollouts in a row of a made-up world, for the tests of parts."""

import numpy as np

from rewardlab.contracts.worlds import Renderer, Script, worlds, write_script
from rewardlab.types import Rollout


def play(*lengths: int, seed: int = 3) -> list[Rollout]:
    """Of four environments, with ends of both kinds."""
    rng, spec = np.random.default_rng(seed), worlds()["grid"]
    scripts: list[Script] = []
    for steps in lengths:
        scripts.append(write_script(rng, spec, steps, 4, scripts[-1] if scripts else None))
    return [Renderer(spec, seed=11).rollout(script) for script in scripts]
