"""NoisyDarkRooms: rooms in a chain, dark or full of noise that the agent can end; nothing is paid.

Four rooms of 4 to 8 cells a side (walls included) behind closed doors, 128 steps an episode. Half of the rooms are
dark, which is empty. In the others every cell but one is floor of one of six colours, drawn anew at every step, until
the box on the remaining cell is toggled. What a policy does there is told by the rooms that it visits in an episode and
those that it silences, in evaluations; see `gridworld/families/darkrooms.py` for the rules.

Source: Fickinger et al. 2021, "Explore and control with adversarial surprise" (arXiv:2107.07394). A level fixes its
noise too, as it fixes the moves of Dynamic-Obstacles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.config import OwnConfig, check_privileged
from rewardlab.envs.grids.facts import FACTS
from rewardlab.envs.grids.fast import ViewOptions, fast_env
from rewardlab.envs.levels import Levels
from rewardlab.errors import unknown
from rewardlab.facts import ROOMS, SILENCED, SITUATION
from rewardlab.gridworld.batch import World
from rewardlab.gridworld.catalogue import DARK_TASKS, find_task
from rewardlab.gridworld.constants import WIDTH
from rewardlab.schemas import option
from rewardlab.types import ActionSpec, Array, EnvSpec, ObsSpec, TaskFacts, VecEnv

VERSION = 1
_HIGHEST = 10  # of MiniGrid's object numbers


@dataclass
class Config(OwnConfig):
    ON_GRID = True

    id: str = option("NoisyDarkRooms", f"the task: {', '.join(DARK_TASKS)}")

    def validate(self) -> None:
        super().validate()
        if self.id not in DARK_TASKS:
            raise ValueError(str(unknown("id", self.id, DARK_TASKS, "task of these rooms")))


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> VecEnv:
    """N copies of the task.

    Args:
        privileged: full-state facts to compute, of `facts.FACTS`, situation, rooms_visited, rooms_silenced.

    Raises:
        UserError: another fact is asked for.
    """
    own = {ROOMS: rooms_visited, SILENCED: rooms_silenced}
    offered = (*FACTS, SITUATION, *own)
    check_privileged(config.id, privileged, offered)
    task, look = find_task(config.id), ViewOptions()
    spec = EnvSpec(
        id=config.id,
        obs={"image": ObsSpec((look.view_size, look.view_size, 3), "uint8", _HIGHEST)},
        action=ActionSpec(n=task.num_actions),
        max_steps=task.max_steps,
        task=TaskFacts(random_return=0.0, lowest_return=0.0),
        backend="fast",
        privileged=offered,
        tells=tuple(own),
        place=((0.0, 0.0), (task.width - 1.0, task.height - 1.0)),
        downwards=True,
    )
    return fast_env(config.id, spec, levels, None, privileged, look, own)


def rooms_visited(world: World) -> Array:
    """How many rooms each agent has been inside of in its episode, int64 [N]: doors belong to none."""
    from rewardlab.gridworld.families.darkrooms import FIRST, LAST
    from rewardlab.gridworld.families.darkrooms import ROOMS as COUNT

    width, facts = int(world.params[WIDTH]), world.facts
    env, at = np.nonzero(world.visited)
    row, column = np.divmod(at, width)
    found = np.zeros(len(facts), dtype=np.int64)
    for room in range(COUNT):
        (top, left), (bottom, right) = (np.divmod(facts[env, corner + room], width) for corner in (FIRST, LAST))
        inside = (left <= column) & (column <= right) & (top <= row) & (row <= bottom)
        seen = np.zeros(len(facts), dtype=bool)
        seen[env[inside]] = True
        found += seen
    return found


def rooms_silenced(world: World) -> Array:
    """In how many rooms each agent has put an end to noise, int64 [N]."""
    from rewardlab.gridworld.families.darkrooms import KIND
    from rewardlab.gridworld.families.darkrooms import ROOMS as COUNT
    from rewardlab.gridworld.families.darkrooms import SILENCED as QUIET

    found: Array = (world.facts[:, KIND : KIND + COUNT] == QUIET).sum(axis=1)
    return found
