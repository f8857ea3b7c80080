"""Ways of looking: which kernel makes images, and their shape."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rewardlab.errors import UserError, unknown
from rewardlab.gridworld import view
from rewardlab.gridworld.catalogue import Task
from rewardlab.gridworld.constants import AGENT, DIRECTION, HEIGHT, RED, WIDTH, X, Y

_LARGEST_VIEW = 31  # a row of the view is kept in the bits of one integer


@dataclass(frozen=True)
class Look:
    """One way of looking.

    Attributes:
        name: part of the kernel's name in the cache.
        kernel: template (cells, facts, params, i, images, row) that fills images[row].
        shape: of one image.
        constants: names that the template leaves open.
    """

    name: str
    kernel: Callable[..., None]
    shape: tuple[int, int, int]
    constants: dict[str, Any] = field(default_factory=dict)


def observe_grid(cells, facts, params, i, images, row):
    """Writes the whole grid into images[row], uint8 [W, H, 3] (column, line, channel), with the agent in it."""
    width = params[WIDTH]
    for y in range(params[HEIGHT]):
        for x in range(width):
            cell = int(cells[i, y * width + x])
            images[row, x, y, 0] = cell & 0xFF
            images[row, x, y, 1] = (cell >> 8) & 0xFF
            images[row, x, y, 2] = (cell >> 16) & 0xFF
    x, y = facts[i, X], facts[i, Y]
    images[row, x, y, 0] = AGENT
    images[row, x, y, 1] = RED
    images[row, x, y, 2] = facts[i, DIRECTION]


def make_look(task: Task, observation: str, view_size: int, see_through_walls: bool | None) -> Look:
    """The way of looking that the options of `make_vec` describe."""
    if observation == "full":
        return Look("full", observe_grid, (task.width, task.height, 3), {})
    if observation != "view":
        raise unknown("observation", str(observation), ("view", "full"), "observation")
    if not isinstance(view_size, int) or view_size % 2 == 0 or not 3 <= view_size <= _LARGEST_VIEW:
        raise UserError(f"view_size={view_size!r}: must be odd, from 3 to {_LARGEST_VIEW}")
    through = task.see_through if see_through_walls is None else bool(see_through_walls)
    name = f"view{view_size}{'through' if through else ''}"
    return Look(name, view.observe, (view_size, view_size, 3), {"VIEW_SIZE": view_size, "SEE_THROUGH": through})
