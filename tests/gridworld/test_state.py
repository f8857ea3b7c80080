"""States taken out in the middle of episodes and put back: everything goes on exactly; bad ones are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.errors import UserError
from rewardlab.gridworld import make_vec

IDS = (
    "MiniGrid-ObstructedMaze-1Dlhb-v0",
    "MiniGrid-Dynamic-Obstacles-6x6-v0",
    "MiniGrid-PutNear-6x6-N2-v0",
    "MiniGrid-MultiRoom-N2-S4-v0",
)


def _run(envs, actions: np.ndarray) -> list[np.ndarray]:
    seen = []
    for row in actions:
        observation, rewards, terminated, truncated, _ = envs.step(row)
        seen += [observation["image"], observation["direction"], rewards, terminated, truncated]
        seen.append(np.array(observation["mission"]))
    return seen


@settings(max_examples=25, deadline=None)
@given(env_id=st.sampled_from(IDS), seed=st.integers(0, 10**6), before=st.integers(0, 90), fixed=st.booleans())
def test_a_restored_run_goes_on_exactly(env_id: str, seed: int, before: int, fixed: bool) -> None:
    options = {"levels": 5} if fixed else {}
    envs, other = make_vec(env_id, 3, **options), make_vec(env_id, 3, **options)
    rng = np.random.default_rng(seed)
    envs.reset(seed=seed), other.reset(seed=seed + 1)
    _run(envs, rng.integers(0, envs.single_action_space.n, (before, 3)))
    state = envs.get_state()
    kept = {name: array.copy() for name, array in state.items()}
    actions = rng.integers(0, envs.single_action_space.n, (60, 3))
    expected = _run(envs, actions)
    assert all(np.array_equal(state[name], kept[name]) for name in state)  # a copy, not a view
    other.set_state(state)
    for a, b in zip(expected, _run(other, actions), strict=True):
        assert np.array_equal(a, b)
    end, same = envs.get_state(), other.get_state()
    assert all(np.array_equal(end[name], same[name]) for name in end)


def test_level_lists_are_part_of_the_state() -> None:
    envs, other = make_vec(IDS[2], 2), make_vec(IDS[2], 2)
    envs.reset(seed=0), other.reset(seed=1)
    envs.set_levels(np.arange(20).reshape(2, 10))
    envs.reset()
    other.set_state(envs.get_state())
    actions = np.random.default_rng(0).integers(0, 7, (100, 2))
    for a, b in zip(_run(envs, actions), _run(other, actions), strict=True):
        assert np.array_equal(a, b)
    envs.set_levels(np.arange(4).reshape(2, 2))
    with pytest.raises(UserError, match="lists"):
        envs.set_state(other.get_state([0]), [1])


def test_copies_are_exact_and_independent() -> None:
    envs = make_vec("MiniGrid-DoorKey-6x6-v0", 4)
    envs.reset(seed=0)
    _run(envs, np.random.default_rng(1).integers(0, 7, (50, 4)))
    envs.copy_envs([1, 3], [0, 2])
    images = _run(envs, np.repeat(np.random.default_rng(2).integers(0, 7, (500, 2)), 2, axis=1))
    for array in images:
        assert np.array_equal(array[[0, 2]], array[[1, 3]])


def test_some_environments_return_to_a_kept_place_while_others_go_on() -> None:
    envs = make_vec("MiniGrid-MultiRoom-N4-S5-v1", 3)
    observation, _ = envs.reset(seed=0)
    place = envs.get_state([0])
    streams = place.pop("streams")
    _run(envs, np.full((5, 3), 1))
    envs.set_state(place, [2])
    now = envs.get_state()
    assert now["steps"].tolist() == [5, 5, 0]
    assert not np.array_equal(now["streams"][2], streams[0])
    assert np.array_equal(envs.observe()["image"][2], observation["image"][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cells": np.zeros((1, 5, 5, 4), np.uint8)}, "shape"),
        ({"cells": np.zeros((1, 6, 6, 4), np.uint8)}, "object code"),
        ({"cells": np.full((1, 6, 6, 4), [2, 9, 0, 0], np.uint8)}, "colour code"),
        ({"cells": np.full((1, 6, 6, 4), [2, 5, 1, 0], np.uint8)}, "state that its object"),
        ({"cells": np.full((1, 6, 6, 4), [6, 1, 0, 5], np.uint8)}, "no box"),
        ({"cells": np.full((1, 6, 6, 4), [7, 1, 0, 9], np.uint8)}, "content is no key"),
        ({"agent": np.array([[6, 0, 0]], np.int32)}, "outside of the 6 x 6 grid"),
        ({"agent": np.array([[1, 1, 4]], np.int32)}, "direction"),
        ({"agent": np.array([[1, 1, 1]], np.int64)}, "int32"),
        ({"carried": np.array([[2, 5, 0, 0]], np.uint8)}, "carries"),
        ({"steps": np.array([360], np.int32)}, "below 360"),
        ({"steps": np.array([-1], np.int32)}, "negative"),
        ({"step": np.array([1], np.int32)}, "unknown"),
        ({"steps": [1]}, "numpy array"),
    ],
)
def test_states_that_do_not_fit_are_refused(change: dict, message: str) -> None:
    envs = make_vec("MiniGrid-DoorKey-6x6-v0", 1)
    envs.reset(seed=0)
    before = envs.get_state()
    with pytest.raises(UserError, match=message):
        envs.set_state(change)
    after = envs.get_state()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_an_agent_inside_a_wall_is_refused() -> None:
    envs = make_vec("MiniGrid-DoorKey-6x6-v0", 1)
    envs.reset(seed=0)
    state = envs.get_state()
    state["agent"][0, :2] = 0
    with pytest.raises(UserError, match="cannot be stood on"):
        envs.set_state(state)
    with pytest.raises(UserError, match="cannot be stood on"):
        envs.set_state({"agent": state["agent"]})


def test_registers_never_lead_outside_of_the_grid() -> None:
    envs = make_vec("MiniGrid-Unlock-v0", 1)
    envs.reset(seed=0)
    state = envs.get_state()
    state["registers"][0, 0] = 10**6
    with pytest.raises(UserError, match="position"):
        envs.set_state(state)
