"""BitFlip: the rules and the exact returns, against enumeration of every pair of strings and every choice."""

import itertools

import numpy as np
import pytest

from rewardlab import schemas
from rewardlab.envs.arrays import bitflip
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError


def make(n: int, num_envs: int = 3, pays: str = "steps", **options):
    return bitflip.make(bitflip.Config(n=n, pays=pays), Levels(num_envs), **options)


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("pays", ["steps", "goal"])
def test_exact_returns_are_those_of_every_way_to_play(n: int, pays: str) -> None:
    """Every start, goal and sequence of n actions, all equally likely; the best is the Hamming distance."""
    strings = list(itertools.product((0, 1), repeat=n))
    random, best = [], []
    for start, goal in itertools.product(strings, strings):
        if start == goal:
            continue
        distance = sum(a != b for a, b in zip(start, goal, strict=True))
        best.append(-(distance - 1) if pays == "steps" else 1)
        for actions in itertools.product(range(n), repeat=n):
            bits, total = list(start), 0
            for action in actions:
                bits[action] ^= 1
                if tuple(bits) == goal:
                    total += pays == "goal"
                    break
                total -= pays == "steps"
            random.append(total)
    np.testing.assert_allclose(bitflip.returns(n, pays), (np.mean(random), np.mean(best)), rtol=1e-12)


def test_an_action_flips_its_bit_and_the_last_wrong_one_ends_the_episode() -> None:
    env = make(6)
    obs = env.reset([1, 2, 3])
    for _ in range(40):
        wrong = obs["vector"] != obs["goal"]
        assert wrong.any(axis=1).all(), "no episode begins at its goal"
        action = wrong.argmax(axis=1)
        batch = env.step(action)
        expected = obs["vector"].copy()
        expected[np.arange(3), action] = 1 - expected[np.arange(3), action]
        np.testing.assert_array_equal(batch.next_obs["vector"], expected)
        np.testing.assert_array_equal(batch.next_obs["achieved"], expected)
        last = wrong.sum(axis=1) == 1
        np.testing.assert_array_equal(batch.terminated, last)
        np.testing.assert_array_equal(batch.success, last)
        np.testing.assert_array_equal(batch.task_reward, np.where(last, 0, -1))
        obs = batch.obs


def test_time_is_up_after_n_steps() -> None:
    env = make(5, 1)
    obs = env.reset([0])
    keep = int((obs["vector"] == obs["goal"])[0].argmax()) if (obs["vector"] == obs["goal"]).any() else 0
    ends = [env.step(np.array([keep])) for _ in range(5)]  # back and forth, never right
    assert [bool(batch.truncated[0]) for batch in ends] == [False] * 4 + [True]
    assert not any(batch.success[0] for batch in ends)


def test_strings_are_uniform() -> None:
    env = make(4, 2000)
    obs = env.reset(range(2000))
    for name in ("vector", "goal"):
        assert np.abs(obs[name].mean(axis=0) - 0.5).max() < 0.05
    assert len(np.unique(np.concatenate([obs["vector"], obs["goal"]], axis=1), axis=0)) == 16 * 15


def test_a_picture_shows_both_strings() -> None:
    env = make(4, 2, privileged=("picture",))
    obs = env.reset([0, 1])
    picture = env.privileged()["picture"]
    assert picture.shape == (2, 48, 96, 3) and picture.dtype == np.uint8
    middle = picture[:, 12::24, 12::24, 0]
    np.testing.assert_array_equal(middle, 255 * np.stack([obs["vector"], obs["goal"]], axis=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 51}, "env.n=51: must be at most 50"),
        ({"n": 1}, "env.n=1: must be at least 2"),
        ({"pays": "bits"}, "env.pays=bits: no such option"),
        ({"backend": "reference"}, "env.backend=reference: nobody else has this world"),
        ({"levels": 2.5}, "env.levels=2.5: must be inf or a whole number"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        schemas.check(bitflip.Config(**options), "env.")
