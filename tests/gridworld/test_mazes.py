"""Mazes as arrays: generators, mutations, the way through the engine and back, distances by an independent search."""

from dataclasses import replace

import numpy as np
import pytest

from rewardlab.errors import UserError
from rewardlab.gridworld import mazes
from rewardlab.gridworld.constants import FORWARD, LEFT, RIGHT
from rewardlab.gridworld.named_mazes import names
from rewardlab.gridworld.vector import make_vec


def _batch(seed: int, count: int = 200, size: int = 7) -> mazes.Mazes:
    rng = np.random.default_rng(seed)
    walls = rng.integers(0, 20, size=count)
    few = mazes.uniform(count, size, walls, rng), mazes.walls_first(count, size, walls, rng)
    return mazes.joined([*few, mazes.perfect(count, size, rng)])


def _free_ends(batch: mazes.Mazes) -> bool:
    flat, every = batch.walls.reshape(len(batch), -1), np.arange(len(batch))
    return not (flat[every, batch.start] | flat[every, batch.goal] | (batch.start == batch.goal)).any()


def test_generators_draw_what_they_say() -> None:
    rng, count = np.random.default_rng(1), 20_000
    few = mazes.uniform(count, 7, np.full(count, 12), rng)
    assert (few.walls.sum(axis=(1, 2)) == 12).all() and _free_ends(few)
    built = mazes.walls_first(count, 13, np.full(count, 25), rng)
    assert _free_ends(built)
    # 25 draws among 169 cells hit 169 (1 - (168 / 169)^25) different ones; goal and agent take away 2 / 169 of them.
    expected = 169 * (1 - (168 / 169) ** 25)
    assert built.walls.sum(axis=(1, 2)).mean() == pytest.approx(expected * (1 - 2 / 169), abs=0.05)
    for name, low, high in (("start", 0, 169), ("goal", 0, 169), ("heading", 0, 4)):
        counts = np.bincount(getattr(built, name), minlength=high)[low:high]
        assert counts.min() > 0.5 * count / high
    # Published of this generator: 99.5 % have a way, of 9.02 steps in the mean.
    walks = mazes.walks(built)
    assert (walks >= 0).mean() == pytest.approx(0.995, abs=0.003)
    assert walks[walks >= 0].mean() == pytest.approx(9.02, abs=0.15)


def test_perfect_mazes_are_spanning_trees() -> None:
    trees = mazes.perfect(50, 11, np.random.default_rng(2))
    corners = {0, 10, 110, 120}
    assert {*trees.start.tolist(), *trees.goal.tolist()} == corners and _free_ends(trees)
    for free in ~trees.walls:
        edges = int((free[1:] & free[:-1]).sum() + (free[:, 1:] & free[:, :-1]).sum())
        assert edges == free.sum() - 1
    assert (mazes.walks(trees) >= 0).all()
    with pytest.raises(UserError, match="odd side"):
        mazes.perfect(1, 6, np.random.default_rng(0))


def test_distances_are_those_of_another_search() -> None:
    batch = _batch(3, count=40)
    steps, walks = mazes.distances(batch), mazes.walks(batch)
    for m in range(len(batch)):
        assert _searched(batch[m : m + 1]) == (steps[m], walks[m])
    assert (steps < 0).any() and (steps == -1)[walks < 0].all()


def _searched(maze: mazes.Mazes) -> tuple[int, int]:
    """Edge by edge, in plain Python: poses for actions, cells for walks."""
    height, width = maze.walls.shape[1:]
    ways = ((1, 0), (0, 1), (-1, 0), (0, -1))

    def open_at(x: int, y: int) -> bool:
        return 0 <= x < width and 0 <= y < height and not maze.walls[0, y, x]

    x, y = int(maze.start[0]) % width, int(maze.start[0]) // width
    target = int(maze.goal[0]) % width, int(maze.goal[0]) // width
    reached = {(x, y, int(maze.heading[0]))}
    frontier, steps = set(reached), 0
    while frontier and not any(pose[:2] == target for pose in frontier):
        after = set()
        for a, b, way in frontier:
            after |= {(a, b, (way + 1) % 4), (a, b, (way - 1) % 4)}
            to = a + ways[way][0], b + ways[way][1]
            after |= {(*to, way)} if open_at(*to) else set()
        frontier, steps = after - reached, steps + 1
        reached |= frontier
    cells, edge, walk = {(x, y)}, {(x, y)}, 0
    while edge and target not in edge:
        grown = {(a + dx, b + dy) for a, b in edge for dx, dy in ways if open_at(a + dx, b + dy)}
        edge, walk = grown - cells, walk + 1
        cells |= edge
    return steps if frontier else -1, walk if edge else -1


@pytest.mark.parametrize(("name", "steps"), [("Maze", 54), ("Maze2", 73), ("Labyrinth", 113), ("SixteenRooms", 26)])
def test_named_mazes_have_the_known_solutions(name: str, steps: int) -> None:
    maze = mazes.named(name)
    assert mazes.distances(maze).tolist() == [steps]
    turned = replace(maze, heading=(maze.heading + 2) % 4)
    assert mazes.distances(turned)[0] != -1


def test_an_unknown_maze_is_refused_with_the_nearest() -> None:
    assert set(names()) == {"Maze", "Maze2", "Labyrinth", "Labyrinth2", "SixteenRooms"}
    with pytest.raises(UserError, match="Labyrinth"):
        mazes.named("Labirynth")


def test_through_the_engine_and_back_is_the_identity() -> None:
    """10,000 mazes; the engine then agrees with the distances: it pays on the last step of the shortest way."""
    for batch in np.array_split(np.arange(10_200), 4):
        given = _batch(int(batch[0]), count=850)
        assert mazes.from_state(mazes.to_state(given)).keys() == given.keys()
    envs = make_vec("MiniGrid-LavaCrossingS9N1-v0", 64)
    given = _batch(5, count=22)[:64]
    envs.reset(seed=0)
    envs.set_state(mazes.to_state(given))
    assert mazes.from_state(envs.get_state()).keys() == given.keys()
    poses = envs.get_state()["agent"]
    assert ((poses[:, 0] - 1) + 7 * (poses[:, 1] - 1) == given.start).all()
    steps = mazes.distances(given)
    for m in np.flatnonzero(steps > 0)[:20]:
        envs.set_state({name: entry[[m]] for name, entry in mazes.to_state(given).items()}, [0])
        walker = given[m : m + 1]
        paid = 0.0
        for _ in range(int(steps[m])):
            action, walker = _nearer(walker)
            _, rewards, *_ = envs.step(np.array([action] + [LEFT] * 63))
            paid = float(rewards[0])
        assert paid == pytest.approx(1 - 0.9 * steps[m] / envs.task.max_steps)


def _nearer(maze: mazes.Mazes) -> tuple[int, mazes.Mazes]:
    """An action of a shortest way, and the maze as it is after it."""
    width, now = maze.walls.shape[2], mazes.distances(maze)[0]
    for action, turn in ((LEFT, 3), (RIGHT, 1)):
        turned = replace(maze, heading=(maze.heading + turn) % 4)
        if mazes.distances(turned)[0] == now - 1:
            return action, turned
    step = np.array([1, width, -1, -width])[maze.heading]
    return FORWARD, replace(maze, start=maze.start + step)


def test_mutated_mazes_stay_mazes_and_change_at_most_so_many_cells() -> None:
    given, rng = _batch(6), np.random.default_rng(7)
    children = mazes.mutate(given, 3, rng)
    assert _free_ends(children)
    changed = (children.walls != given.walls).reshape(len(given), -1).sum(axis=1)
    assert changed.max() <= 3 and (changed > 0).any() and (children.goal != given.goal).any()
    assert (children.heading == given.heading).all()
    assert mazes.mutate(given, 0, rng).keys() == given.keys()


def test_goal_and_agent_are_apart_and_free_where_all_is_walls() -> None:
    rng = np.random.default_rng(9)
    crowded = mazes.walls_first(500, 2, np.full(500, 60), rng)
    assert _free_ends(crowded) and crowded.walls.sum() == 2 * len(crowded)
    assert _free_ends(mazes.mutate(crowded, 8, rng))


def test_what_is_no_maze_is_refused() -> None:
    state = mazes.to_state(_batch(8, count=2))
    state["cells"][0, 2, 2] = (5, 4, 0, 0)  # a key
    with pytest.raises(UserError, match="no maze"):
        mazes.from_state(state)
