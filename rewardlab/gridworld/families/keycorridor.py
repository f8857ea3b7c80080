"""KeyCorridor: a hallway between rooms; a ball behind a locked door on the right, its key somewhere on the left."""

from rewardlab.gridworld.constants import BALL, MISSION, STUCK
from rewardlab.gridworld.families.pickup import TARGET, end  # noqa: F401
from rewardlab.gridworld.families.pickup import target_words as words  # noqa: F401
from rewardlab.gridworld.families.plain import begin  # noqa: F401
from rewardlab.gridworld.rooms import (
    LEFT_SIDE,
    UPPER_SIDE,
    add_door,
    ball_cell,
    connect_all,
    draw_rooms,
    key_cell,
    num_rows,
    place_agent_in_room,
    place_in_room,
    remove_wall,
)
from rewardlab.gridworld.streams import any_colour, below
from rewardlab.kernel_cache import inner

SUCCESS = "the ball is picked up"


@inner
def generate(cells, facts, streams, scratch, params, i):
    rows = num_rows(params)
    draw_rooms(cells, facts, streams, scratch, params, i)
    for row in range(1, rows):
        remove_wall(cells, scratch, params, i, 1, row, UPPER_SIDE)
    row = below(streams, i, rows)
    door_colour = any_colour(streams, i)
    add_door(cells, scratch, params, i, 2, row, LEFT_SIDE, door_colour, True)
    colour = any_colour(streams, i)
    if place_in_room(cells, facts, streams, params, i, 2, row, ball_cell(colour)) == STUCK:
        return STUCK
    row = below(streams, i, rows)
    if place_in_room(cells, facts, streams, params, i, 0, row, key_cell(door_colour)) == STUCK:
        return STUCK
    if place_agent_in_room(cells, facts, streams, params, i, 1, rows // 2) == STUCK:
        return STUCK
    facts[i, TARGET] = ball_cell(colour)
    facts[i, MISSION] = BALL
    facts[i, MISSION + 1] = colour
    return connect_all(cells, facts, streams, scratch, params, i)
