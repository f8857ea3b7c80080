"""Unlock: two rooms with a locked door between, its key on the left; open the door."""

from rewardlab.gridworld.constants import OPEN, REGISTER, STUCK, TOGGLE
from rewardlab.gridworld.families.plain import begin  # noqa: F401
from rewardlab.gridworld.moves import state_of, success_reward
from rewardlab.gridworld.rooms import RIGHT_SIDE, add_door, draw_rooms, key_cell, place_agent_in_room, place_in_room
from rewardlab.gridworld.streams import any_colour
from rewardlab.kernel_cache import inner

SUCCESS = "the door is opened"
POSITIONS = 1  # registers that are positions in the grid
LOCKED_DOOR = REGISTER  # its position


@inner
def generate(cells, facts, streams, scratch, params, i):
    draw_rooms(cells, facts, streams, scratch, params, i)
    colour = any_colour(streams, i)
    facts[i, LOCKED_DOOR] = add_door(cells, scratch, params, i, 0, 0, RIGHT_SIDE, colour, True)
    if place_in_room(cells, facts, streams, params, i, 0, 0, key_cell(colour)) == STUCK:
        return STUCK
    return place_agent_in_room(cells, facts, streams, params, i, 0, 0)


@inner
def end(cells, facts, params, i, action, memo, reward, terminated):
    if action == TOGGLE and state_of(int(cells[i, facts[i, LOCKED_DOOR]])) == OPEN:
        return success_reward(facts, params, i), True
    return reward, terminated


def words(numbers: tuple[int, ...]) -> str:
    return "open the door"
