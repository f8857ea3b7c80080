"""BabyAI's levels that say "pick up": among many things, a room further, behind locked doors; and any single deed."""

from rewardlab.gridworld.constants import BALL, BOX, COLOURS_BY_NAME, DOOR, FINE, STUCK
from rewardlab.gridworld.distractors import (
    PLACED,
    add_distractors,
    all_reachable,
    any_thing,
    chosen,
    place_agent_somewhere,
    random_door,
)
from rewardlab.gridworld.instructions import (  # noqa: F401
    CHANGING,
    FIRST,
    GO_TO,
    LEVEL,
    OPEN_IT,
    PICK_UP,
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
from rewardlab.gridworld.moves import colour_of, kind_of
from rewardlab.gridworld.rooms import (
    LEFT_SIDE,
    RIGHT_SIDE,
    UPPER_SIDE,
    add_door,
    ball_cell,
    box_cell,
    connect_all,
    draw_rooms,
    key_cell,
    num_rows,
    place_agent_in_room,
    put_in_room,
    remove_wall,
)
from rewardlab.gridworld.streams import any_colour, below
from rewardlab.kernel_cache import inner

ANY, BLOCKED, BY_LOOKS, ABOVE, FIND, CORRIDOR, ONE_ROOM, ANY_DEED, UNLOCK, BLOCKED_UNLOCK, UNLOCK_TO_UNLOCK = range(11)
STRICT = DISTRACTORS = FIRST  # of BY_LOOKS; of UNLOCK


@inner
def _any(cells, facts, streams, scratch, params, i, level):
    """ANY, and BLOCKED: something cannot be reached unless something else is moved."""
    if not place_agent_somewhere(cells, facts, streams, params, i):
        return False
    if connect_all(cells, facts, streams, scratch, params, i) == STUCK:
        return False
    count = 20 if level == BLOCKED else 18
    if not add_distractors(cells, facts, streams, scratch, params, i, -1, 0, count, 0, 0):
        return False
    if all_reachable(cells, facts, scratch, params, i) == (level == BLOCKED):
        return False
    instruct(facts, i, deed(PICK_UP, like(int(cells[i, chosen(streams, scratch, i, count)]))))
    return True


@inner
def _by_looks(cells, facts, streams, scratch, params, i):
    """By kind, by colour, or by both."""
    if not add_distractors(cells, facts, streams, scratch, params, i, -1, 0, 5, 1, 0):
        return False
    if place_agent_in_room(cells, facts, streams, params, i, 0, 0) == STUCK:
        return False
    cell = int(cells[i, chosen(streams, scratch, i, 5)])
    by = below(streams, i, 3)
    kind = 0 if by == 1 else kind_of(cell)
    colour = -1 if by == 0 else colour_of(cell)
    instruct(facts, i, deed(PICK_UP, describe(kind, colour), 0, params[STRICT]))
    return True


@inner
def _above(cells, facts, streams, scratch, params, i):
    cell = any_thing(streams, i)
    if put_in_room(cells, facts, streams, params, i, 1, 0, cell) < 0:
        return False
    add_door(cells, scratch, params, i, 1, 1, UPPER_SIDE, any_colour(streams, i), False)
    if place_agent_in_room(cells, facts, streams, params, i, 1, 1) == STUCK:
        return False
    instruct(facts, i, deed(PICK_UP, like(cell)))
    return connect_all(cells, facts, streams, scratch, params, i) != STUCK


@inner
def _find(cells, facts, streams, scratch, params, i):
    column = below(streams, i, 3)
    row = below(streams, i, 3)
    cell = any_thing(streams, i)
    if put_in_room(cells, facts, streams, params, i, column, row, cell) < 0:
        return False
    if place_agent_in_room(cells, facts, streams, params, i, 1, 1) == STUCK:
        return False
    instruct(facts, i, deed(PICK_UP, describe(kind_of(cell))))
    return connect_all(cells, facts, streams, scratch, params, i) != STUCK


@inner
def _corridor(cells, facts, streams, scratch, params, i):
    rows = num_rows(params)
    for row in range(1, rows):
        remove_wall(cells, scratch, params, i, 1, row, UPPER_SIDE)
    row = below(streams, i, rows)
    colour = any_colour(streams, i)
    add_door(cells, scratch, params, i, 2, row, LEFT_SIDE, colour, True)
    if put_in_room(cells, facts, streams, params, i, 2, row, ball_cell(any_colour(streams, i))) < 0:
        return False
    if put_in_room(cells, facts, streams, params, i, 0, below(streams, i, rows), key_cell(colour)) < 0:
        return False
    if place_agent_in_room(cells, facts, streams, params, i, 1, rows // 2) == STUCK:
        return False
    instruct(facts, i, deed(PICK_UP, describe(BALL)))
    return connect_all(cells, facts, streams, scratch, params, i) != STUCK


@inner
def _one_room(cells, facts, streams, scratch, params, i):
    if put_in_room(cells, facts, streams, params, i, 0, 0, ball_cell(any_colour(streams, i))) < 0:
        return False
    instruct(facts, i, deed(PICK_UP, describe(BALL)))
    return place_agent_somewhere(cells, facts, streams, params, i)


@inner
def _any_deed(cells, facts, streams, scratch, params, i):
    if not add_distractors(cells, facts, streams, scratch, params, i, 1, 1, 5, 1, 0):
        return False
    for k in range(4):
        scratch[i, PLACED + 5 + k] = random_door(cells, streams, scratch, params, i, 1, 1, 0)
    if place_agent_in_room(cells, facts, streams, params, i, 1, 1) == STUCK:
        return False
    cell = int(cells[i, chosen(streams, scratch, i, 9)])
    verb = PICK_UP if kind_of(cell) != DOOR else OPEN_IT
    if below(streams, i, 2) == 0:
        verb = GO_TO
    instruct(facts, i, deed(verb, like(cell)))
    return True


@inner
def _unlock(cells, facts, streams, scratch, params, i, level):
    """UNLOCK and BLOCKED_UNLOCK: a box behind a locked door, whose key lies on this side."""
    box = box_cell(any_colour(streams, i))
    if put_in_room(cells, facts, streams, params, i, 1, 0, box) < 0:
        return False
    colour = any_colour(streams, i)
    door = add_door(cells, scratch, params, i, 0, 0, RIGHT_SIDE, colour, True)
    if level == BLOCKED_UNLOCK:
        cells[i, door - 1] = ball_cell(any_colour(streams, i))
    if put_in_room(cells, facts, streams, params, i, 0, 0, key_cell(colour)) < 0:
        return False
    count = 4 if level == UNLOCK and params[DISTRACTORS] else 0
    if not add_distractors(cells, facts, streams, scratch, params, i, -1, 0, count, 1, 0):
        return False
    described = describe(BOX) if level == BLOCKED_UNLOCK else like(box)
    instruct(facts, i, deed(PICK_UP, described))
    return place_agent_in_room(cells, facts, streams, params, i, 0, 0) != STUCK


@inner
def _unlock_to_unlock(cells, facts, streams, scratch, params, i):
    one = below(streams, i, 6)
    other = below(streams, i, 5)
    other += other >= one
    first, second = COLOURS_BY_NAME[one], COLOURS_BY_NAME[other]
    add_door(cells, scratch, params, i, 0, 0, RIGHT_SIDE, first, True)
    if put_in_room(cells, facts, streams, params, i, 2, 0, key_cell(first)) < 0:
        return False
    add_door(cells, scratch, params, i, 1, 0, RIGHT_SIDE, second, True)
    if put_in_room(cells, facts, streams, params, i, 1, 0, key_cell(second)) < 0:
        return False
    if put_in_room(cells, facts, streams, params, i, 0, 0, ball_cell(any_colour(streams, i))) < 0:
        return False
    instruct(facts, i, deed(PICK_UP, describe(BALL)))
    return place_agent_in_room(cells, facts, streams, params, i, 1, 0) != STUCK


@inner
def _draw(cells, facts, streams, scratch, params, i):
    level = params[LEVEL]
    if level == BY_LOOKS:
        return _by_looks(cells, facts, streams, scratch, params, i)
    if level == ABOVE:
        return _above(cells, facts, streams, scratch, params, i)
    if level == FIND:
        return _find(cells, facts, streams, scratch, params, i)
    if level == CORRIDOR:
        return _corridor(cells, facts, streams, scratch, params, i)
    if level == ONE_ROOM:
        return _one_room(cells, facts, streams, scratch, params, i)
    if level == ANY_DEED:
        return _any_deed(cells, facts, streams, scratch, params, i)
    if level == UNLOCK or level == BLOCKED_UNLOCK:
        return _unlock(cells, facts, streams, scratch, params, i, level)
    if level == UNLOCK_TO_UNLOCK:
        return _unlock_to_unlock(cells, facts, streams, scratch, params, i)
    return _any(cells, facts, streams, scratch, params, i, level)


@inner
def generate(cells, facts, streams, scratch, params, i):
    draw_rooms(cells, facts, streams, scratch, params, i)
    while not _draw(cells, facts, streams, scratch, params, i):
        draw_rooms(cells, facts, streams, scratch, params, i)
    settle(cells, facts, params, i)
    return FINE
