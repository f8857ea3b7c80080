"""Several discrete choices at once as one action: each combination once, in the space's own shape and type."""

import itertools

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.envs.external import gym
from rewardlab.envs.external.combined_actions import MOST, Combinations
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError

sizes = st.integers(1, 4)
discrete = st.builds(lambda n, start: spaces.Discrete(n, start=start), sizes, st.integers(-2, 3))
several = st.one_of(
    st.lists(sizes, min_size=1, max_size=4).map(lambda nvec: spaces.MultiDiscrete(nvec, start=[1] * len(nvec))),
    st.just(spaces.MultiDiscrete(np.array([[2, 3], [1, 2]]))),
    st.integers(1, 5).map(spaces.MultiBinary),
    st.just(spaces.MultiBinary((2, 2))),
)
nested = st.one_of(
    several,
    st.lists(st.one_of(discrete, several), min_size=1, max_size=2).map(lambda parts: spaces.Tuple(parts)),
    st.dictionaries(st.sampled_from("abc"), st.one_of(discrete, several), min_size=1, max_size=2).map(spaces.Dict),
)


def plain(action) -> tuple:
    """What can be compared and put into a set."""
    if isinstance(action, dict):
        return tuple((key, plain(part)) for key, part in action.items())
    return tuple(map(plain, action)) if isinstance(action, tuple) else tuple(np.ravel(action).tolist())


@given(nested)
def test_each_combination_is_one_action(space) -> None:
    try:
        combinations = Combinations("X-v0", space)
    except UserError:
        return
    actions = [combinations.action(index) for index in range(combinations.count)]
    assert all(space.contains(action) for action in actions)  # of the space's own shape and type
    assert len({plain(action) for action in actions}) == combinations.count
    space.seed(0)
    found = {plain(action) for action in actions}
    assert all(plain(space.sample()) in found for _ in range(20))


def test_combinations_are_in_mixed_radix() -> None:
    combinations = Combinations("X-v0", spaces.MultiDiscrete([2, 3]))
    actions = [tuple(combinations.action(index).tolist()) for index in range(6)]
    assert actions == list(itertools.product(range(2), range(3)))


@pytest.mark.parametrize(
    ("space", "line"),
    [
        (
            spaces.MultiDiscrete([5, 41, 5]),
            r"^env.id=X-v0: 1,025 combinations of actions \(5 x 41 x 5\), and at most 1,024 .* by a wrapper",
        ),
        (spaces.MultiBinary(200), r"combinations of actions \(of 200 choices\), and at most 1,024"),
        (spaces.Tuple([spaces.Discrete(2), spaces.Box(0, 1)]), r"a part of its actions is Box; only discrete ones"),
    ],
)
def test_what_is_too_much_is_refused_in_one_line(space, line: str) -> None:
    with pytest.raises(UserError, match=line) as refusal:
        Combinations("X-v0", space)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 300


def test_as_many_as_are_allowed() -> None:
    assert Combinations("X-v0", spaces.MultiBinary(10)).count == MOST == 1024


class Keeps(gymnasium.Env):
    """Remembers what it was given."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.MultiDiscrete([2, 3], dtype=np.int32)
    given: list

    def reset(self, *, seed=None, options=None):
        self.given = []
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.given.append(action)
        return np.zeros(1, np.float32), 0.0, False, False, {}


def test_the_environment_gets_what_it_asks_for() -> None:
    gymnasium.register("Keeps-v0", entry_point=Keeps)
    try:
        env = gym.make(gym.Config(id="Keeps-v0"), Levels(2))
        assert env.spec.action.n == 6
        env.reset([0, 1])
        env.step(np.array([4, 5]))
        found = [world.unwrapped.given[0] for world in env._vector.envs]
    finally:
        del gymnasium.registry["Keeps-v0"]
    assert [action.tolist() for action in found] == [[1, 1], [1, 2]]
    assert all(action.dtype == np.int32 and action.shape == (2,) for action in found)
