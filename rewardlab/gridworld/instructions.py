"""BabyAI's instructions on the engine: how they are written down, what they mean on a level, and when they are done.

An instruction is up to four deeds: go to, open, pick up, put next to. Each stands in one of the mission's four numbers,
with the descriptions of the things it speaks of. Deeds 0 and 1 make the first clause, 2 and 3 the second; two deeds of
a clause are joined by "and", two clauses by "then" or "after you". From low bits on:

    deed          3 bits verb, 10 bits thing, 10 bits other thing, 1 bit strict; of deed 0, 2 bits order of the clauses
    description   3 bits kind (0 any), 3 bits colour + 1 (0 any), 3 bits place (0 anywhere), 1 bit for several

Farama's code tells things apart by identity, not by looks: a deed means the things that fitted when the episode began.
So each of these has a register: where it is now, where it was when Farama's code last looked (at the beginning and at
every `drop`), and which descriptions it fits. Chevalier-Boisvert et al. 2019, "BabyAI: A Platform to Study the Sample
Efficiency of Grounded Language Learning"; Farama's `minigrid/envs/babyai/core/verifier.py`.
"""

import numpy as np

from rewardlab.gridworld.constants import (
    CARRIED,
    COLOUR_NAMES,
    DIRECTION,
    DOOR,
    DROP,
    EMPTY_CELL,
    GREY,
    MAX_STEPS,
    MISSION,
    NO_OBJECT,
    NOTHING,
    NUM_MISSION,
    OBJECT_NAMES,
    OPEN,
    PICKUP,
    REGISTER,
    STEPS,
    TOGGLE,
    WIDTH,
    X,
    Y,
)
from rewardlab.gridworld.moves import cell_at, colour_of, front_x, front_y, kind_of, state_of, step_x, step_y
from rewardlab.gridworld.rooms import ROOM_OPTIONS, num_columns, num_rows, room_size
from rewardlab.kernel_cache import inner

# Options after those of rooms: which level of its family; whether its limit is fixed; then four of the level's own.
LEVEL, FIXED, FIRST, SECOND, THIRD, FOURTH = range(ROOM_OPTIONS, ROOM_OPTIONS + 6)

# Verbs, places, and the order of clauses.
GO_TO, OPEN_IT, PICK_UP, PUT_NEXT = range(1, 5)
LEFT_OF, RIGHT_OF, IN_FRONT, BEHIND = range(1, 5)
ONE_CLAUSE, BEFORE, AFTER = range(3)
_ORDER = 24

# Registers. Those from WAITS on change within an episode.
LIMIT, COUNT = REGISTER, REGISTER + 1
WAITS = REGISTER + 2  # position of what is taken up with the first action; 0: nothing is
PROGRESS = REGISTER + 3  # bits: deeds looked at, deeds done, first clause done; then the carried thing's number + 1
THINGS = REGISTER + 4  # of each thing: 10 bits position now, 10 bits position as last looked at, 8 bits descriptions
MAX_THINGS = 40
NUM_REGISTERS = THINGS + MAX_THINGS - REGISTER
CHANGING = WAITS
_NOWHERE = 1023
_LOOKED_AT, _DONE, _CLAUSE_DONE, _HANDS = 0, 4, 8, 9
_CONTINUES, _SUCCEEDS, _FAILS = range(3)

SUCCESS = "the instruction is carried out"


def changing(facts: np.ndarray) -> int:
    """How many registers from CHANGING on are in use, of one environment's facts, int32 [F]."""
    return THINGS - CHANGING + int(facts[COUNT])


@inner
def describe(kind, colour=-1, place=0):
    """A description: kind 0 and colour -1 are any."""
    return kind | (colour + 1) << 3 | place << 6


@inner
def like(cell):
    """The description of things that look like a cell."""
    return describe(kind_of(cell), colour_of(cell))


@inner
def deed(verb, thing, other=0, strict=0):
    return verb | thing << 3 | other << 13 | strict << 23


@inner
def instruct(facts, i, first, second=0, third=0, fourth=0, order=0):
    """Writes an instruction down; deeds of 0 are none."""
    facts[i, MISSION] = first | order << _ORDER
    facts[i, MISSION + 1] = second
    facts[i, MISSION + 2] = third
    facts[i, MISSION + 3] = fourth


@inner
def fits(cells, facts, params, i, described, at):
    """Whether the thing at a position fits a description, seen from where the agent stands now."""
    cell = int(cells[i, at])
    kind, colour, place = described & 7, (described >> 3) & 7, (described >> 6) & 7
    if cell == EMPTY_CELL or (kind and kind_of(cell) != kind) or (colour and colour_of(cell) != colour - 1):
        return False
    if place == 0:
        return True
    size, width = room_size(params), params[WIDTH]
    x, y, direction = at % width, at // width, facts[i, DIRECTION]
    left, top = facts[i, X] // (size - 1) * (size - 1), facts[i, Y] // (size - 1) * (size - 1)
    if x < left or y < top or x >= left + size or y >= top + size:
        return False
    right, down = x - facts[i, X], y - facts[i, Y]
    ahead = right * step_x(direction) + down * step_y(direction)
    sideways = down * step_x(direction) - right * step_y(direction)
    if place == LEFT_OF:
        return sideways < 0
    if place == RIGHT_OF:
        return sideways > 0
    return ahead > 0 if place == IN_FRONT else ahead < 0


@inner
def how_many(cells, facts, params, i, described):
    """How many things of the grid fit a description."""
    count = 0
    for at in range(cells.shape[1]):
        count += cells[i, at] != EMPTY_CELL and fits(cells, facts, params, i, described, at)
    return count


@inner
def next_to(at, other, width):
    """Whether two positions are neighbours, diagonals left out."""
    return abs(at % width - other % width) + abs(at // width - other // width) == 1


@inner
def _descriptions(facts, i, word):
    """The two descriptions of one deed; without other thing, the second is -1."""
    deed_word = facts[i, MISSION + word]
    other = (deed_word >> 13) & 0x3FF
    return (deed_word >> 3) & 0x3FF, other if deed_word & 7 == PUT_NEXT else -1


@inner
def settle(cells, facts, params, i):
    """Finds the things that the instruction means and sets the episode's limit; the level is as it begins."""
    walks, count = 0, 0
    for at in range(cells.shape[1]):
        cell = int(cells[i, at])
        if cell == EMPTY_CELL or kind_of(cell) < DOOR:
            continue
        mask = 0
        for word in range(NUM_MISSION):
            if facts[i, MISSION + word] & 7 == 0:
                continue
            thing, other = _descriptions(facts, i, word)
            if fits(cells, facts, params, i, thing, at):
                mask |= 1 << 2 * word
            if other >= 0 and fits(cells, facts, params, i, other, at):
                mask |= 2 << 2 * word
        if mask and count < MAX_THINGS:
            facts[i, THINGS + count] = at | at << 10 | mask << 20
            count += 1
    facts[i, COUNT], facts[i, PROGRESS] = count, 0
    for word in range(NUM_MISSION):
        verb = facts[i, MISSION + word] & 7
        walks += (verb != 0) + (verb == PUT_NEXT)
        for side in range(1 + (verb == PUT_NEXT)):
            fitting = 0
            for k in range(count):
                fitting += (facts[i, THINGS + k] >> (20 + 2 * word + side)) & 1
            # A grey object may be any of the walls, too.
            described = (facts[i, MISSION + word] >> (3 + 10 * side)) & 0x3FF
            if fitting > 1 or described == (GREY + 1) << 3:
                facts[i, MISSION + word] |= 1 << (12 + 10 * side)
    facts[i, LIMIT] = params[MAX_STEPS]
    if not params[FIXED]:
        facts[i, LIMIT] = walks * room_size(params) ** 2 * num_rows(params) * num_columns(params)


@inner
def limit(facts, params, i):
    return facts[i, LIMIT]


@inner
def _now(thing):
    return thing & 1023


@inner
def _last(thing):
    return (thing >> 10) & 1023


@inner
def _move(facts, i, k, to):
    facts[i, THINGS + k] = facts[i, THINGS + k] & ~1023 | to


@inner
def _thing_at(facts, i, at):
    """The number of the thing that lies at a position now, -1 for none."""
    for k in range(facts[i, COUNT]):
        if _now(facts[i, THINGS + k]) == at:
            return k
    return -1


@inner
def begin(cells, facts, streams, params, i, action):
    at = facts[i, WAITS]
    if 0 < at < cells.shape[1]:
        facts[i, CARRIED], facts[i, WAITS] = cells[i, at], 0
        cells[i, at] = EMPTY_CELL
        _take_up(facts, i, at)
    return action, int(facts[i, CARRIED])


@inner
def _take_up(facts, i, at):
    k = _thing_at(facts, i, at)
    if k >= 0:
        _move(facts, i, k, _NOWHERE)
        facts[i, PROGRESS] |= (k + 1) << _HANDS


@inner
def end(cells, facts, params, i, action, memo, reward, terminated):
    """What the action did to the things of the instruction, and whether it is carried out now."""
    at = front_y(facts, i) * params[WIDTH] + front_x(facts, i)
    held = facts[i, PROGRESS] >> _HANDS
    carried = facts[i, CARRIED]
    if action == PICKUP:
        if memo == NO_OBJECT and carried != NO_OBJECT:
            _take_up(facts, i, at)
    elif action == DROP:
        if memo != NO_OBJECT and carried == NO_OBJECT and held:
            _move(facts, i, held - 1, at)
            facts[i, PROGRESS] &= (1 << _HANDS) - 1
        for k in range(facts[i, COUNT]):
            thing = facts[i, THINGS + k]
            facts[i, THINGS + k] = thing & ~(1023 << 10) | _now(thing) << 10
    elif action == TOGGLE and kind_of(cell_at(cells, params, i, front_x(facts, i), front_y(facts, i))) == NOTHING:
        k = _thing_at(facts, i, at)
        if k >= 0:  # a box is gone for good
            _move(facts, i, k, _NOWHERE)
    status = _verify(cells, facts, params, i, action, memo, held, at)
    if status == _SUCCEEDS:
        return 1 - 0.9 * (facts[i, STEPS] / facts[i, LIMIT]), True
    if status == _FAILS:
        return 0.0, True
    return reward, terminated


@inner
def _verify(cells, facts, params, i, action, memo, held, at):
    """The whole instruction: the clause whose turn it is, and the other one from the step that ends the first on."""
    order = (facts[i, MISSION] >> _ORDER) & 3
    if order == ONE_CLAUSE:
        return _verify_clause(cells, facts, params, i, 0, action, memo, held, at)
    first = 0 if order == BEFORE else 1
    if not (facts[i, PROGRESS] >> _CLAUSE_DONE) & 1:
        status = _verify_clause(cells, facts, params, i, first, action, memo, held, at)
        if status != _SUCCEEDS:
            return status
        facts[i, PROGRESS] |= 1 << _CLAUSE_DONE
    return _verify_clause(cells, facts, params, i, 1 - first, action, memo, held, at)


@inner
def _verify_clause(cells, facts, params, i, clause, action, memo, held, at):
    word = 2 * clause
    if facts[i, MISSION + word + 1] == 0:
        return _verify_deed(cells, facts, params, i, word, action, memo, held, at)
    both = True
    for k in range(2):
        done = 1 << (_DONE + word + k)
        if not facts[i, PROGRESS] & done:
            if _verify_deed(cells, facts, params, i, word + k, action, memo, held, at) == _SUCCEEDS:
                facts[i, PROGRESS] |= done
            else:
                both = False
    return _SUCCEEDS if both else _CONTINUES


@inner
def _verify_deed(cells, facts, params, i, word, action, memo, held, at):
    """One deed. What was in the hands before, it knows only if it was looked at in the step before."""
    deed_word = facts[i, MISSION + word]
    verb, strict = deed_word & 7, (deed_word >> 23) & 1
    looked_at = (facts[i, PROGRESS] >> (_LOOKED_AT + word)) & 1
    facts[i, PROGRESS] |= 1 << (_LOOKED_AT + word)
    first, count = 20 + 2 * word, facts[i, COUNT]
    if verb == GO_TO:
        for k in range(count):
            thing = facts[i, THINGS + k]
            if (thing >> first) & 1 and _last(thing) == at:
                return _SUCCEEDS
    elif verb == OPEN_IT:
        if action == TOGGLE:
            front = cell_at(cells, params, i, front_x(facts, i), front_y(facts, i))
            k = _thing_at(facts, i, at)
            if k >= 0 and (facts[i, THINGS + k] >> first) & 1 and state_of(front) == OPEN:
                return _SUCCEEDS
            if strict and kind_of(front) == DOOR:
                return _FAILS
    elif verb == PICK_UP:
        if action == PICKUP:
            holds = facts[i, PROGRESS] >> _HANDS
            meant = holds and (facts[i, THINGS + holds - 1] >> first) & 1
            if meant and (memo == NO_OBJECT or not looked_at):
                return _SUCCEEDS
            if strict and facts[i, CARRIED] != NO_OBJECT:
                return _FAILS
    elif action == DROP and looked_at and held and facts[i, CARRIED] == NO_OBJECT:
        meant = (facts[i, THINGS + held - 1] >> first) & 1
        for k in range(count):
            thing = facts[i, THINGS + k]
            if meant and (thing >> (first + 1)) & 1 and next_to(at, _last(thing), params[WIDTH]):
                return _SUCCEEDS
    return _CONTINUES


def unsound(registers: np.ndarray) -> np.ndarray:
    """Registers, int32 [n, NUM_REGISTERS], that kernels could not follow: bool [n]."""
    limits, counts = registers[:, LIMIT - REGISTER], registers[:, COUNT - REGISTER]
    held = registers[:, PROGRESS - REGISTER] >> _HANDS
    return (limits < 1) | (counts < 0) | (counts > MAX_THINGS) | (held < 0) | (held > counts)


def take_up_what_waits(cells: np.ndarray, facts: np.ndarray) -> None:
    """What `begin` does with an episode's first action, to one environment's cells, uint32 [H * W], and facts."""
    at, things = int(facts[WAITS]), facts[THINGS : THINGS + facts[COUNT]]
    facts[CARRIED], facts[WAITS], cells[at] = cells[at], 0, EMPTY_CELL
    for k in np.flatnonzero(things & 1023 == at).tolist():
        things[k] |= _NOWHERE
        facts[PROGRESS] |= (k + 1) << _HANDS


def aims(facts: np.ndarray) -> tuple[list[int], int]:
    """Where the things lie that an instruction of a single deed means, and the steps that the deed takes when one is
    faced; nothing of other instructions, and of putting things next to others.

    Args:
        facts: of one environment, int32 [F].
    """
    verbs = [int(word) & 7 for word in facts[MISSION : MISSION + NUM_MISSION] if word]
    if len(verbs) != 1 or verbs[0] == PUT_NEXT:
        return [], 0
    things = facts[THINGS : THINGS + facts[COUNT]].tolist()
    places = [_last.py_func(thing) if verbs[0] == GO_TO else _now.py_func(thing) for thing in things]
    return [at for at in places if at != _NOWHERE], int(verbs[0] != GO_TO)


def only_goes(facts: np.ndarray) -> bool:
    """Whether an instruction is to go to something, and nothing else."""
    return [int(word) & 7 for word in facts[MISSION : MISSION + NUM_MISSION] if word] == [GO_TO]


_VERBS = ("", "go to", "open", "pick up", "put")
_PLACES = ("", " on your left", " on your right", " in front of you", " behind you")


def _thing_words(described: int) -> str:
    kind, colour, place = described & 7, (described >> 3) & 7, (described >> 6) & 7
    named = OBJECT_NAMES[kind] if kind else "object"
    coloured = f"{COLOUR_NAMES[colour - 1]} {named}" if colour else named
    return f"{'a' if (described >> 9) & 1 else 'the'} {coloured}{_PLACES[place]}"


def _deed_words(word: int) -> str:
    verb = word & 7
    said = f"{_VERBS[verb]} {_thing_words((word >> 3) & 0x3FF)}"
    return f"{said} next to {_thing_words((word >> 13) & 0x3FF)}" if verb == PUT_NEXT else said


def words(numbers: tuple[int, ...]) -> str:
    clauses = [" and ".join(_deed_words(word) for word in pair if word & 7) for pair in (numbers[:2], numbers[2:])]
    order = (numbers[0] >> _ORDER) & 3
    return clauses[0] if order == ONE_CLAUSE else (", then " if order == BEFORE else " after you ").join(clauses)
