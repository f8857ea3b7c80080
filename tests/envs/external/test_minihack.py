"""MiniHack and NetHack, some hundred real steps each: levels by seed, true ends and last states, success, restoring.

All of it needs the extra, so that it runs by `make suites`; what does not is in test_nethack_without_it.py.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from rewardlab import schemas
from rewardlab.envs.external import minihack
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.facts import PICTURE, PLACE, STATE_HASH
from rewardlab.maths.nethack import BLANK, MAP, status

pytest.importorskip("nle", reason="needs the extra minihack: make suites")
ROOM = "MiniHack-Room-Random-5x5-v0"


def make(env_id: str = ROOM, num_envs: int = 1, privileged: tuple[str, ...] = (), **options: Any):
    config = minihack.Config(id=env_id, plugin="minihack", **options)
    schemas.check(config, "env.")
    return minihack.make(config, Levels(num_envs), privileged)


def played(env: Any, seeds: list[int], steps: int, policy_seed: int = 0) -> list[Any]:
    env.reset(seeds)
    rng = np.random.default_rng(policy_seed)
    return [env.step(rng.integers(env.spec.action.n, size=len(seeds))) for _ in range(steps)]


def same(one: list[Any], other: list[Any]) -> bool:
    return all(
        np.array_equal(a.next_obs[name], b.next_obs[name]) and np.array_equal(a.task_reward, b.task_reward)
        for a, b in zip(one, other, strict=True)
        for name in a.next_obs
    )


@pytest.mark.parametrize("env_id", [ROOM, "MiniHack-MultiRoom-N2-v0", "MiniHack-Corridor-R2-v0", "NetHackScore-v0"])
def test_a_seed_is_a_level_and_all_that_happens_on_it(env_id: str) -> None:
    first, second = make(env_id, 2), make(env_id, 2)
    begun, again = first.reset([3, 4]), second.reset([9, 3])
    assert np.array_equal(begun["glyphs"][0], again["glyphs"][1])
    assert not np.array_equal(begun["glyphs"][0], begun["glyphs"][1])
    assert same(played(first, [3, 4], 60), played(second, [3, 4], 60))
    for env in (first, second):
        env.close()


def test_solved_and_cut_episodes_show_their_true_last_state() -> None:
    env = make(num_envs=4, privileged=(PLACE, STATE_HASH))
    batches = played(env, [0, 1, 2, 3], 300)
    solved, cut = 0, 0
    for before, batch in pairwise(batches):
        done = batch.terminated | batch.truncated
        assert not (batch.success & ~batch.terminated).any() and (batch.success == batch.terminated).all()
        assert (batch.task_reward[batch.success] > 0.9).all() and (batch.task_reward[~batch.success] <= 0).all()
        for i in np.flatnonzero(done):
            shown = batch.next_obs["glyphs"][i]
            assert (shown != BLANK).sum() > 10 and batch.next_obs["vector"][i].any()
            moved = np.abs(batch.privileged[PLACE][i] - env_place(before, i))
            assert moved.max() <= 1
            assert not np.array_equal(batch.obs["glyphs"][i], shown) or not batch.success[i]
        solved, cut = solved + int(batch.success.sum()), cut + int(batch.truncated.sum())
    assert solved > 3 and cut > 0
    env.close()


def env_place(batch: Any, i: int) -> Any:
    """Where the hero stood after a step; column and row are shown as shares of the map."""
    return np.round(batch.obs["vector"][i, :2] * (np.array(MAP[::-1]) - 1)).astype(int)


def test_a_limit_truncates_and_one_of_the_user_s_own_too() -> None:
    env = make(num_envs=1, kwargs={"max_episode_steps": 7, "penalty_step": -0.5})
    assert env.spec.max_steps == 7
    env.reset([5])
    still = 0
    for step in range(1, 8):
        batch = env.step(np.array([0]))  # north, and soon into the wall
        still += int(batch.task_reward[0] == -0.5)
        assert batch.truncated[0] == (step == 7) and not batch.terminated[0]
    assert still >= 3
    env.close()


def test_a_death_terminates_and_shows_the_state_before_it() -> None:
    env = make("MiniHack-Room-Ultimate-15x15-v0", 4)
    env.reset([0, 1, 2, 3])
    rng = np.random.default_rng(0)
    before, died = env.reset([0, 1, 2, 3]), 0
    for _ in range(1500):
        batch = env.step(rng.integers(8, size=4))
        for i in np.flatnonzero(batch.terminated & ~batch.success):
            died += 1
            assert np.array_equal(batch.next_obs["glyphs"][i], before["glyphs"][i]) and not batch.truncated[i]
        before = batch.obs
        if died:
            break
    assert died
    env.close()


def test_what_is_shown_is_nle_s_in_arrays_of_its_own() -> None:
    whole, near = make(), make(view="crop")
    kept = [batch.next_obs for batch in played(whole, [7], 20)]
    world = whole._vector.envs[0]
    raw = world.game.last_observation
    assert np.array_equal(kept[-1]["glyphs"][0], raw[world.game._glyph_index])
    assert np.array_equal(kept[-1]["vector"][0], status(raw[world.game._blstats_index]))
    assert len({obs["vector"].tobytes() for obs in kept}) > 10, "none is written over"
    column, row = raw[world.game._blstats_index][:2]
    seen = kept[-1]["crop"][0]
    assert seen[4, 4] == raw[world.game._glyph_index][row, column]
    assert set(near.spec.obs) == {"crop", "vector", "message"}
    crops = [batch.next_obs["crop"] for batch in played(near, [7], 20)]
    assert np.array_equal(crops[-1][0], seen)
    for env in (whole, near):
        env.close()


def test_worker_processes_change_no_number_and_a_state_is_restored_in_either() -> None:
    facts = (PLACE, STATE_HASH)
    here, there = make(num_envs=3, privileged=facts), make(num_envs=3, privileged=facts, processes=2)
    one, two = played(here, [1, 2, 3], 120), played(there, [1, 2, 3], 120)
    assert same(one, two)
    for a, b in zip(one, two, strict=True):
        assert (a.success == b.success).all()
        assert all(np.array_equal(a.privileged[name], b.privileged[name]) for name in facts)
    assert here.spec.restorable and there.spec.restorable
    state = there.get_state()
    going_on = [there.step(np.full(3, action)) for action in range(8)]
    here.reset([7, 8, 9])
    here.set_state(state)
    assert same(going_on, [here.step(np.full(3, action)) for action in range(8)])
    for env in (here, there):
        env.close()


def test_a_picture_is_drawn() -> None:
    env = make(privileged=(PICTURE,))
    env.reset([0])
    picture = env.privileged()[PICTURE]
    assert picture.dtype == np.uint8 and picture.shape == (1, 168, 632, 3) and picture.any()
    env.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"env_id": "MiniHack-Rom-5x5-v0"}, r"did you mean MiniHack-Room-5x5-v0\?"),
        ({"env_id": "CartPole-v1"}, "no game of NetHack; use env=gym env.id=CartPole-v1"),
        ({"env_id": "NetHackChallenge-v0"}, "takes no seeds"),
        ({"env_id": "MiniHack-LavaCrossingS9N1-v0"}, "MiniHack cannot build it"),
        ({"kwargs": {"observation_keys": ["chars"]}}, "env.kwargs.observation_keys: what is shown is set by env.view"),
        ({"kwargs": {"max_episode_steps": 0}}, "env.kwargs.max_episode_steps=0: must be a whole number >= 1"),
        ({"kwargs": {"penalty": 1}}, "env.kwargs.penalty: .* takes no such argument"),
        ({"privileged": ("grid",)}, "cannot give grid"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        make(**options)
    assert "\n" not in str(refused.value)
