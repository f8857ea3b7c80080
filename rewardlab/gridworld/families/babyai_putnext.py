"""BabyAI's levels that say "put next to": within a room, across two, there and back; also with the thing in hand."""

from rewardlab.gridworld.constants import FINE, STUCK, WIDTH
from rewardlab.gridworld.distractors import (
    PLACED,
    add_distractors,
    all_reachable,
    place_agent_somewhere,
    two_chosen,
)
from rewardlab.gridworld.instructions import (  # noqa: F401
    BEFORE,
    CHANGING,
    FIRST,
    LEVEL,
    PUT_NEXT,
    SECOND,
    SUCCESS,
    WAITS,
    begin,
    changing,
    deed,
    end,
    instruct,
    like,
    limit,
    next_to,
    settle,
    unsound,
    words,
)
from rewardlab.gridworld.rooms import RIGHT_SIDE, draw_rooms, place_agent_in_room, remove_wall
from rewardlab.gridworld.streams import below
from rewardlab.kernel_cache import inner

LOCAL, ACROSS, TWO_ACROSS = range(3)
OBJECTS, CARRYING = FIRST, SECOND


@inner
def _put(cells, i, moved, fixed):
    return deed(PUT_NEXT, like(int(cells[i, moved])), like(int(cells[i, fixed])))


@inner
def _local(cells, facts, streams, scratch, params, i):
    if not place_agent_somewhere(cells, facts, streams, params, i):
        return False
    if not add_distractors(cells, facts, streams, scratch, params, i, -1, 0, params[OBJECTS], 1, 0):
        return False
    if not all_reachable(cells, facts, scratch, params, i):
        return False
    moved, fixed = two_chosen(streams, scratch, i, 0, params[OBJECTS])
    instruct(facts, i, _put(cells, i, moved, fixed))
    return not next_to(moved, fixed, params[WIDTH])


@inner
def _across(cells, facts, streams, scratch, params, i):
    """ACROSS and TWO_ACROSS: things in two rooms whose wall is taken away; no two of them look alike."""
    count = params[OBJECTS]
    if place_agent_in_room(cells, facts, streams, params, i, 0, 0) == STUCK:
        return False
    for column in range(2):
        if not add_distractors(cells, facts, streams, scratch, params, i, column, 0, count, 1, column * count):
            return False
    remove_wall(cells, scratch, params, i, 0, 0, RIGHT_SIDE)
    if params[LEVEL] == TWO_ACROSS:
        one, back_to = two_chosen(streams, scratch, i, 0, count)
        other, back = two_chosen(streams, scratch, i, count, count)
        instruct(facts, i, _put(cells, i, one, other), 0, _put(cells, i, back, back_to), 0, BEFORE)
        return not (next_to(one, other, params[WIDTH]) or next_to(back, back_to, params[WIDTH]))
    moved = scratch[i, PLACED + below(streams, i, count)]
    fixed = scratch[i, PLACED + count + below(streams, i, count)]
    if below(streams, i, 2) == 0:
        moved, fixed = fixed, moved
    instruct(facts, i, _put(cells, i, moved, fixed))
    facts[i, WAITS] = moved if params[CARRYING] else 0
    return not next_to(moved, fixed, params[WIDTH])


@inner
def generate(cells, facts, streams, scratch, params, i):
    drawn = False
    while not drawn:
        draw_rooms(cells, facts, streams, scratch, params, i)
        if params[LEVEL] == LOCAL:
            drawn = _local(cells, facts, streams, scratch, params, i)
        else:
            drawn = _across(cells, facts, streams, scratch, params, i)
    settle(cells, facts, params, i)
    return FINE
