"""Mazes drawn step by step against the rules written out for one maze at a time."""

import numpy as np
import pytest

from rewardlab.gridworld.maze_drawing import AGENT, GOAL, ORDERS, WALL, MazeDrawing
from rewardlab.types import Array

SIZE, WALLS = 5, 7


def _by_hand(actions: list[int], order: str, turns: int) -> tuple[set[int], int, int | None]:
    """Walls, goal and agent of one maze; None: the agent was named where the goal is."""
    walls: set[int] = set()
    goal = start = -1
    kinds = ["goal", "agent"] if order == "goal_first" else []
    kinds += ["wall"] * (turns - 2) + (["goal", "agent"] if order == "walls_first" else [])
    for kind, cell in zip(kinds, actions, strict=False):
        if kind == "wall" and cell not in (goal, start):
            walls.add(cell)
        elif kind == "goal":
            goal = cell
            walls.discard(cell)
        elif kind == "agent":
            start = cell
            walls.discard(cell)
    return walls, goal, None if start == goal else start


@pytest.mark.parametrize("vary", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_every_turn_does_what_it_is_for(order: str, vary: bool) -> None:
    count, rng = 500, np.random.default_rng(3)
    drawing = MazeDrawing(count, SIZE, order, WALLS, rng, vary=vary)
    actions = rng.integers(SIZE * SIZE, size=(WALLS + 2, count))
    open_turns = np.zeros(count, dtype=np.int64)
    for cell in actions:
        open_turns += drawing.open
        drawing.act(cell)
    assert drawing.taken == open_turns.sum()
    assert not drawing.open.any() and drawing.most == WALLS + 2 and drawing.cells == SIZE * SIZE
    made, clashes = drawing.mazes(), 0
    for m in range(count):
        turns = int(actions[0, m] / SIZE**2 * WALLS) + 2 if vary else WALLS + 2
        assert open_turns[m] == turns
        walls, goal, start = _by_hand(actions[:, m].tolist(), order, turns)
        found = set(np.flatnonzero(made.walls[m]).tolist())
        assert made.goal[m] == goal
        assert made.start[m] != goal and not made.walls[m].flat[made.start[m]] and not made.walls[m].flat[goal]
        if start is not None:
            assert made.start[m] == start and found == walls
        elif order == "walls_first":  # the agent went somewhere free
            assert found == walls
            clashes += 1
        else:  # before the walls, one of which may have been named where it went
            assert walls - found <= {int(made.start[m])}
            clashes += 1
    assert clashes > 5
    assert set(made.heading.tolist()) == {0, 1, 2, 3}


def _drawn(order: str, actions: list[int], count: int = 1, *, size: int = 3) -> MazeDrawing:
    drawing = MazeDrawing(count, size, order, len(actions) - 2, np.random.default_rng(0))
    for cell in actions:
        drawing.act(np.full(count, cell))
    return drawing


def test_an_agent_named_where_the_goal_is_goes_to_any_free_cell() -> None:
    made = _drawn("walls_first", [0, 1, 2, 4, 4], 6000).mazes()
    counts = np.bincount(made.start, minlength=9)
    assert (counts[[0, 1, 2, 4]] == 0).all() and (made.goal == 4).all()
    np.testing.assert_allclose(counts[[3, 5, 6, 7, 8]], 1200, atol=120)


def test_walls_do_nothing_where_something_is_and_give_way_to_what_comes() -> None:
    assert set(np.flatnonzero(_drawn("goal_first", [4, 0, 4, 0, 7, 7]).mazes().walls)) == {7}
    assert set(np.flatnonzero(_drawn("walls_first", [4, 0, 7, 4, 0]).mazes().walls)) == {7}


def test_the_first_cell_sets_how_many_walls_there_are_and_is_one() -> None:
    drawing = MazeDrawing(169, 13, "walls_first", 60, np.random.default_rng(0), vary=True)
    drawing.act(np.arange(169))
    turns = np.ones(169, dtype=np.int64)
    walled = drawing.seen()[:, 1:-1, 1:-1, WALL].reshape(169, -1).argmax(axis=1)
    while drawing.open.any():
        turns += drawing.open
        drawing.act(np.full(169, 168))
    budgets = turns - 2
    assert budgets.tolist() == [int(cell / 169 * 60) for cell in range(169)]
    assert sorted(set(budgets.tolist())) == list(range(60))
    assert (walled[budgets > 0] == np.arange(169)[budgets > 0]).all()


def test_a_teacher_sees_all_that_stands_there() -> None:
    drawing = MazeDrawing(2, 3, "goal_first", 2, np.random.default_rng(0))
    empty = drawing.seen()
    assert empty.shape == (2, 5, 5, 3) and empty[..., WALL].sum() == 2 * 16 and not empty[..., [GOAL, AGENT]].any()
    for cells in ([0, 8], [1, 7], [5, 5]):
        drawing.act(np.array(cells))
    seen: Array = drawing.seen()[:, 1:-1, 1:-1]
    assert np.argwhere(seen).tolist() == [
        [0, 0, 0, GOAL],
        [0, 0, 1, AGENT],
        [0, 1, 2, WALL],
        [1, 1, 2, WALL],
        [1, 2, 1, AGENT],
        [1, 2, 2, GOAL],
    ]
