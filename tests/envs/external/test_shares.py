"""Crafter and Atari in worker processes: the same episodes, facts, places and saved states, whatever their number."""

import numpy as np
import pytest
from numpy.testing import assert_equal

from rewardlab import discovery
from rewardlab.envs.external.shares import Shares
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError

# Options, facts, and how many steps are played: episodes end among them.
WORLDS = {
    "crafter": ({}, ("situation", "unlocked_wake_up"), 230),
    "atari": ({"id": "Freeway", "max_frames": 120, "noops": 5}, ("ram", "lives"), 70),
}
NUM_ENVS = 5


def make(name: str, processes: int, privileged=None):
    options, facts, _ = WORLDS[name]
    module = discovery.load("env", name)
    config = module.Config(name=name, plugin=name, processes=processes, **options)
    return module.make(config, Levels(NUM_ENVS, pool=[3, 4, 5, 6]), facts if privileged is None else privileged)


@pytest.mark.parametrize("name", WORLDS)
def test_numbers_are_the_same_whatever_the_number_of_processes(name: str) -> None:
    alone, apart = make(name, 1), make(name, 2)
    assert isinstance(apart, Shares) and apart.spec == alone.spec
    rng, ended, steps = np.random.default_rng(0), 0, WORLDS[name][2]
    for seeds in ([0] * NUM_ENVS, range(NUM_ENVS)):
        assert_equal(apart.reset(list(seeds)), alone.reset(list(seeds)))
        assert_equal(apart.privileged(), alone.privileged())

    def same(first, second, count: int) -> int:
        over = 0
        for _ in range(count):
            action = rng.integers(first.spec.action.n, size=NUM_ENVS)
            ours, theirs = first.step(action), second.step(action)
            assert_equal(vars(ours), vars(theirs))
            assert_equal(first.privileged(), second.privileged())
            over += int((ours.terminated | ours.truncated).sum())
        return over

    ended += same(apart, alone, steps)
    assert ended >= 2
    saved, places = apart.get_state(), apart.take_places(np.array([4, 0, 3]))
    assert_equal(places, alone.take_places(np.array([4, 0, 3])))
    assert_equal(saved["levels"], alone.get_state()["levels"])
    for env in (alone, apart):  # workers' state without workers, and with them again
        env.reset([9] * NUM_ENVS)
        env.set_state(saved)
    assert_equal(apart.privileged(), alone.privileged())
    same(apart, alone, 20)
    assert_equal(apart.put_places(np.array([0, 1, 4]), places), alone.put_places(np.array([0, 1, 4]), places))
    same(apart, alone, 10)
    for env in (alone, apart):
        env.close()


def test_refusals_are_those_of_one_process() -> None:
    with pytest.raises(UserError, match="cannot give room"):
        make("atari", 2, ("room",))
    env = make("crafter", 2, ())
    with pytest.raises(ValueError, match="1 seeds for 5 environments"):
        env.reset([0])
    env.close()
