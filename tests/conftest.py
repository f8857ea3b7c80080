"""What every test may take for granted."""

import pytest

from rewardlab.envs import minigrid


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """Kernels that tests of single lines on stderr need: compiling them for the first time is announced there."""
    for task, facts in (("MiniGrid-DoorKey-8x8-v0", ("state_hash",)), ("MiniGrid-Empty-5x5-v0", ())):
        env = minigrid.make(minigrid.Config(id=task), 1, privileged=facts)
        env.reset([0])
        env.close()
