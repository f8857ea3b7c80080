"""UnlockPickup and BlockedUnlockPickup: a box behind a locked door (blocked by a ball, as an option); pick it up."""

from rewardlab.gridworld.constants import BOX, MISSION, STUCK
from rewardlab.gridworld.families.pickup import TARGET, end  # noqa: F401
from rewardlab.gridworld.families.pickup import target_words as words  # noqa: F401
from rewardlab.gridworld.families.plain import begin  # noqa: F401
from rewardlab.gridworld.rooms import (
    RIGHT_SIDE,
    ROOM_OPTIONS,
    add_door,
    ball_cell,
    box_cell,
    draw_rooms,
    key_cell,
    place_agent_in_room,
    place_in_room,
)
from rewardlab.gridworld.streams import any_colour
from rewardlab.kernel_cache import inner

SUCCESS = "the box is picked up"
BLOCKED = ROOM_OPTIONS


@inner
def generate(cells, facts, streams, scratch, params, i):
    draw_rooms(cells, facts, streams, scratch, params, i)
    colour = any_colour(streams, i)
    facts[i, TARGET] = box_cell(colour)
    facts[i, MISSION] = BOX
    facts[i, MISSION + 1] = colour
    if place_in_room(cells, facts, streams, params, i, 1, 0, box_cell(colour)) == STUCK:
        return STUCK
    door_colour = any_colour(streams, i)
    door = add_door(cells, scratch, params, i, 0, 0, RIGHT_SIDE, door_colour, True)
    if params[BLOCKED]:
        cells[i, door - 1] = ball_cell(any_colour(streams, i))
    if place_in_room(cells, facts, streams, params, i, 0, 0, key_cell(door_colour)) == STUCK:
        return STUCK
    return place_agent_in_room(cells, facts, streams, params, i, 0, 0)
