"""The whole task of a world that keeps it in tables, as gymnasium's toy texts do: FrozenLake, CliffWalking, Taxi."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np

from rewardlab.errors import UserError, one_line
from rewardlab.types import Array, Mdp


def whole_task(world: gymnasium.Env[Any, Any]) -> Callable[[], Mdp] | None:
    """What makes the tables, or None where the world has none, or shows something else than the number of its state.

    Args:
        world: as it shows itself to us, a `vector`; inside it are `P` and `initial_state_distrib`.
    """
    bare = world.unwrapped
    table, start = getattr(bare, "P", None), getattr(bare, "initial_state_distrib", None)
    numbered = (bare.observation_space, bare.action_space)
    if not isinstance(table, dict) or start is None:
        return None
    if not all(isinstance(space, gymnasium.spaces.Discrete) and space.start == 0 for space in numbered):
        return None
    shown = world.observation_space
    if not isinstance(shown, gymnasium.spaces.Dict) or list(shown) != ["vector"]:
        return None
    if shown["vector"].shape != (len(table),) or np.shape(start) != (len(table),):
        return None
    return partial(read_tables, table, np.asarray(start, dtype=np.float64))


def read_tables(table: dict[int, dict[int, list[tuple[Any, ...]]]], start: Array) -> Mdp:
    """Of lists of (probability, next state, reward, whether it ends) for each state and action.

    Raises:
        UserError: they are something else.
    """
    try:
        states, actions = len(table), len(table[0])
        chance, reward = np.zeros((states, actions, states)), np.zeros((states, actions))
        for state, by_action in table.items():
            for action, outcomes in by_action.items():
                for probability, following, paid, ends in outcomes:
                    reward[state, action] += probability * paid
                    if not ends:
                        chance[state, action, following] += probability
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UserError(f"the environment's P is no table as FrozenLake has it ({one_line(error)})") from None
    return Mdp(chance, reward, start)
