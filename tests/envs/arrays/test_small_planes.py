"""The three small continuous worlds, recomputed by other means."""

from collections import deque
from typing import Any

import gymnasium
import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.envs.arrays import hardmaze, mountaincar, pointplane
from rewardlab.envs.levels import Levels
from rewardlab.facts import POSITION, SIGHT
from rewardlab.training.environments import make_level_env


def test_pointplane_pays_in_the_first_box_alone() -> None:
    env = pointplane.make(pointplane.Config(), Levels(1), (POSITION,))
    env.reset([0])
    rng = np.random.default_rng(0)
    boxes = [
        [(0.75, 0.8), (0.75, 0.8)],
        [(-0.98, -0.93), (0.9, 0.95)],
        [(0, 0.05), (-0.75, -0.7)],
        [(-0.75, -0.7), (-0.05, 0)],
    ]
    paid = 0
    for episode in range(60):
        at, first, target = np.zeros(2), None, [np.mean(b, axis=1) for b in boxes][episode % 4]
        for t in range(50):
            action = np.clip((target - at) / 0.05, -1, 1) + rng.normal(0, 0.3, 2)
            if t > 30 and episode % 3 == 0:  # on to the next box, which pays nothing
                action = np.clip((np.mean(boxes[(episode + 1) % 4], axis=1) - at) / 0.05, -1, 1)
            action = action.astype(np.float32)
            at = np.clip(at + 0.05 * np.clip(action.astype(np.float64), -1, 1), -1, 1)
            inside = [all(low <= x <= high for x, (low, high) in zip(at, box, strict=True)) for box in boxes]
            if first is None and any(inside):
                first = inside.index(True)
            batch = env.step(action[None])
            expected = float(first is not None and inside[first])
            assert batch.task_reward[0] == expected
            assert np.allclose(batch.next_obs["vector"][0], at, atol=1e-6)
            assert np.allclose(batch.privileged[POSITION][0], at, atol=1e-6)
            assert batch.truncated[0] == (t == 49)
            paid += expected
        assert batch.success[0] == (first is not None)
    assert paid > 200


@pytest.mark.parametrize("world", [pointplane, hardmaze, mountaincar])
def test_small_pictures_show_a_dot_where_the_agent_is(world: Any) -> None:
    env = world.make(world.Config(), Levels(50, lists=[[i] for i in range(50)]), (SIGHT,))
    env.reset(range(50))
    rng = np.random.default_rng(0)
    pushes = rng.uniform(-1, 1, (50, *env.spec.action.shape)).astype(np.float32)
    for _ in range(50):
        before = {name: array.copy() for name, array in env.arrays.items()}
        batch = env.step(pushes)
    ended = batch.truncated
    assert ended.all() == (world is pointplane)
    sights = batch.privileged[SIGHT]
    whole = np.asarray(sights)
    assert len(sights) == 50 and whole.shape == (50, 32, 32, 3) and whole.dtype == np.uint8
    assert np.array_equal(sights[np.array([3, 7])], whole[[3, 7]]) and np.array_equal(sights[7], whole[7])
    background = np.median(whole, axis=0)
    if world is pointplane:  # the last step's, not those of the new episode in the middle
        at = np.clip(before["at"] + 0.05 * pushes, -1, 1)
        middles = 16 * (1 + at * [1, -1])
    elif world is hardmaze:
        middles = env.arrays["at"] / 210 * 32
    else:
        place = env.arrays["state"][:, 0]
        middles = np.stack([(place + 1.2) / 1.8 * 32, (148 - (0.45 * np.sin(3 * place) + 0.55) * 100) / 5], axis=1)
    for picture, (x, y) in zip(whole, middles, strict=True):
        for row in range(32):
            for column in range(32):
                gap = np.hypot(column + 0.5 - x, row + 0.5 - y)
                if gap < 1.2:  # (hills are drawn in whole pixels of a larger picture)
                    assert picture[row, column].tolist() == [200, 40, 40]
                elif gap > 2.6 and world is pointplane:
                    assert np.array_equal(picture[row, column], background[row, column])


@pytest.mark.parametrize("box", [None, 0])
def test_the_best_of_pointplane_is_reached(box: int | None) -> None:
    env = pointplane.make(pointplane.Config(box=box), Levels(1))
    area = pointplane.AREAS[3 if box is None else box]
    env.reset([0])
    total, at = 0.0, np.zeros(2)
    for _ in range(50):
        aim = np.clip(np.zeros(2), *np.moveaxis(area, 1, 0))
        action = np.clip((aim - at) / 0.05, -1, 1)
        at = np.clip(at + 0.05 * action, -1, 1)
        total += float(env.step(action[None].astype(np.float32)).task_reward[0])
    assert abs(total - pointplane.best_return(box)) <= 1


def test_with_one_box_the_others_pay_nothing() -> None:
    for box, paid in ((None, 5.0), (3, 5.0), (1, 0.0)):
        env = pointplane.make(pointplane.Config(box=box), Levels(1))
        env.reset([0])
        env.arrays["at"][:] = (-0.72, -0.02)
        total = sum(float(env.step(np.zeros((1, 2), np.float32)).task_reward[0]) for _ in range(5))
        assert total == paid


@pytest.mark.parametrize("cost", [0.0, 0.1])
def test_mountaincar_moves_as_faramas(cost: float) -> None:
    ours = mountaincar.make(mountaincar.Config(cost=cost), Levels(1))
    theirs = gymnasium.make("MountainCarContinuous-v0").unwrapped
    seen = ours.reset([3])["vector"][0]
    theirs.reset(seed=0)
    theirs.state = ours.arrays["state"][0].copy()
    assert -0.6 <= seen[0] <= -0.4 and seen[1] == 0
    rng, ended = np.random.default_rng(1), False
    for t in range(600):
        push = np.float32(np.sign(seen[1] + 1e-9) * (rng.random() * 0.5 + 0.7) if t > 50 else rng.normal())
        batch = ours.step(np.array([[push]]))
        state, _, ended, *_ = theirs.step(np.array([push]))
        seen = batch.next_obs["vector"][0]
        assert np.allclose(seen, state, atol=1e-5)
        assert batch.terminated[0] == ended == batch.success[0]
        clipped = float(np.clip(push, -1, 1))
        assert batch.task_reward[0] == pytest.approx(ended - cost * clipped**2, abs=1e-6)
        if ended:
            break
    assert ended


def walls() -> list[tuple[np.ndarray, np.ndarray]]:
    return [(wall[:2], wall[2:]) for wall in hardmaze.WALLS]


def distance_to_walls(at: np.ndarray) -> float:
    shares = np.linspace(0, 1, 2001)[:, None]
    return min(np.hypot(*(a + shares * (b - a) - at).T).min() for a, b in walls())


def test_hardmaze_sees_walls_and_the_goal() -> None:
    env = hardmaze.make(hardmaze.Config(), Levels(1), (POSITION,))
    env.reset([0])
    rng = np.random.default_rng(2)
    shares = np.linspace(0, 1, 4001)[:, None]
    for _ in range(25):
        for _ in range(12):
            seen = env.step(rng.uniform(-1, 1, (1, 2)).astype(np.float32)).obs["vector"][0]
        at, heading = env.arrays["at"][0], env.arrays["heading"][0]
        assert distance_to_walls(at) >= 8 - 1e-3
        for k, angle in enumerate((-90, -45, 0, 45, 90, 180)):
            nearest = 100.0
            for a, b in walls():
                points = a + shares * (b - a) - at
                off = np.rad2deg(np.arctan2(points[:, 1], points[:, 0])) - heading - angle
                off = (off + 180) % 360 - 180
                crossed = (off[:-1] * off[1:] <= 0) & (np.abs(off[:-1]) < 90)
                if crossed.any():
                    nearest = min(nearest, np.hypot(*points[:-1][crossed].T).min())
            assert 100 * seen[1 + k] == pytest.approx(nearest, abs=0.3)
        toward = (np.rad2deg(np.arctan2(20 - at[1], 31 - at[0])) - heading) % 360
        quarter = int(toward >= 45) + int(toward >= 135) + int(toward >= 225) if toward < 315 else 0
        assert seen[0] == 1 and seen[7:].tolist() == [float(k == quarter) for k in range(4)]


def test_hardmaze_can_be_solved_and_deceives() -> None:
    """A flood from the start reaches the goal, and on the way there it is far from it."""
    reached, waiting = {(36, 184): 0}, deque([(36, 184)])
    while waiting:
        x, y = waiting.popleft()
        for dx, dy in ((2, 0), (-2, 0), (0, 2), (0, -2)):
            there = (x + dx, y + dy)
            if there not in reached and hardmaze.way_is_clear(np.array([there], float), hardmaze.WALLS, 8.0)[0]:
                reached[there] = reached[x, y] + 1
                waiting.append(there)
    near = [place for place in reached if np.hypot(place[0] - 31, place[1] - 20) < 10]
    assert near and all(0 < x < 200 and 0 < y < 205 for x, y in reached)  # nobody leaves the maze
    assert 2 * min(reached[place] for place in near) > 1.5 * np.hypot(36 - 31, 184 - 20)
    assert 2 * min(reached[place] for place in near) < 3 * 400  # within an episode at full speed


def test_hardmaze_pays_the_goal_or_the_distance() -> None:
    for pays in ("goal", "distance"):
        env = hardmaze.make(hardmaze.Config(pays=pays), Levels(1))
        env.reset([0])
        for t in range(400):
            batch = env.step(np.array([[0.1, -0.2]], np.float32))
            last = t == 399
            assert batch.truncated[0] == last and not batch.terminated[0]
            if pays == "goal" or not last:
                assert batch.task_reward[0] == 0
        env.reset([0])
        env.arrays["at"][:] = 42.0, 20.0
        env.arrays["heading"][:] = 180.0
        for _ in range(3):
            batch = env.step(np.array([[0.0, 1.0]], np.float32))
            if batch.success[0]:
                break
        assert batch.success[0] == (pays == "goal") == batch.terminated[0] == (batch.task_reward[0] == 1)


@pytest.mark.parametrize(
    ("overrides", "lowest"),
    [
        (["env=pointplane"], 0.0),
        (["env=hardmaze", "env.pays=distance"], -np.hypot(200 - 31, 205 - 20)),
        (["env=mountaincar", "env.cost=0.1"], -99.9),
        (["env=dynamic_obstacles_5x5"], -1.0),
        (["env=doorkey_5x5"], 0.0),
    ],
)
def test_no_episode_falls_below_the_lowest_return(overrides: list[str], lowest: float) -> None:
    config = compose(overrides).config
    env = make_level_env(config)([[level] for level in range(20)])
    assert env.spec.task.lowest_return == pytest.approx(lowest)
    rng, total, least = np.random.default_rng(0), np.zeros(20), np.inf
    env.reset(list(range(20)))
    for _ in range(1000):
        action = env.spec.action
        drawn = rng.integers(action.n, size=20) if action.n else rng.choice([-1.0, 1.0], (20, *action.shape))
        step = env.step(drawn)
        total += step.task_reward
        ended = step.terminated | step.truncated
        least = min(least, total[ended].min(initial=np.inf))
        total[ended] = 0.0
    assert lowest - 1e-4 <= least < lowest + 80  # float32 sums
