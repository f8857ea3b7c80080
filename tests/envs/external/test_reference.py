"""The vector environment against Farama's own, stepped by hand."""

import numpy as np
import pytest
from hand import bare, grid_env, random_actions

from rewardlab.envs.external import gym
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError

SEEDS = [11, 4_000_000_000, 0]


@pytest.mark.parametrize(
    "env_id", ["MiniGrid-Empty-Random-5x5-v0", "MiniGrid-LavaGapS5-v0", "MiniGrid-Dynamic-Obstacles-Random-5x5-v0"]
)
def test_every_step_is_that_of_the_bare_environment_and_its_stream_goes_on_at_resets(env_id: str) -> None:
    env = grid_env(env_id, len(SEEDS), privileged=("agent_pos",))
    twins = [bare(env_id) for _ in SEEDS]
    shown = env.reset(SEEDS)
    now = np.stack([twin.reset(seed=seed)[0]["image"] for twin, seed in zip(twins, SEEDS, strict=True)])
    np.testing.assert_array_equal(shown["image"], now)
    ended = np.zeros(len(SEEDS), int)
    for action in random_actions(env, 260):
        batch = env.step(action)
        for i, twin in enumerate(twins):
            observation, reward, terminated, truncated, _ = twin.step(int(action[i]))
            np.testing.assert_array_equal(batch.next_obs["image"][i], observation["image"])
            np.testing.assert_array_equal(batch.privileged["agent_pos"][i], twin.unwrapped.agent_pos)
            assert batch.task_reward[i] == np.float32(reward)
            assert (batch.terminated[i], batch.truncated[i]) == (terminated, truncated)
            assert batch.success[i] == ((terminated or truncated) and reward > 0)
            if terminated or truncated:
                observation, _ = twin.reset()
                ended[i] += 1
            np.testing.assert_array_equal(batch.obs["image"][i], observation["image"])
            np.testing.assert_array_equal(env.privileged()["agent_pos"][i], twin.unwrapped.agent_pos)
    assert (ended >= 2).all(), "too few episodes ended for the test to mean anything"


def test_batches_and_their_types() -> None:
    env = grid_env("MiniGrid-Empty-5x5-v0", 2)
    obs = env.reset([1, 2])
    batch = env.step(np.array([2, 2]))
    assert obs["image"].shape == batch.obs["image"].shape == (2, 7, 7, 3)
    assert obs["image"].dtype == np.uint8 and batch.task_reward.dtype == np.float32
    assert batch.terminated.dtype == batch.truncated.dtype == batch.success.dtype == bool
    assert batch.privileged == {} and env.privileged() == {}


def test_what_was_handed_out_is_not_written_over_by_later_steps() -> None:
    env = grid_env("MiniGrid-Empty-Random-5x5-v0", 2)
    held = [env.reset([1, 2])["image"]]
    before = [held[0].copy()]
    terminated = []
    for action in random_actions(env, 150):
        batch = env.step(action)
        for array in (batch.obs["image"], batch.next_obs["image"]):
            held.append(array)
            before.append(array.copy())
        terminated.append((batch.terminated, batch.terminated.copy()))
    for array, copy in zip(held, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    for array, copy in terminated:
        np.testing.assert_array_equal(array, copy)
    assert any(copy.any() for _, copy in terminated)


def test_the_end_of_time_truncates_and_reaching_the_goal_terminates() -> None:
    env = grid_env("MiniGrid-Empty-5x5-v0", 2)
    env.reset([0, 0])
    to_goal = [2, 2, 1, 2, 2]  # along the wall to the corner and down
    flags = []
    for step in range(100):
        action = [to_goal[step] if step < 5 else 6, 6]
        batch = env.step(np.array(action))
        flags.append((batch.terminated.tolist(), batch.truncated.tolist(), batch.success.tolist()))
    assert flags[3] == ([False, False],) * 3
    assert flags[4] == ([True, False], [False, False], [True, False])
    assert flags[99] == ([False, False], [False, True], [False, False])


def test_both_at_once_where_the_goal_is_reached_with_the_last_step() -> None:
    env = grid_env("MiniGrid-Empty-5x5-v0", 1)
    env.reset([0])
    for action in [6] * 95 + [2, 2, 1, 2]:
        assert not env.step(np.array([action])).terminated[0]
    batch = env.step(np.array([2]))
    assert (batch.terminated[0], batch.truncated[0], batch.success[0]) == (True, True, True)
    assert batch.task_reward[0] == np.float32(0.1)


def test_a_collision_pays_minus_one_and_is_no_success() -> None:
    env = grid_env("MiniGrid-Dynamic-Obstacles-5x5-v0", 4)
    env.reset([0, 1, 2, 3])
    batches = [env.step(action) for action in random_actions(env, 40)]
    lost = np.stack([batch.task_reward for batch in batches]) == -1
    assert lost.any()
    assert np.stack([batch.terminated for batch in batches])[lost].all()
    assert not np.stack([batch.success for batch in batches])[lost].any()


def test_the_same_seeds_give_the_same_steps_again_from_a_used_environment() -> None:
    env = grid_env("MiniGrid-DoorKey-6x6-v0", 3, privileged=("state_hash",))

    def play() -> np.ndarray:
        env.reset(SEEDS)
        return np.stack([env.step(action).privileged["state_hash"] for action in random_actions(env, 60)])

    first = play()
    np.testing.assert_array_equal(play(), first)
    assert len(np.unique(first)) > 20


def test_as_many_seeds_as_environments() -> None:
    with pytest.raises(ValueError, match="1 seeds for 2 environments"):
        grid_env("MiniGrid-Empty-5x5-v0", 2).reset([1])


def test_facts_that_it_does_not_have_are_refused_by_name() -> None:
    with pytest.raises(
        UserError,
        match=r"cannot give goal_pos \(full-state facts .*: state_hash, agent_pos, grid, panorama, picture, lava",
    ):
        grid_env("MiniGrid-Empty-5x5-v0", 1, privileged=("state_hash", "goal_pos"))
    with pytest.raises(UserError, match=r"cannot give doors_opne; did you mean doors_open\? \("):
        grid_env("MiniGrid-Empty-5x5-v0", 1, privileged=("doors_opne",))
    with pytest.raises(UserError, match=r"cannot give state_hash \(full-state facts that it offers: picture\)"):
        gym.make(gym.Config(id="CartPole-v1"), Levels(1), ("state_hash",))
