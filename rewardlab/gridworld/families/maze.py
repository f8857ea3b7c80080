"""Maze: walls, a goal and the agent, drawn in one of three ways, or as a drawing has them.

Ways of drawing are those of `gridworld.mazes`, with the streams of the engine; the number of walls is drawn first.
"""

import numpy as np

from rewardlab.gridworld.catalogue import WORD
from rewardlab.gridworld.constants import EMPTY_CELL, FINE, GOAL_CELL, OPTION, WALL_CELL, WIDTH
from rewardlab.gridworld.drawing import clear, set_agent, wall_box
from rewardlab.gridworld.families.plain import begin, end  # noqa: F401
from rewardlab.gridworld.streams import below, between
from rewardlab.kernel_cache import inner

SUCCESS = "the goal is reached"
KIND = OPTION  # walls first, uniform, perfect, drawn
FEWEST, MOST = OPTION + 1, OPTION + 2  # walls
START, HEADING, TARGET, WALLS = OPTION + 1, OPTION + 2, OPTION + 3, OPTION + 4  # of a drawing; its walls as bits
_WALLS_FIRST, _UNIFORM, _PERFECT = range(3)


@inner
def _place(at, size):
    """Where an interior cell lies in the grid."""
    return (at // size + 1) * (size + 2) + at % size + 1


@inner
def _settle(cells, facts, i, at, heading, size):
    cells[i, _place(at, size)] = EMPTY_CELL
    set_agent(facts, i, at % size + 1, at // size + 1, heading)


@inner
def _walls_first(cells, facts, streams, i, walls, size):
    """Walls with replacement, then the goal and the agent, each taking a wall away."""
    area = size * size
    for _ in range(walls):
        cells[i, _place(below(streams, i, area), size)] = WALL_CELL
    goal, start = below(streams, i, area), below(streams, i, area)
    cells[i, _place(goal, size)] = GOAL_CELL
    if start == goal:
        free = 0
        for at in range(area):
            free += cells[i, _place(at, size)] == EMPTY_CELL
        # Among the free cells; among all others where there is none.
        left = below(streams, i, free if free else area - 1)
        for at in range(area):
            if at != goal and (free == 0 or cells[i, _place(at, size)] == EMPTY_CELL):
                if left == 0:
                    start = at
                    break
                left -= 1
    _settle(cells, facts, i, start, below(streams, i, 4), size)


@inner
def _uniform(cells, facts, streams, i, walls, size):
    """The goal, the agent, then distinct walls."""
    area = size * size
    goal = below(streams, i, area)
    start = (goal + 1 + below(streams, i, area - 1)) % area
    cells[i, _place(goal, size)] = GOAL_CELL
    left = walls
    while left > 0:
        at = below(streams, i, area)
        if at != start and cells[i, _place(at, size)] == EMPTY_CELL:
            cells[i, _place(at, size)] = WALL_CELL
            left -= 1
    _settle(cells, facts, i, start, below(streams, i, 4), size)


@inner
def _root(roots, cell):
    while roots[cell] != cell:
        roots[cell] = roots[roots[cell]]
        cell = roots[cell]
    return cell


@inner
def _perfect(cells, facts, streams, i, size):
    """A spanning tree by Kruskal's algorithm, its links in random order; goal and agent in two corners."""
    side = (size + 1) // 2
    for at in range(size * size):
        if at // size % 2 or at % size % 2:
            cells[i, _place(at, size)] = WALL_CELL
    across = side * (side - 1)
    order, roots = np.arange(2 * across), np.arange(side * side)
    for last in range(2 * across - 1, 0, -1):
        other = below(streams, i, last + 1)
        order[last], order[other] = order[other], order[last]
    for link in order:
        if link < across:
            a = link // (side - 1) * side + link % (side - 1)
            b = a + 1
        else:
            a = link - across
            b = a + side
        root, other = _root(roots, a), _root(roots, b)
        if root != other:
            roots[root] = other
            between_them = (a // side + b // side) * size + a % side + b % side
            cells[i, _place(between_them, size)] = EMPTY_CELL
    goal = below(streams, i, 4)
    start = (goal + 1 + below(streams, i, 3)) % 4
    corner = (size - 1) * (goal % 2 + goal // 2 * size)
    cells[i, _place(corner, size)] = GOAL_CELL
    corner = (size - 1) * (start % 2 + start // 2 * size)
    _settle(cells, facts, i, corner, below(streams, i, 4), size)


@inner
def _drawn(cells, facts, streams, params, i, size):
    for at in range(size * size):
        if params[WALLS + at // WORD] >> (at % WORD) & 1:
            cells[i, _place(at, size)] = WALL_CELL
    cells[i, _place(params[TARGET], size)] = GOAL_CELL
    _settle(cells, facts, i, params[START], params[HEADING], size)


@inner
def generate(cells, facts, streams, scratch, params, i):
    size = params[WIDTH] - 2
    clear(cells, params, i)
    wall_box(cells, params, i, 0, 0, size + 2, size + 2)
    if params[KIND] == _PERFECT:
        _perfect(cells, facts, streams, i, size)
    elif params[KIND] > _PERFECT:
        _drawn(cells, facts, streams, params, i, size)
    else:
        walls = between(streams, i, params[FEWEST], params[MOST] + 1)
        if params[KIND] == _UNIFORM:
            _uniform(cells, facts, streams, i, walls, size)
        else:
            _walls_first(cells, facts, streams, i, walls, size)
    return FINE


def words(numbers: tuple[int, ...]) -> str:
    return "reach the goal"
