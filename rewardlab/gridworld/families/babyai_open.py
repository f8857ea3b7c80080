"""BabyAI's levels that say "open": one door, two in order, a locked one, a key in a box."""

from rewardlab.gridworld.constants import BLUE, BOX, COLOURS_BY_NAME, DOOR, FINE, KEY, RED, STUCK
from rewardlab.gridworld.distractors import (
    PLACED,
    add_distractors,
    agent_room,
    all_reachable,
    any_room,
    chosen,
    list_doors,
    place_agent_somewhere,
    random_door,
    two_chosen,
)
from rewardlab.gridworld.instructions import (  # noqa: F401
    AFTER,
    BEFORE,
    CHANGING,
    FIRST,
    LEFT_OF,
    LEVEL,
    OPEN_IT,
    SECOND,
    SUCCESS,
    begin,
    changing,
    deed,
    describe,
    end,
    instruct,
    like,
    limit,
    settle,
    unsound,
    words,
)
from rewardlab.gridworld.rooms import (
    LEFT_SIDE,
    RIGHT_SIDE,
    add_door,
    connect_all,
    draw_rooms,
    free_side,
    key_cell,
    num_columns,
    num_rows,
    place_agent_in_room,
    put_in_room,
)
from rewardlab.gridworld.streams import any_colour, below
from rewardlab.kernel_cache import inner

ANY, RED_DOOR, ONE_OF_FOUR, TWO_IN_ORDER, SOME_IN_ORDER, UNLOCK, UNLOCK_LOCAL, KEY_IN_BOX = range(8)
# ONE_OF_FOUR is chosen BY either, colour, place; the two doors of TWO_IN_ORDER may be red and blue; doors of
# SOME_IN_ORDER; distractors of UNLOCK_LOCAL.
BY = RED_AND_BLUE = DOORS = DISTRACTORS = FIRST
STRICT = SECOND
EITHER, BY_COLOUR, BY_PLACE = range(3)


@inner
def _some_colours(streams, scratch, i, count):
    """Different colours, drawn one by one from the alphabetical list of those left, into scratch from PLACED on."""
    left = 0b111111
    for k in range(count):
        skip = below(streams, i, 6 - k)
        for place in range(6):
            if (left >> place) & 1:
                if skip == 0:
                    left &= ~(1 << place)
                    scratch[i, PLACED + k] = COLOURS_BY_NAME[place]
                    break
                skip -= 1


@inner
def _any(cells, facts, streams, scratch, params, i):
    if not place_agent_somewhere(cells, facts, streams, params, i):
        return False
    if connect_all(cells, facts, streams, scratch, params, i) == STUCK:
        return False
    if not add_distractors(cells, facts, streams, scratch, params, i, -1, 0, 18, 0, 0):
        return False
    if not all_reachable(cells, facts, scratch, params, i):
        return False
    count = list_doors(cells, scratch, params, i)
    instruct(facts, i, deed(OPEN_IT, like(int(cells[i, chosen(streams, scratch, i, count)]))))
    return True


@inner
def _red_door(cells, facts, streams, scratch, params, i):
    add_door(cells, scratch, params, i, 0, 0, RIGHT_SIDE, RED, False)
    instruct(facts, i, deed(OPEN_IT, describe(DOOR, RED)))
    return place_agent_in_room(cells, facts, streams, params, i, 0, 0) != STUCK


@inner
def _one_of_four(cells, facts, streams, scratch, params, i):
    _some_colours(streams, scratch, i, 4)
    for side in range(4):
        add_door(cells, scratch, params, i, 1, 1, side, scratch[i, PLACED + side], False)
    by = params[BY]
    if by == EITHER:
        by = BY_COLOUR + below(streams, i, 2)
    if by == BY_COLOUR:
        described = describe(DOOR, scratch[i, PLACED])
    else:
        described = describe(DOOR, -1, LEFT_OF + below(streams, i, 4))
    instruct(facts, i, deed(OPEN_IT, described, 0, params[STRICT]))
    return place_agent_in_room(cells, facts, streams, params, i, 1, 1) != STUCK


@inner
def _two_in_order(cells, facts, streams, scratch, params, i):
    _some_colours(streams, scratch, i, 2)
    first, second = scratch[i, PLACED], scratch[i, PLACED + 1]
    if params[RED_AND_BLUE]:
        first, second = RED, BLUE
    add_door(cells, scratch, params, i, 1, 1, LEFT_SIDE, first, False)
    add_door(cells, scratch, params, i, 1, 1, RIGHT_SIDE, second, False)
    one, other = deed(OPEN_IT, describe(DOOR, first), 0, params[STRICT]), deed(OPEN_IT, describe(DOOR, second))
    instruct(facts, i, one, 0, other, 0, BEFORE)
    return place_agent_in_room(cells, facts, streams, params, i, 1, 1) != STUCK


@inner
def _some_in_order(cells, facts, streams, scratch, params, i):
    count = params[DOORS]
    _some_colours(streams, scratch, i, count)
    for k in range(count):
        colour = scratch[i, PLACED + k]
        side = free_side(streams, scratch, params, i, 1, 1)
        scratch[i, PLACED + k] = add_door(cells, scratch, params, i, 1, 1, side, colour, False)
    if place_agent_in_room(cells, facts, streams, params, i, 1, 1) == STUCK:
        return False
    first, second = two_chosen(streams, scratch, i, 0, count)
    one = deed(OPEN_IT, like(int(cells[i, first])), 0, params[STRICT])
    other = deed(OPEN_IT, like(int(cells[i, second])), 0, params[STRICT])
    mode = below(streams, i, 3)
    if mode == 0:
        instruct(facts, i, one)
    else:
        instruct(facts, i, one, 0, other, 0, BEFORE if mode == 1 else AFTER)
    return True


@inner
def _unlock(cells, facts, streams, scratch, params, i):
    locked_column, locked_row = any_room(streams, params, i)
    door = random_door(cells, streams, scratch, params, i, locked_column, locked_row, 1)
    colour = (int(cells[i, door]) >> 8) & 0xFF
    # Farama means to keep key and distractors out of the locked room, and compares numbers by identity: it does not.
    column, row = any_room(streams, params, i)
    if put_in_room(cells, facts, streams, params, i, column, row, key_cell(colour)) < 0:
        return False
    without = colour if below(streams, i, 2) == 0 else -1
    if connect_all(cells, facts, streams, scratch, params, i, without) == STUCK:
        return False
    for column in range(num_columns(params)):
        for row in range(num_rows(params)):
            if not add_distractors(cells, facts, streams, scratch, params, i, column, row, 3, 0, 0):
                return False
    while True:
        if not place_agent_somewhere(cells, facts, streams, params, i):
            return False
        if agent_room(facts, params, i) != (locked_column, locked_row):
            break
    instruct(facts, i, deed(OPEN_IT, describe(DOOR, colour)))
    return all_reachable(cells, facts, scratch, params, i)


@inner
def _unlock_here(cells, facts, streams, scratch, params, i):
    """UNLOCK_LOCAL and KEY_IN_BOX: the only door, locked, and its key, in the middle room of nine."""
    door = random_door(cells, streams, scratch, params, i, 1, 1, 1)
    colour = (int(cells[i, door]) >> 8) & 0xFF
    thing = key_cell(colour)
    if params[LEVEL] == KEY_IN_BOX:
        thing = BOX | any_colour(streams, i) << 8 | (KEY | colour << 4) << 24
    if put_in_room(cells, facts, streams, params, i, 1, 1, thing) < 0:
        return False
    count = 3 if params[LEVEL] == UNLOCK_LOCAL and params[DISTRACTORS] else 0
    if not add_distractors(cells, facts, streams, scratch, params, i, 1, 1, count, 1, 0):
        return False
    instruct(facts, i, deed(OPEN_IT, describe(DOOR)))
    return place_agent_in_room(cells, facts, streams, params, i, 1, 1) != STUCK


@inner
def _draw(cells, facts, streams, scratch, params, i):
    level = params[LEVEL]
    if level == ANY:
        return _any(cells, facts, streams, scratch, params, i)
    if level == RED_DOOR:
        return _red_door(cells, facts, streams, scratch, params, i)
    if level == ONE_OF_FOUR:
        return _one_of_four(cells, facts, streams, scratch, params, i)
    if level == TWO_IN_ORDER:
        return _two_in_order(cells, facts, streams, scratch, params, i)
    if level == SOME_IN_ORDER:
        return _some_in_order(cells, facts, streams, scratch, params, i)
    if level == UNLOCK:
        return _unlock(cells, facts, streams, scratch, params, i)
    return _unlock_here(cells, facts, streams, scratch, params, i)


@inner
def generate(cells, facts, streams, scratch, params, i):
    draw_rooms(cells, facts, streams, scratch, params, i)
    while not _draw(cells, facts, streams, scratch, params, i):
        draw_rooms(cells, facts, streams, scratch, params, i)
    settle(cells, facts, params, i)
    return FINE
