"""Pictures are Farama's own."""

import numpy as np
import pytest

from rewardlab.gridworld import make_vec
from rewardlab.gridworld.reference import make_reference


@pytest.mark.parametrize("env_id", ["MiniGrid-ObstructedMaze-1Dlh-v0", "MiniGrid-LavaCrossingS9N1-v0"])
def test_pictures_equal_faramas(env_id: str) -> None:
    envs, env = make_vec(env_id, 2), make_reference(env_id)
    envs.reset(seed=[1, 0])
    env.reset(seed=0)
    for action in np.random.default_rng(0).integers(0, 7, 30):
        *_, terminated, truncated, _ = env.step(int(action))
        envs.step([0, int(action)])
        if terminated or truncated:
            env.reset()
    assert np.array_equal(envs.render(1), env.get_frame(highlight=True, tile_size=32))
    assert len(envs.render()) == 2 and envs.render(0, tile_size=8).shape == (8 * env.height, 8 * env.width, 3)
