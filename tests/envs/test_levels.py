"""Which levels are played: lists for evaluation, pools for env.levels=K, streams of their own otherwise."""

import numpy as np
import pytest
from hand import bare, grid_env, grids, random_actions

from rewardlab import seeding
from rewardlab.envs.grids import minigrid
from rewardlab.envs.grids.facts import hash_words, state_words
from rewardlab.envs.levels import Levels

TASK = "MiniGrid-DoorKey-8x8-v0"


def level_hash(seed: int) -> int:
    world = bare(TASK).unwrapped
    world.reset(seed=seed)
    return int(hash_words(state_words(world)))


def played(env, seeds: list[int], episodes: int) -> list[list[int]]:
    """The hash of the first state of each environment's next episodes; `done` is said until time runs out."""
    env.reset(seeds)
    found = [[int(value)] for value in env.privileged()["state_hash"]]
    while min(len(each) for each in found) < episodes:
        batch = env.step(np.full(env.num_envs, 6))
        for i in np.flatnonzero(batch.terminated | batch.truncated):
            found[i].append(int(env.privileged()["state_hash"][i]))
    return [each[:episodes] for each in found]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch):
    """DoorKey 8x8 whose time runs out after three steps."""

    def build(num_envs: int, **options):
        env = grid_env(TASK, num_envs, privileged=("state_hash",), **options)
        for world in grids(env):
            world.max_steps = 3
        return env

    return build


def test_lists_are_played_in_order_and_again_from_the_start_whatever_the_seeds(short) -> None:
    lists = [[7, 8, 9], [100, 7]]
    expected = [[level_hash(seed) for seed in (7, 8, 9, 7, 8)], [level_hash(seed) for seed in (100, 7, 100, 7, 100)]]
    env = short(2, lists=lists)
    assert played(env, [1, 2], 5) == expected
    assert played(env, [3, 4], 5) == expected, "a second reset starts the lists anew"


def test_a_pool_is_drawn_from_at_every_reset_by_a_stream_of_each_environments_own(short) -> None:
    pool = [5, 6, 7, 8]
    allowed = {level_hash(seed) for seed in pool}
    env = short(2, pool=pool)
    first = played(env, [1, 2], 30)
    assert set(first[0]) == set(first[1]) == allowed
    assert first[0] != first[1]
    assert played(env, [1, 2], 30) == first
    assert played(env, [3, 2], 30)[1] == first[1], "an environment's levels depend on its own seed only"
    assert played(short(1, pool=pool), [2], 30)[0] == first[1]


def test_without_either_every_episode_is_a_new_level(short) -> None:
    found = played(short(2), [1, 2], 20)
    assert len({value for each in found for value in each}) == 40


def test_a_level_plays_the_same_to_its_end() -> None:
    """The seed of a level also fixes what moves by itself."""
    env = grid_env("MiniGrid-Dynamic-Obstacles-8x8-v0", 2, privileged=("state_hash",), lists=[[3], [3]])
    env.reset([1, 2])
    for _ in range(30):
        first, second = env.step(np.array([0, 0])).privileged["state_hash"]
        assert first == second


@pytest.mark.parametrize(
    "options",
    [
        {"pool": []},
        {"lists": [[1]]},
        {"lists": [[1], []]},
        {"pool": [1], "lists": [[1]] * 2},
    ],
)
def test_wrong_levels_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=r"pool|lists"):
        grid_env(TASK, 2, **options)


def test_neighbouring_run_seeds_and_evaluation_share_no_level() -> None:
    """Ten runs of 16 environments with 3 levels each, and the evaluation list."""
    env = grid_env("MiniGrid-KeyCorridorS3R3-v0", 16, privileged=("state_hash",))
    for world in grids(env):
        world.max_steps = 1
    groups = []
    for seed in range(10):
        env.reset(seeding.env_seeds(seed, "train", 16))
        found = [env.privileged()["state_hash"]]
        found += [(env.step(np.full(16, 6)), env.privileged()["state_hash"])[1] for _ in range(2)]
        groups.append(set(np.concatenate(found).tolist()))
    lists = [[level] for level in seeding.evaluation_seeds(100)]
    evaluation = grid_env("MiniGrid-KeyCorridorS3R3-v0", 100, privileged=("state_hash",), lists=lists)
    evaluation.reset([0] * 100)
    groups.append(set(evaluation.privileged()["state_hash"].tolist()))
    assert len(set().union(*groups)) == sum(len(group) for group in groups)
    assert all(len(group) >= 47 for group in groups)


def test_level_seeds_of_run_seeds_are_disjoint() -> None:
    words = [seeding.env_seeds(seed, "train", 64) for seed in range(10)] + [seeding.evaluation_seeds(100)]
    assert len({word for each in words for word in each}) == 740


def test_levels_apply_to_gymnasium_environments_too() -> None:
    from rewardlab.envs.external import gym

    env = gym.make(gym.Config(id="CartPole-v1"), Levels(2, lists=[[3, 4], [4]]))
    first = env.reset([0, 0])["vector"]
    starts = [first]
    for action in random_actions(env, 200):
        batch = env.step(action)
        if batch.terminated[0]:
            starts.append(batch.obs["vector"])
    by_hand = bare("CartPole-v1")
    np.testing.assert_array_equal(first[0], by_hand.reset(seed=3)[0])
    np.testing.assert_array_equal(first[1], by_hand.reset(seed=4)[0])
    np.testing.assert_array_equal(starts[1][0], by_hand.reset(seed=4)[0])
    np.testing.assert_array_equal(starts[2][0], by_hand.reset(seed=3)[0])


def test_the_level_that_is_played_is_known_by_its_seed_where_it_has_one() -> None:
    """A list's and a pool's after every reset, whichever environments were reset; endless ones have none."""
    pool, lists = [7, 8, 9], [[4, 5], [6]]
    for options in ({"pool": pool}, {"lists": lists}, {}):
        env = minigrid.make(minigrid.Config(id=TASK), Levels(2, **options), ("state_hash", "level"))
        env.reset([1, 2])
        known, seen = {level_hash(seed): seed for seed in (*pool, *lists[0], *lists[1])}, set()
        for step in range(2 * 640 + 3):
            facts = env.privileged()
            levels = facts["level"].tolist()
            if step in (0, 640, 1280):
                expected = [known.get(int(value), -1) for value in facts["state_hash"]]
                assert levels == (expected if options else [-1, -1])
            seen |= set(levels)
            batch = env.step(np.full(2, 6))
            assert batch.privileged["level"].tolist() == levels  # the true successor is still on it
        assert seen <= {*pool} if "pool" in options else seen == ({4, 5, 6} if options else {-1})
