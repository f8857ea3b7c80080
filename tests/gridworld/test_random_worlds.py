"""Worlds that no generator draws: random clutter of every object, seen and acted in on both sides."""

import gymnasium
import minigrid  # noqa: F401 (registers its ids)
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.gridworld import make_vec
from rewardlab.gridworld.constants import BALL, BOX, DOOR, FLOOR, GOAL, GREEN, KEY, LAVA, NOTHING, RED, WALL
from rewardlab.gridworld.reference import build, encode, read_cells

NAME = "MiniGrid-DoorKey-8x8-v0"
THINGS = (NOTHING, WALL, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA)


def _random_cell(rng: np.random.Generator, clutter: float) -> list[int]:
    kind = int(rng.choice(THINGS)) if rng.random() < clutter else NOTHING
    colour = {NOTHING: 0, GOAL: GREEN, LAVA: RED}.get(kind, int(rng.integers(6)))
    state = int(rng.integers(3)) if kind == DOOR else 0
    inside = int(rng.choice((KEY, BALL, BOX))) | int(rng.integers(6)) << 4 if kind == BOX and rng.random() < 0.7 else 0
    return [kind, colour, state, inside]


def _random_world(rng: np.random.Generator) -> dict[str, np.ndarray]:
    clutter = rng.random()
    cells = np.array([[_random_cell(rng, clutter) for _ in range(8)] for _ in range(8)], dtype=np.uint8)
    x, y = rng.integers(1, 7, 2)
    cells[[0, -1]] = cells[:, [0, -1]] = (WALL, 5, 0, 0)
    cells[y, x] = (DOOR, 1, 0, 0) if rng.random() < 0.2 else (NOTHING, 0, 0, 0)
    carried = np.zeros(4, dtype=np.uint8)
    while rng.random() < 0.5:
        cell = _random_cell(rng, 1.0)
        if cell[0] in (KEY, BALL, BOX):
            carried[:] = cell
            break
    agent = np.array([x, y, rng.integers(4)], dtype=np.int32)
    return {"cells": cells[None], "agent": agent[None], "carried": carried[None]}


def _write(env, world: dict[str, np.ndarray]) -> None:
    for y in range(8):
        for x in range(8):
            env.grid.set(x, y, build(world["cells"][0, y, x]))
    env.agent_pos, env.agent_dir = np.array(world["agent"][0, :2]), int(world["agent"][0, 2])
    env.carrying = build(world["carried"][0])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.sampled_from([3, 7, 11]))
def test_random_worlds_look_and_behave_as_faramas(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    envs = make_vec(NAME, 1, view_size=size)
    env = gymnasium.make(NAME, agent_view_size=size, disable_env_checker=True).unwrapped
    envs.reset(seed=0)
    env.reset(seed=0)
    world = _random_world(rng)
    envs.set_state(world)
    _write(env, world)
    mine, theirs = envs.observe(), env.gen_obs()
    assert np.array_equal(mine["image"][0], theirs["image"])
    for action in rng.choice(7, 60, p=[0.15, 0.15, 0.3, 0.12, 0.1, 0.15, 0.03]):
        mine, rewards, terminated, truncated, infos = envs.step([action])
        theirs, reward, ended, cut, _ = env.step(int(action))
        assert (rewards[0], terminated[0], truncated[0]) == (reward, ended, cut)
        if ended or cut:
            assert np.array_equal(infos["final_obs"][0]["image"], theirs["image"])
            break
        assert np.array_equal(mine["image"][0], theirs["image"])
        state = envs.get_state()
        assert np.array_equal(state["cells"][0], read_cells(env))
        carried = (0, 0, 0, 0) if env.carrying is None else encode(env.carrying)
        assert tuple(state["carried"][0].tolist()) == carried


@pytest.mark.parametrize("through", [False, True])
def test_views_of_random_worlds_equal_faramas_from_everywhere(through: bool) -> None:
    rng = np.random.default_rng(0)
    envs = make_vec(NAME, 1, see_through_walls=through)
    env = gymnasium.make(NAME, see_through_walls=through, disable_env_checker=True).unwrapped
    envs.reset(seed=0)
    env.reset(seed=0)
    for _ in range(150):
        world = _random_world(rng)
        envs.set_state(world)
        _write(env, world)
        assert np.array_equal(envs.observe()["image"][0], env.gen_obs()["image"])
