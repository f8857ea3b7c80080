"""Mazes on the engine: what is drawn, put in and paid, beside an independent search and exact chances."""

from collections import deque
from dataclasses import replace

import numpy as np
import pytest

from rewardlab import schemas
from rewardlab.envs.grids import maze
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.gridworld import mazes
from rewardlab.gridworld.constants import FORWARD, LEFT, RIGHT
from rewardlab.gridworld.maze_levels import mazes_of, optima, random_play
from rewardlab.maths.level_scores import oracle_regret


def make(num_envs: int, privileged: tuple[str, ...] = (), **options):
    return maze.make(maze.Config(**options), Levels(num_envs), privileged)


def empty(size: int) -> mazes.Mazes:
    return mazes.drawn((">" + "." * (size - 1), *["." * size] * (size - 2), "." * (size - 1) + "G"))


def way(one: mazes.Mazes) -> list[int] | None:
    """Actions of a shortest way, by a search of its own; None: there is none."""
    height, width = one.walls.shape[1:]
    ahead = ((1, 0), (0, 1), (-1, 0), (0, -1))
    goal = int(one.goal[0]) % width, int(one.goal[0]) // width
    first = int(one.start[0]) % width, int(one.start[0]) // width, int(one.heading[0])
    came: dict[tuple[int, int, int], tuple[tuple[int, int, int], int] | None] = {first: None}
    queue = deque([first])
    while queue:
        pose = x, y, heading = queue.popleft()
        if (x, y) == goal:
            actions = []
            while (step := came[pose]) is not None:
                pose = step[0]
                actions.append(step[1])
            return actions[::-1]
        to_x, to_y = x + ahead[heading][0], y + ahead[heading][1]
        nexts = [((x, y, (heading + 3) % 4), LEFT), ((x, y, (heading + 1) % 4), RIGHT)]
        if 0 <= to_x < width and 0 <= to_y < height and not one.walls[0, to_y, to_x]:
            nexts.append(((to_x, to_y, heading), FORWARD))
        for after, action in nexts:
            if after not in came:
                came[after] = pose, action
                queue.append(after)
    return None


def test_ten_thousand_mazes_go_through_the_engine_and_come_back() -> None:
    rng, where = np.random.default_rng(0), np.arange(1000)
    env = make(1000, size=7)
    env.reset(range(1000))
    for _ in range(5):
        walls = rng.integers(0, 40, size=1000)
        for given in (mazes.uniform(1000, 7, walls, rng), mazes.walls_first(1000, 7, walls, rng)):
            shown = env.put_places(where, mazes.to_state(given))
            assert mazes.from_state(env.take_places(where)).keys() == given.keys()
            assert (shown["vector"].argmax(axis=1) == given.heading).all() and shown["vector"].sum() == 1000


def test_the_shortest_way_of_another_search_is_paid_to_the_letter() -> None:
    rng, count = np.random.default_rng(1), 60
    walls = rng.integers(0, 20, size=count)
    given = mazes.joined([mazes.walls_first(count, 7, walls, rng), mazes.perfect(20, 7, rng)])
    steps, env = mazes.distances(given), make(len(given), size=7)
    env.reset(range(len(given)))
    env.put_places(np.arange(len(given)), mazes.to_state(given))
    ways = [way(given[m : m + 1]) for m in range(len(given))]
    assert [-1 if found is None else len(found) for found in ways] == steps.tolist() and (steps < 0).any()
    over = np.zeros(len(given), dtype=bool)
    for t in range(int(steps.max())):
        action = np.array([found[t] if found is not None and t < len(found) else LEFT for found in ways])
        batch = env.step(action)
        here = steps == t + 1
        paid = np.where(here, 1 - 0.9 * (t + 1) / 250, 0.0)
        np.testing.assert_allclose(batch.task_reward[~over], paid[~over], rtol=1e-6)
        np.testing.assert_array_equal(batch.success[~over], here[~over])
        over |= here
    np.testing.assert_allclose(optima(given, 250), np.where(steps >= 0, 1 - 0.9 * steps / 250, 0), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        ({}, 20.0, 25),
        ({"generator": "uniform"}, 25.0, 25),
        ({"fewest_walls": 10, "walls": 60}, 25.0, 60),
        ({"generator": "perfect", "size": 7}, 18.0, 18),
        ({"walls": 0}, 0.0, 0),
        ({"generator": "uniform", "size": 3, "walls": 7}, 7.0, 7),
        ({"generator": "walls_first", "size": 2, "walls": 90}, 1.0, 2),
    ],
)
def test_levels_are_drawn_as_the_generator_says(options: dict, least: float, most: int) -> None:
    config = maze.Config(**options)
    schemas.check(config, "env.")
    drawn = mazes_of(config.id, range(400))
    count = drawn.walls.sum(axis=(1, 2))
    assert least <= count.mean() and count.max() <= most
    flat, every = drawn.walls.reshape(400, -1), np.arange(400)
    assert not (flat[every, drawn.start] | flat[every, drawn.goal] | (drawn.start == drawn.goal)).any()
    assert (np.bincount(drawn.heading, minlength=4) > 50).all()
    assert len(set(drawn.keys())) > (390 if config.size > 3 else 20)
    assert mazes_of(config.id, [7, 3]).keys() == [drawn.keys()[7], drawn.keys()[3]]
    if config.generator == "perfect":
        corners = {0, 6, 42, 48}
        assert set(drawn.start.tolist()) == set(drawn.goal.tolist()) == corners
        for free in ~drawn.walls[:50]:
            edges = int((free[1:] & free[:-1]).sum() + (free[:, 1:] & free[:, :-1]).sum())
            assert edges == free.sum() - 1
        assert (mazes.walks(drawn) >= 0).all()
        # Kruskal's trees with random links: every link of the grid is as likely as its mirror image.
        links = (~drawn.walls).mean(axis=0)
        assert abs(links - links[::-1]).max() < 0.12 and abs(links - links.T).max() < 0.12


def test_the_engine_draws_as_the_arrays_are_drawn() -> None:
    """The same distributions: walls left, shares of solvable ones, walks; and nowhere is goal or agent more often."""
    count, rng = 8000, np.random.default_rng(2)
    for generator in ("walls_first", "uniform"):
        drawn = mazes_of(maze.Config(generator=generator).id, range(count))
        other = getattr(mazes, generator)(count, 13, np.full(count, 25), rng)
        for measured in (
            lambda these: these.walls.sum(axis=(1, 2)),
            mazes.walks,
            lambda these: mazes.walks(these) >= 0,
        ):
            a, b = measured(drawn).astype(float), measured(other).astype(float)
            assert abs(a.mean() - b.mean()) < 4.5 * np.sqrt((a.var() + b.var() + 1e-9) / count)
        for where in (drawn.start, drawn.goal, np.flatnonzero(drawn.walls) % 169):
            counts = np.bincount(where, minlength=169)
            assert abs(counts - counts.mean()).max() < 5 * np.sqrt(counts.mean())


def _count(these: mazes.Mazes) -> np.ndarray:
    return these.walls.sum(axis=(1, 2))


def test_random_play_has_the_known_chances() -> None:
    """Closed forms that were computed by a script of others; the engine's own play agrees."""
    success, paid = random_play(empty(5), 250, 3)
    np.testing.assert_allclose([success[0], paid[0]], [0.683557, 0.390125], atol=5e-7)
    success, paid = random_play(mazes.named("SixteenRooms"), 450, 3)
    np.testing.assert_allclose([success[0], paid[0]], [0.024567, 0.007661], atol=5e-7)
    steps = mazes.distances(empty(5))
    assert optima(empty(5), 250)[0] == pytest.approx(0.9676)
    assert oracle_regret(steps, 250, np.array([0.390125]))[0] == pytest.approx(0.577475)


@pytest.mark.parametrize("actions", [3, 7])
def test_random_play_is_what_the_engine_pays(actions: int) -> None:
    count, rng = 2000, np.random.default_rng(3)
    env, level = make(count, size=5, actions=actions), empty(5)
    env.reset(range(count))
    env.put_places(np.arange(count), mazes.to_state(mazes.joined([level] * count)))
    returns, solved, over = np.zeros(count), np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    for _ in range(250):
        batch = env.step(rng.integers(actions, size=count))
        returns += np.where(over, 0, batch.task_reward)
        solved |= batch.success & ~over
        over |= batch.terminated | batch.truncated
    assert over.all()
    success, paid = random_play(level, 250, actions)
    assert abs(solved.mean() - success[0]) < 4 * np.sqrt(success[0] * (1 - success[0]) / count)
    assert abs(returns.mean() - paid[0]) < 4 * returns.std() / np.sqrt(count)
    p = solved.mean()
    if actions == 3:
        assert p * (1 - p) == pytest.approx(0.216307, abs=0.02)
        assert oracle_regret(mazes.distances(level), 250, np.array([returns.mean()]))[0] == pytest.approx(
            0.577475, abs=0.04
        )


def test_a_held_out_maze_is_every_level() -> None:
    config = maze.Config(maze="Labyrinth")
    schemas.check(config, "env.")
    drawn = mazes_of(config.id, range(5))
    assert set(drawn.keys()) == set(mazes.named("Labyrinth").keys())
    task = config.task_facts()
    assert (task.distinct_levels, task.optimal_return) == (1, pytest.approx(1 - 0.9 * 113 / 250))
    longer = replace(config, max_steps=450).task_facts()
    assert longer.optimal_return == pytest.approx(0.774)  # as the best that is published


def test_what_is_known_of_the_task() -> None:
    config = maze.Config(size=7, walls=12)
    task = config.task_facts()
    levels = mazes_of(config.id, config.evaluation_seeds(100))
    assert task.optimal_return == pytest.approx(optima(levels, 250).mean())
    assert (task.optimum_kind, task.lowest_return, task.seen_in_training) == ("exact", 0.0, 0.0)
    returns = []
    env = maze.make(config, Levels(100, lists=[[seed] for seed in config.evaluation_seeds(100)]))
    env.reset([0] * 100)
    rng, total, played = np.random.default_rng(4), np.zeros(100), np.zeros(100, dtype=int)
    while (played < 8).any():
        batch = env.step(rng.integers(7, size=100))
        total += batch.task_reward
        for i in np.flatnonzero(batch.terminated | batch.truncated):
            if played[i] < 8:
                returns.append(total[i])
            played[i], total[i] = played[i] + 1, 0.0
    assert abs(np.mean(returns) - task.random_return) < 4 * np.std(returns) / np.sqrt(800)


def test_headings_and_facts_are_those_of_the_engine() -> None:
    env = make(16, ("agent_pos", "distance", "state_hash"))
    obs, rng = env.reset(range(16)), np.random.default_rng(5)
    assert obs["image"].shape == (16, 5, 5, 3) and env.spec.placeable and env.spec.restorable
    for _ in range(300):
        now = env.take_places(np.arange(16))
        assert (obs["vector"].argmax(axis=1) == now["agent"][:, 2]).all()
        assert (env.privileged()["agent_pos"] == now["agent"][:, :2]).all()
        steps = mazes.distances(mazes.from_state(now))
        assert (env.privileged()["distance"] == np.where(steps < 0, 250, steps)).all()
        obs = env.step(rng.integers(7, size=16)).obs
    assert "vector" not in make(1, direction=False).reset([0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"maze": "Labirynth"}, "Labyrinth"),
        ({"maze": "Maze", "size": 7}, "13x13"),
        ({"maze": "Maze", "generator": "perfect"}, "leave generator"),
        ({"generator": "perfect", "size": 8}, "odd"),
        ({"generator": "perfect", "fewest_walls": 0}, "leave it out"),
        ({"generator": "uniform", "size": 3, "walls": 8}, "hold 7"),
        ({"fewest_walls": 26}, "at most"),
        ({"walls": 10_001}, "at most 10000"),
        ({"view_size": 4}, "odd"),
    ],
)
def test_what_makes_no_mazes_is_refused(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        schemas.check(maze.Config(**options), "env.")
