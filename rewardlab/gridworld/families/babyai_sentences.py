"""BabyAI's levels of any sentence: things all over the rooms, perhaps a locked one, and a sentence drawn for them."""

from rewardlab.gridworld.constants import BALL, BOX, COLOURS_BY_NAME, DOOR, FINE, KEY, LOCKED, MISSION, STUCK, WIDTH
from rewardlab.gridworld.distractors import (
    add_distractors,
    agent_room,
    all_reachable,
    any_room,
    place_agent_somewhere,
)
from rewardlab.gridworld.instructions import (  # noqa: F401
    AFTER,
    BEFORE,
    CHANGING,
    FIRST,
    FOURTH,
    GO_TO,
    LEFT_OF,
    ONE_CLAUSE,
    OPEN_IT,
    PICK_UP,
    PUT_NEXT,
    SECOND,
    SUCCESS,
    THIRD,
    begin,
    changing,
    deed,
    describe,
    end,
    fits,
    instruct,
    limit,
    settle,
    unsound,
    words,
)
from rewardlab.gridworld.rooms import (
    add_door,
    connect_all,
    draw_rooms,
    key_cell,
    put_in_room,
    room_side,
    room_size,
)
from rewardlab.gridworld.streams import any_colour, below, next_float
from rewardlab.kernel_cache import inner

DISTRACTORS, LOCKED_PERCENT, FLAGS, KINDS = FIRST, SECOND, THIRD, FOURTH
# Bits of FLAGS: things told by their place; things in the way may be moved; locked doors without a word of them.
PLACES, UNBLOCKING, IMPLICIT_UNLOCK = 1, 2, 4
# KINDS: the only verb, or 0 for any; 8 is added where sentences have one deed only.
ONE_DEED = 8

_TRIES = 101
_NOTHING = -1


@inner
def _matches(cells, facts, params, i, described, locked_column, locked_row):
    """Whether a thing fits; where locked doors must be spoken of, whether one outside the locked room does."""
    size, width = room_size(params), params[WIDTH]
    implicit = (params[FLAGS] & IMPLICIT_UNLOCK) != 0 or locked_column < 0
    left, top = locked_column * (size - 1), locked_row * (size - 1)
    for at in range(cells.shape[1]):
        if cells[i, at] & 0xFF >= DOOR and fits(cells, facts, params, i, described, at):
            x, y = at % width, at // width
            if implicit or x < left or y < top or x >= left + size or y >= top + size:
                return True
    return False


@inner
def _any_described(cells, facts, streams, params, i, kinds, locked_column, locked_row):
    """A description of something that is there, of one of the first `kinds` of box, ball, key, door (1: a door)."""
    for _ in range(_TRIES):
        colour = below(streams, i, 7)
        kind = DOOR
        if kinds > 1:
            drawn = below(streams, i, kinds)
            kind = BOX if drawn == 0 else BALL if drawn == 1 else KEY if drawn == 2 else DOOR
        place = 0
        if params[FLAGS] & PLACES and below(streams, i, 2) == 0:
            place = LEFT_OF + below(streams, i, 4)
        described = describe(kind, -1 if colour == 0 else COLOURS_BY_NAME[colour - 1], place)
        if _matches(cells, facts, params, i, described, locked_column, locked_row):
            return described
    return _NOTHING


@inner
def _any_act(cells, facts, streams, params, i, locked_column, locked_row):
    """A deed, or _NOTHING where no description was found."""
    verb = params[KINDS] & 7
    if verb == 0:
        drawn = below(streams, i, 4)
        verb = GO_TO if drawn == 0 else PICK_UP if drawn == 1 else OPEN_IT if drawn == 2 else PUT_NEXT
    kinds = 4 if verb == GO_TO else 1 if verb == OPEN_IT else 3
    thing = _any_described(cells, facts, streams, params, i, kinds, locked_column, locked_row)
    if thing == _NOTHING or verb != PUT_NEXT:
        return _NOTHING if thing == _NOTHING else deed(verb, thing)
    other = _any_described(cells, facts, streams, params, i, 4, locked_column, locked_row)
    return _NOTHING if other == _NOTHING else deed(verb, thing, other)


@inner
def _any_clause(cells, facts, streams, params, i, both, locked_column, locked_row):
    """Two deeds, the second 0 unless `both`; whether all descriptions were found."""
    first = _any_act(cells, facts, streams, params, i, locked_column, locked_row)
    second = 0
    if both and first != _NOTHING:
        second = _any_act(cells, facts, streams, params, i, locked_column, locked_row)
    return first, second, first != _NOTHING and second != _NOTHING


@inner
def _any_sentence(cells, facts, streams, params, i, locked_column, locked_row):
    """Draws the instruction; False where a description was not found in time."""
    kind = 0 if params[KINDS] & ONE_DEED else below(streams, i, 3)
    if kind < 2:
        one, two, found = _any_clause(cells, facts, streams, params, i, kind == 1, locked_column, locked_row)
        instruct(facts, i, one, two, 0, 0, ONE_CLAUSE)
        return found
    both = below(streams, i, 2) == 1
    one, two, found = _any_clause(cells, facts, streams, params, i, both, locked_column, locked_row)
    if not found:
        return False
    both = below(streams, i, 2) == 1
    three, four, found = _any_clause(cells, facts, streams, params, i, both, locked_column, locked_row)
    if not found:
        return False
    instruct(facts, i, one, two, three, four, BEFORE if below(streams, i, 2) == 0 else AFTER)
    return True


@inner
def _add_locked_room(cells, facts, streams, scratch, params, i):
    """A locked room, and its key in another one; its column and row, and whether the key found a place."""
    while True:
        column, row = any_room(streams, params, i)
        side = below(streams, i, 4)
        if room_side(scratch, params, i, column, row, side):
            break
    colour = any_colour(streams, i)
    add_door(cells, scratch, params, i, column, row, side, colour, True)
    while True:
        key_column, key_row = any_room(streams, params, i)
        if key_column != column or key_row != row:
            break
    at = put_in_room(cells, facts, streams, params, i, key_column, key_row, key_cell(colour))
    return column, row, at >= 0


@inner
def _locks(cells, i, described):
    """Whether a description of keys fits one that opens a locked door."""
    colour = ((described >> 3) & 7) - 1
    if described & 7 != KEY or colour < 0:
        return False
    for at in range(cells.shape[1]):
        cell = int(cells[i, at])
        if cell & 0xFF == DOOR and (cell >> 16) & 0xFF == LOCKED and (cell >> 8) & 0xFF == colour:
            return True
    return False


@inner
def _lawful(cells, facts, params, i, word):
    """Whether Farama's code lets a deed pass: nothing lies there already, and no key that opens a door is spoken of."""
    said = facts[i, MISSION + word]
    thing, other = (said >> 3) & 0x3FF, (said >> 13) & 0x3FF
    if said & 7 == PUT_NEXT:
        for at in range(cells.shape[1]):
            if cells[i, at] & 0xFF < DOOR or not fits(cells, facts, params, i, thing, at):
                continue
            if fits(cells, facts, params, i, other, at):
                return False
            for side in (1, -1, params[WIDTH], -params[WIDTH]):
                beside = at + side
                if cells[i, beside] & 0xFF >= DOOR and fits(cells, facts, params, i, other, beside):
                    return False
    if not params[FLAGS] & UNBLOCKING:
        return True
    return not _locks(cells, i, thing) and not (said & 7 == PUT_NEXT and _locks(cells, i, other))


@inner
def _draw(cells, facts, streams, scratch, params, i):
    locked_column, locked_row = -1, -1
    if next_float(streams, i) < params[LOCKED_PERCENT] / 100:
        locked_column, locked_row, placed = _add_locked_room(cells, facts, streams, scratch, params, i)
        if not placed:
            return False
    if connect_all(cells, facts, streams, scratch, params, i) == STUCK:
        return False
    if not add_distractors(cells, facts, streams, scratch, params, i, -1, 0, params[DISTRACTORS], 0, 0):
        return False
    while True:
        if not place_agent_somewhere(cells, facts, streams, params, i):
            return False
        if agent_room(facts, params, i) != (locked_column, locked_row):
            break
    if not params[FLAGS] & UNBLOCKING and not all_reachable(cells, facts, scratch, params, i):
        return False
    if not _any_sentence(cells, facts, streams, params, i, locked_column, locked_row):
        return False
    lawful = True
    for word in range(4):
        lawful &= facts[i, MISSION + word] == 0 or _lawful(cells, facts, params, i, word)
    return lawful


@inner
def generate(cells, facts, streams, scratch, params, i):
    draw_rooms(cells, facts, streams, scratch, params, i)
    while not _draw(cells, facts, streams, scratch, params, i):
        draw_rooms(cells, facts, streams, scratch, params, i)
    settle(cells, facts, params, i)
    return FINE
