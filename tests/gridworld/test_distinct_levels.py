"""Which seeds make the same level, by Farama's own environments; the kept counts against counting anew."""

import pytest

from rewardlab.gridworld import env_ids
from rewardlab.gridworld.distinct_levels import count_levels, distinct_seeds, level_keys
from rewardlab.gridworld.reference import make_reference
from rewardlab.gridworld.task_facts import task_facts
from rewardlab.seeding import evaluation_seeds

TASKS = ["MiniGrid-DoorKey-5x5-v0", "MiniGrid-LavaCrossingS9N1-v0", "MiniGrid-GoToDoor-5x5-v0", "MiniGrid-MemoryS7-v0"]


def faramas(env_id: str, seeds: list[int]) -> list[tuple]:
    env = make_reference(env_id).unwrapped
    found = []
    for seed in seeds:
        env.reset(seed=seed)
        found.append((env.grid.encode().tobytes(), tuple(map(int, env.agent_pos)), int(env.agent_dir), env.mission))
    return found


@pytest.mark.parametrize("env_id", TASKS)
def test_keys_are_equal_where_faramas_levels_are(env_id: str) -> None:
    seeds = list(range(300))  # more than are looked at together
    keys, theirs = level_keys(env_id, seeds), faramas(env_id, seeds)
    assert len(keys) == 300
    assert len(set(keys)) == len(set(theirs)) == len(set(zip(keys, theirs, strict=True)))


@pytest.mark.parametrize(
    "env_id", ["MiniGrid-DoorKey-6x6-v0", "MiniGrid-KeyCorridorS3R1-v0", "MiniGrid-MemoryS17Random-v0"]
)
@pytest.mark.parametrize("episodes", [20, 100, 150])
def test_distinct_seeds_are_the_first_of_their_levels(env_id: str, episodes: int) -> None:
    chosen = distinct_seeds(env_id, episodes)
    first: dict[tuple, int] = {}
    seeds = evaluation_seeds(2 * episodes)
    for seed, level in zip(seeds, faramas(env_id, seeds), strict=True):
        first.setdefault(level, seed)
    assert list(chosen) == list(first.values())[:episodes]
    assert distinct_seeds(env_id, episodes + 1)[:episodes] == chosen  # a prefix of one list


def test_the_table_is_what_counting_finds() -> None:
    for env_id in ("MiniGrid-DoorKey-5x5-v0", "MiniGrid-DoorKey-8x8-v0", "MiniGrid-Dynamic-Obstacles-5x5-v0"):
        assert count_levels(env_id) == task_facts(env_id).counts
    facts = task_facts("MiniGrid-DoorKey-5x5-v0").counts
    assert (facts.distinct_levels, facts.seen_in_training) == (48, 1.0)


def test_the_first_repeat_and_the_number_of_candidates_decide() -> None:
    counts = task_facts("MiniGrid-DoorKey-5x5-v0").counts
    keys = faramas("MiniGrid-DoorKey-5x5-v0", evaluation_seeds(60))
    for episodes in (1, 5, 10, 11, 48, 49, 100):
        repeats = len(set(keys[:episodes])) < min(episodes, 60)
        assert counts.plays_distinct(episodes) == (repeats and episodes <= 48)
    assert len(distinct_seeds("MiniGrid-DoorKey-5x5-v0", 48)) == 48
    with pytest.raises(ValueError, match="fewer than 49"):
        distinct_seeds("MiniGrid-DoorKey-5x5-v0", 49)


def test_where_obstacles_move_at_random_levels_are_not_compared() -> None:
    assert level_keys("MiniGrid-Dynamic-Obstacles-8x8-v0", [1, 2]) is None
    for env_id in env_ids():
        counts = task_facts(env_id).counts
        assert (counts.seen_in_training is None) == ("Dynamic" in env_id)
        if counts.distinct_levels is not None:
            assert counts.distinct_candidates <= counts.distinct_levels
