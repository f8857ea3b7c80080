"""Any gymnasium environment: its observations as vectors, its actions clipped, its resets its own."""

import importlib.util

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Sequence, Tuple
from gymnasium.spaces.utils import flatten
from hand import bare

from rewardlab import schemas
from rewardlab.envs.external import gym
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError


class Scripted(gymnasium.Env):
    """Shows samples of a space, remembers the actions it was given, and ends after five steps."""

    def __init__(self, observation_space, action_space) -> None:
        self.observation_space, self.action_space = observation_space, action_space
        self.given: list = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.given = []
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.given.append(action)
        return self.observation_space.sample(), 1.0, False, len(self.given) == 5, {}


@pytest.fixture
def scripted():
    """Registers a Scripted environment with the spaces asked for and makes one of it."""
    names = []

    def build(observation_space, action_space, num_envs=2, **options):
        name = f"Scripted{len(names)}-v0"
        gymnasium.register(
            id=name, entry_point=lambda **_: Scripted(observation_space, action_space), disable_env_checker=True
        )
        names.append(name)
        return gym.make(gym.Config(id=name, **options), Levels(num_envs))

    yield build
    for name in names:
        del gymnasium.registry[name]


def test_cartpole_is_gymnasiums() -> None:
    env = gym.make(gym.Config(id="CartPole-v1"), Levels(2))
    twins = [bare("CartPole-v1") for _ in range(2)]
    obs = env.reset([5, 6])["vector"]
    np.testing.assert_array_equal(obs, [twin.reset(seed=seed)[0] for twin, seed in zip(twins, (5, 6), strict=True)])
    ended = 0
    for action in np.random.default_rng(0).integers(2, size=(120, 2)):
        batch = env.step(action)
        for i, twin in enumerate(twins):
            observation, reward, terminated, truncated, _ = twin.step(int(action[i]))
            np.testing.assert_array_equal(batch.next_obs["vector"][i], observation)
            assert (batch.task_reward[i], batch.terminated[i], batch.truncated[i]) == (reward, terminated, truncated)
            if terminated or truncated:
                observation, _ = twin.reset()
                ended += 1
            np.testing.assert_array_equal(batch.obs["vector"][i], observation)
        assert not batch.success.any()
    assert ended > 4
    assert env.spec.task.success is None and env.spec.max_steps == 500 and env.spec.action.n == 2


def test_pendulum_is_truncated_by_its_time_limit_and_its_actions_are_clipped() -> None:
    env = gym.make(gym.Config(id="Pendulum-v1"), Levels(1))
    assert env.spec.action.shape == (1,) and (env.spec.action.low, env.spec.action.high) == ((-2.0,), (2.0,))
    twin = bare("Pendulum-v1")
    env.reset([3])
    twin.reset(seed=3)
    for step in range(200):
        wanted = np.float32(10 * np.sin(step))
        batch = env.step(np.array([[wanted]], np.float32))
        observation, reward, *_ = twin.step(np.clip([wanted], -2, 2).astype(np.float32))
        np.testing.assert_array_equal(batch.next_obs["vector"][0], observation)
        assert batch.task_reward[0] == np.float32(reward)
        assert batch.truncated[0] == (step == 199) and not batch.terminated[0]


def test_a_number_becomes_one_hot() -> None:
    env = gym.make(gym.Config(id="FrozenLake-v1"), Levels(2))
    assert env.spec.obs["vector"].shape == (16,)
    np.testing.assert_array_equal(env.reset([0, 1])["vector"], np.eye(16, dtype=np.float32)[[0, 0]])
    twins = [bare("FrozenLake-v1") for _ in range(2)]
    for i, twin in enumerate(twins):
        twin.reset(seed=i)
    batch = env.step(np.array([2, 1]))
    for i, action in enumerate((2, 1)):
        assert batch.next_obs["vector"][i].argmax() == twins[i].step(action)[0]


def test_nested_spaces_become_one_vector(scripted) -> None:
    space = Dict({"a": Box(-1, 1, (2, 3)), "b": Discrete(4), "c": MultiDiscrete([2, 3]), "d": MultiBinary(2)})
    env = scripted(space, Discrete(3))
    assert env.spec.obs["vector"].shape == (6 + 4 + 5 + 2,)
    vector = env.reset([1, 2])["vector"]
    np.testing.assert_array_equal(vector[:, 6:10].sum(axis=1), [1, 1])
    np.testing.assert_array_equal(vector[:, 10:15].sum(axis=1), [2, 2])
    assert vector.dtype == np.float32


def test_pictures_stay_pictures(scripted) -> None:
    env = scripted(Box(0, 255, (8, 9, 3), np.uint8), Discrete(2))
    assert env.spec.obs["image"].high == 255
    assert env.reset([1, 2])["image"].shape == (2, 8, 9, 3)


@pytest.mark.parametrize(
    ("shape", "channels", "becomes"),
    [((4, 84, 90), "auto", (84, 90, 4)), ((84, 90, 4), "auto", (84, 90, 4)), ((5, 5, 10), "last", (5, 5, 10)),
     ((5, 5, 10), "first", (5, 10, 5)), ((7, 7, 3), "auto", (7, 7, 3)), ((1, 20, 20), "auto", (20, 20, 1))],
)  # fmt: skip
def test_channels_come_last(shape: tuple, channels: str, becomes: tuple, scripted) -> None:
    env = scripted(Box(0, 255, shape, np.uint8), Discrete(2), channels=channels)
    assert env.spec.obs["image"].shape == becomes
    space = env._vector.envs[0].unwrapped.observation_space
    space.seed(1)
    frame = space.sample()
    shown = env.reset([1, 2])["image"][0]
    assert np.array_equal(shown, frame if shape == becomes else frame.transpose(1, 2, 0))
    assert np.array_equal(env.spec.native.entries(frame[None])["image"][0], shown)


@pytest.mark.parametrize("shape", [(5, 5, 10), (8, 9, 12), (6, 6, 6)])
def test_channels_that_may_be_anywhere_are_asked_for(shape: tuple, scripted) -> None:
    with pytest.raises(UserError, match=r"channels of a picture of shape .*\? env.channels=first or last$"):
        scripted(Box(0, 255, shape, np.uint8), Discrete(2))


def test_the_picture_of_a_dict_is_a_picture(scripted) -> None:
    env = scripted(Dict({"seen": Box(0, 255, (3, 12, 12), np.uint8), "felt": Box(-1, 1, (2,))}), Discrete(2))
    assert {name: entry.shape for name, entry in env.spec.obs.items()} == {"image": (12, 12, 3), "vector": (2,)}
    obs = env.reset([1, 2])
    assert obs["image"].dtype == np.uint8 and obs["vector"].shape == (2, 2)


@pytest.mark.parametrize(
    "space",
    [
        Dict({"left": Box(0, 255, (8, 8, 3), np.uint8), "right": Box(0, 255, (8, 8, 3), np.uint8)}),
        Dict({"inside": Dict({"seen": Box(0, 255, (8, 8, 3), np.uint8)}), "felt": Box(-1, 1, (2,))}),
        Box(0, 255, (4, 8, 8, 3), np.uint8),
        Box(0, 255, (128,), np.uint8),
    ],
    ids=["two", "nested", "stack", "memory"],
)
def test_bytes_in_a_vector_are_scaled(space, scripted) -> None:
    env = scripted(space, Discrete(2))
    vector = env.reset([1, 2])["vector"]
    assert 0.9 < vector.max() <= 1 and vector.min() >= -1
    low, high = env.spec.obs["vector"].bounds
    assert max(high) == 1 and min(low) >= -1


NESTED = Dict(
    {"a": Box(-1, 1, (2, 3)), "b": Discrete(4, start=2), "c": MultiDiscrete([2, 3], start=[1, 0]), "d": MultiBinary(2),
     "e": Tuple((Discrete(2), Box(0, 9, (2, 2), np.uint8)))}
)  # fmt: skip


def test_stored_observations_become_the_same_entries(scripted) -> None:
    """Many at once, against gymnasium's own function, one by one."""
    native = scripted(NESTED, Discrete(3)).spec.native
    shown = [NESTED.sample() for _ in range(20)]
    stored = {key: np.stack([item[key] for item in shown]) for key in "abcd"} | {
        "e": tuple(np.stack([item["e"][i] for item in shown]) for i in range(2))
    }
    expected = np.stack([flatten(NESTED, item) for item in shown])
    expected[:, -4:] /= 9
    np.testing.assert_allclose(native.entries(stored)["vector"], expected, rtol=1e-6)
    np.testing.assert_array_equal(native.entries(stored)["vector"][3], native.one(shown[3])["vector"])


def test_float_pictures_and_wide_integers_are_vectors(scripted) -> None:
    assert scripted(Box(0, 1, (4, 4, 3)), Discrete(2)).spec.obs["vector"].shape == (48,)
    assert scripted(Box(-1000, 1000, (5,), np.int64), Discrete(2)).reset([1, 2])["vector"].dtype == np.float32


def test_actions_that_do_not_start_at_zero_are_shifted(scripted) -> None:
    env = scripted(Box(0, 1, (1,)), Discrete(3, start=5))
    env.reset([1, 2])
    env.step(np.array([0, 2]))
    assert [world.unwrapped.given for world in env._vector.envs] == [[5], [7]]


def test_boxes_of_any_shape_are_flat_to_the_policy_and_unbounded_ones_stay_so(scripted) -> None:
    low = np.array([[-1, -np.inf], [0, -3]], np.float32)
    high = np.array([[1, np.inf], [np.inf, 3]], np.float32)
    env = scripted(Box(0, 1, (1,)), Box(low, high), num_envs=1)
    assert env.spec.action.shape == (4,)
    assert env.spec.action.low == (-1.0, -np.inf, 0.0, -3.0) and env.spec.action.high == (1.0, np.inf, np.inf, 3.0)
    env.reset([1])
    env.step(np.array([[5, -1e6, -1, -9]], np.float32))
    np.testing.assert_array_equal(env._vector.envs[0].unwrapped.given[0], np.array([[1, -1e6], [0, -3]], np.float32))


def test_whole_number_boxes_are_rounded(scripted) -> None:
    env = scripted(Box(0, 1, (1,)), Box(0, 10, (2,), np.int32), num_envs=1)
    env.reset([1])
    env.step(np.array([[3.6, 99.0]], np.float32))
    given = env._vector.envs[0].unwrapped.given[0]
    np.testing.assert_array_equal(given, [4, 10])
    assert given.dtype == np.int32


def test_spaces_that_do_not_fit_are_refused_in_one_line(scripted) -> None:
    with pytest.raises(UserError, match="actions are Sequence; only Discrete, Box, and what combines discrete ones"):
        scripted(Box(0, 1, (1,)), Sequence(Discrete(2)))
    with pytest.raises(UserError, match="observations hold seen, a Sequence, which cannot be made a vector"):
        scripted(Dict({"seen": Sequence(Discrete(3))}), Discrete(2))


def test_a_missing_package_is_one_line() -> None:
    if importlib.util.find_spec("Box2D"):
        pytest.skip("Box2D is installed")
    with pytest.raises(UserError, match=r"^env.id=LunarLander-v3: cannot be built: DependencyNotInstalled: [^\n]*$"):
        gym.make(gym.Config(id="LunarLander-v3"), Levels(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"^env.id is missing: name a registered environment, such as env.id=CartPole-v1$"),
        ({"id": "CartPol-v1"}, r"^env.id=CartPol-v1: no such registered environment; did you mean CartPole-v1\?"),
        ({"id": "cartpole-v1"}, r"did you mean CartPole-v1\?"),
        (
            {"id": "no_such_module:Thing-v0"},
            r"^env.id=no_such_module:Thing-v0: No module named 'no_such_module'; .*PYTHONPATH=\. rewardlab \.\.\.$",
        ),
        ({"id": "MiniGrid-DoorKey-5x5-v0"}, r"use env=minigrid env.id=MiniGrid-DoorKey-5x5-v0$"),
        ({"id": "CartPole-v1", "levels": 2.5}, r"^env.levels=2.5: must be inf or a whole number >= 1$"),
        ({"id": "CartPole-v1", "levels": 0}, r"^env.levels=0: must be greater than 0$"),
        ({"id": "CartPole-v1", "levels": 0.5}, r"^env.levels=0.5: must be inf or a whole number"),
    ],
)
def test_bad_options_are_refused_with_the_key_and_what_is_allowed(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        schemas.check(gym.Config(**options), "env.")


@pytest.mark.parametrize("levels", [1, 50.0, float("inf")])
def test_levels_that_are_allowed(levels: float) -> None:
    schemas.check(gym.Config(id="CartPole-v1", levels=levels), "env.")
