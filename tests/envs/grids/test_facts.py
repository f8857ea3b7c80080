"""Full-state facts: equal for equal states, different where anything that matters differs."""

import subprocess
import sys

import numpy as np
import pytest
from hand import bare, grid_env, grids, random_actions
from minigrid.core.world_object import Ball, Box, Door, Key

from rewardlab.envs.grids import minigrid
from rewardlab.envs.grids.facts import StateHash, hash_words, state_words
from rewardlab.envs.levels import Levels


@pytest.fixture
def world():
    """An 8x8 room with a closed door, a box with a key in it, and a key in the agent's hand."""
    env = bare("MiniGrid-Empty-8x8-v0").unwrapped
    env.reset(seed=0)
    env.grid.set(4, 4, Door("red"))
    env.grid.set(5, 5, Box("grey", contains=Key("red")))
    env.carrying = Key("blue")
    return env


def _open(env):
    env.grid.get(4, 4).is_open = True


def _lock(env):
    env.grid.get(4, 4).is_locked = True


def _paint(env):
    env.grid.set(4, 4, Door("blue"))


def _move_door(env):
    env.grid.set(4, 4, None)
    env.grid.set(4, 3, Door("red"))


def _empty_the_box(env):
    env.grid.set(5, 5, Box("grey"))


def _other_key_in_the_box(env):
    env.grid.set(5, 5, Box("grey", contains=Key("green")))


def _drop_nowhere(env):
    env.carrying = None


def _carry_a_ball(env):
    env.carrying = Ball("blue")


def _carry_a_box_with_something(env):
    env.carrying = Box("blue", contains=Key("blue"))


def _turn(env):
    env.agent_dir = 3


def _walk(env):
    env.agent_pos = (2, 1)


CHANGES = [
    _open,
    _lock,
    _paint,
    _move_door,
    _empty_the_box,
    _other_key_in_the_box,
    _drop_nowhere,
    _carry_a_ball,
    _carry_a_box_with_something,
    _turn,
    _walk,
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_hash_changes_with_the_state_and_only_with_it(world, change) -> None:
    fact = StateHash(world)
    before = fact()
    world.step_count += 7
    assert fact() == before == StateHash(world)()
    change(world)
    after = fact()
    assert after != before
    assert after == StateHash(world)(), "what was remembered of the grid is out of date"


def test_all_those_changes_differ_from_one_another() -> None:
    found = set()
    for change in CHANGES:
        env = bare("MiniGrid-Empty-8x8-v0").unwrapped
        env.reset(seed=0)
        env.grid.set(4, 4, Door("red"))
        env.grid.set(5, 5, Box("grey", contains=Key("red")))
        env.carrying = Key("blue")
        change(env)
        found.add(StateHash(env)())
    assert len(found) == len(CHANGES)


@pytest.mark.parametrize("env_id", ["MiniGrid-ObstructedMaze-1Dlhb-v0", "MiniGrid-Dynamic-Obstacles-6x6-v0"])
def test_the_running_hash_is_the_hash_of_the_words_of_the_state(env_id: str) -> None:
    env = grid_env(env_id, 4, privileged=("state_hash",))
    env.reset([1, 2, 3, 4])
    carried = set()
    for action in random_actions(env, 300):
        batch = env.step(action)
        words = np.stack([state_words(world) for world in grids(env)])
        np.testing.assert_array_equal(env.privileged()["state_hash"], hash_words(words))
        going_on = ~(batch.terminated | batch.truncated)
        np.testing.assert_array_equal(batch.privileged["state_hash"][going_on], hash_words(words)[going_on])
        carried.update(words[:, -6].tolist())
    assert len(carried) > 1 or "Dynamic" in env_id, "nothing was ever picked up"


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_a_panorama_is_what_is_seen_turning_around(backend: str) -> None:
    config = minigrid.Config(id="MiniGrid-DoorKey-6x6-v0", backend=backend)
    env = minigrid.make(config, Levels(3), ("panorama",))
    obs = env.reset([1, 2, 3])["image"]
    for action in [2, 0, 2, 3, 2, 5, 2]:
        obs = env.step(np.full(3, action)).obs["image"]
    panorama = env.privileged()["panorama"]
    assert panorama.shape == (3, 4, 7, 7, 3)
    seen = [obs.copy()]
    for _ in range(3):
        batch = env.step(np.ones(3, dtype=np.int64))  # to the right
        seen.append(batch.obs["image"].copy())
        np.testing.assert_array_equal(batch.privileged["panorama"], panorama)  # turning changes nothing
    for i in range(3):
        start = next(k for k in range(4) if np.array_equal(panorama[i, k], seen[0][i]))
        for turn in range(4):
            np.testing.assert_array_equal(panorama[i, (start + turn) % 4], seen[turn][i])


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_the_grid_is_what_the_full_observation_shows(backend: str) -> None:
    config = minigrid.Config(id="MiniGrid-BlockedUnlockPickup-v0", backend=backend, observation="full")
    env = minigrid.make(config, Levels(3), ("grid",))
    np.testing.assert_array_equal(env.reset([1, 2, 3])["image"], env.privileged()["grid"])
    for action in random_actions(env, 100):
        batch = env.step(action)
        np.testing.assert_array_equal(batch.next_obs["image"], batch.privileged["grid"])
        np.testing.assert_array_equal(batch.obs["image"], env.privileged()["grid"])
    assert batch.privileged["grid"].dtype == np.uint8 and batch.privileged["grid"].shape[1:] == (11, 6, 3)


def test_words_hash_by_value_and_place() -> None:
    words = np.array([[1, 2, 3], [3, 2, 1], [1, 2, 4], [1, 2, 3]], np.uint64)
    hashes = hash_words(words)
    assert hashes.dtype == np.int64 and hashes.shape == (4,)
    assert len(set(hashes.tolist())) == 3 and hashes[0] == hashes[3]
    assert hash_words(words[0]) == _by_hand([1, 2, 3])


def test_a_hundred_thousand_neighbouring_states_do_not_collide() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(10, dtype=np.uint64)] * 5, indexing="ij"), axis=-1).reshape(-1, 5)
    assert len(np.unique(hash_words(grid))) == 100_000


def test_every_process_gives_the_same_hash() -> None:
    code = (
        "from rewardlab.envs.grids import minigrid\n"
        "from rewardlab.envs.levels import Levels\n"
        "env = minigrid.make(minigrid.Config(id='MiniGrid-DoorKey-8x8-v0'), Levels(2), ('state_hash',))\n"
        "env.reset([5, 6]); print(env.privileged()['state_hash'].tolist())"
    )
    env = grid_env("MiniGrid-DoorKey-8x8-v0", 2, privileged=("state_hash",))
    env.reset([5, 6])
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(env.privileged()["state_hash"].tolist())
    assert run.stderr == "", "banners and warnings are the user's noise"


def _by_hand(words: list[int]) -> int:
    """The documented hash in Python's own integers."""
    mask = 2**64 - 1

    def scramble(word: int) -> int:
        word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & mask
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB & mask
        return word ^ (word >> 31)

    total = sum(scramble((word + place * 0x9E3779B97F4A7C15) & mask) for place, word in enumerate(words, start=1))
    found = scramble(total & mask)
    return found - 2**64 if found >= 2**63 else found
