"""BabyAI's levels that say "go to": red balls, things of one room, mazes of rooms, doors."""

from rewardlab.gridworld.constants import BALL, BLUE, FINE, GREY, RED, STUCK
from rewardlab.gridworld.distractors import (
    PLACED,
    add_distractors,
    agent_room,
    all_reachable,
    any_room,
    chosen,
    open_all_doors,
    place_agent_somewhere,
    random_door,
)
from rewardlab.gridworld.instructions import (  # noqa: F401
    CHANGING,
    FIRST,
    GO_TO,
    LEVEL,
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
    ball_cell,
    connect_all,
    draw_rooms,
    key_cell,
    num_columns,
    num_rows,
    place_agent_in_room,
    put_in_room,
)
from rewardlab.gridworld.streams import below
from rewardlab.kernel_cache import inner

RED_BALL, ONE_OBJECT, LOCAL, MAZE, IMPLICIT_UNLOCK, RED_OR_BLUE_BALL, ONE_DOOR, OBJECT_OR_DOOR = range(8)
DISTRACTORS, EXTRA = FIRST, SECOND  # EXTRA: grey distractors of RED_BALL, open doors of MAZE


@inner
def _red_ball(cells, facts, streams, scratch, params, i):
    if not place_agent_somewhere(cells, facts, streams, params, i):
        return False
    if put_in_room(cells, facts, streams, params, i, 0, 0, ball_cell(RED)) < 0:
        return False
    count = params[DISTRACTORS]
    if not add_distractors(cells, facts, streams, scratch, params, i, -1, 0, count, 0, 0):
        return False
    if params[EXTRA]:
        for k in range(count):
            at = scratch[i, PLACED + k]
            cells[i, at] = cells[i, at] & 0xFF | GREY << 8
    instruct(facts, i, deed(GO_TO, describe(BALL, RED)))
    return all_reachable(cells, facts, scratch, params, i)


@inner
def _red_or_blue_ball(cells, facts, streams, scratch, params, i):
    if not place_agent_somewhere(cells, facts, streams, params, i):
        return False
    count = params[DISTRACTORS]
    if not add_distractors(cells, facts, streams, scratch, params, i, -1, 0, count, 0, 0):
        return False
    for k in range(count):
        cell = int(cells[i, scratch[i, PLACED + k]])
        if cell == ball_cell(RED) or cell == ball_cell(BLUE):
            return False
    colour = RED if below(streams, i, 2) == 0 else BLUE
    if put_in_room(cells, facts, streams, params, i, 0, 0, ball_cell(colour)) < 0:
        return False
    instruct(facts, i, deed(GO_TO, describe(BALL, colour)))
    return all_reachable(cells, facts, scratch, params, i)


@inner
def _among_distractors(cells, facts, streams, scratch, params, i, level):
    """ONE_OBJECT, LOCAL and MAZE: go to one of the distractors, in one room or in several that doors connect."""
    if not place_agent_somewhere(cells, facts, streams, params, i):
        return False
    if level == MAZE and connect_all(cells, facts, streams, scratch, params, i) == STUCK:
        return False
    count, unique = params[DISTRACTORS], 1 if level == ONE_OBJECT else 0
    if not add_distractors(cells, facts, streams, scratch, params, i, -1, 0, count, unique, 0):
        return False
    if level != ONE_OBJECT and not all_reachable(cells, facts, scratch, params, i):
        return False
    instruct(facts, i, deed(GO_TO, like(int(cells[i, chosen(streams, scratch, i, count)]))))
    if level == MAZE and params[EXTRA]:
        open_all_doors(cells, i)
    return True


@inner
def _implicit_unlock(cells, facts, streams, scratch, params, i):
    locked_column, locked_row = any_room(streams, params, i)
    door = random_door(cells, streams, scratch, params, i, locked_column, locked_row, 1)
    # Farama means to keep key and distractors out of the locked room, and compares numbers by identity: it does not.
    column, row = any_room(streams, params, i)
    if put_in_room(cells, facts, streams, params, i, column, row, key_cell((int(cells[i, door]) >> 8) & 0xFF)) < 0:
        return False
    if connect_all(cells, facts, streams, scratch, params, i) == STUCK:
        return False
    for column in range(num_columns(params)):
        for row in range(num_rows(params)):
            if not add_distractors(cells, facts, streams, scratch, params, i, column, row, 2, 0, 0):
                return False
    while True:
        if not place_agent_somewhere(cells, facts, streams, params, i):
            return False
        if agent_room(facts, params, i) != (locked_column, locked_row):
            break
    if not all_reachable(cells, facts, scratch, params, i):
        return False
    if not add_distractors(cells, facts, streams, scratch, params, i, locked_column, locked_row, 1, 0, 0):
        return False
    instruct(facts, i, deed(GO_TO, like(int(cells[i, scratch[i, PLACED]]))))
    return True


@inner
def _doors(cells, facts, streams, scratch, params, i, level):
    """ONE_DOOR, with nothing else in the room, and OBJECT_OR_DOOR; the agent is in the middle room of nine."""
    count = 0
    if level == OBJECT_OR_DOOR:
        count = 8
        if place_agent_in_room(cells, facts, streams, params, i, 1, 1) == STUCK:
            return False
        if not add_distractors(cells, facts, streams, scratch, params, i, 1, 1, count, 0, 0):
            return False
    for k in range(4):
        scratch[i, PLACED + count + k] = random_door(cells, streams, scratch, params, i, 1, 1, 2)
    if level == ONE_DOOR and place_agent_in_room(cells, facts, streams, params, i, 1, 1) == STUCK:
        return False
    if level == OBJECT_OR_DOOR and not all_reachable(cells, facts, scratch, params, i):
        return False
    cell = int(cells[i, chosen(streams, scratch, i, count + 4)])
    instruct(facts, i, deed(GO_TO, like(cell)))
    return True


@inner
def _draw(cells, facts, streams, scratch, params, i):
    level = params[LEVEL]
    if level == RED_BALL:
        return _red_ball(cells, facts, streams, scratch, params, i)
    if level == RED_OR_BLUE_BALL:
        return _red_or_blue_ball(cells, facts, streams, scratch, params, i)
    if level == IMPLICIT_UNLOCK:
        return _implicit_unlock(cells, facts, streams, scratch, params, i)
    if level == ONE_DOOR or level == OBJECT_OR_DOOR:
        return _doors(cells, facts, streams, scratch, params, i, level)
    return _among_distractors(cells, facts, streams, scratch, params, i, level)


@inner
def generate(cells, facts, streams, scratch, params, i):
    draw_rooms(cells, facts, streams, scratch, params, i)
    while not _draw(cells, facts, streams, scratch, params, i):
        draw_rooms(cells, facts, streams, scratch, params, i)
    settle(cells, facts, params, i)
    return FINE
