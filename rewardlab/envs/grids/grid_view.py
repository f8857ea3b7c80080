"""What a MiniGrid agent sees: its view or the full grid as raw ints, and the mission where it varies; no direction."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict
from minigrid.core.constants import OBJECT_TO_IDX
from minigrid.core.mission import MissionSpace
from minigrid.minigrid_env import MiniGridEnv
from minigrid.wrappers import FullyObsWrapper

from rewardlab.envs.grids import missions
from rewardlab.errors import UserError
from rewardlab.gridworld.catalogue import TASKS


class GridView(gymnasium.ObservationWrapper[Any, Any, Any]):
    """`image` uint8 [V, V, 3] or [W, H, 3], at most 10 (the object types); `mission` int64 [L] where it varies.

    Args:
        env: a bare MiniGridEnv.
        observation: view, or full.

    Attributes:
        tokens: of every mission; of length 0 where there is only one.

    Raises:
        UserError: missions that cannot be listed, or that have words outside the vocabulary.
    """

    def __init__(self, env: MiniGridEnv, observation: str = "view") -> None:
        wrapper: Any = FullyObsWrapper
        super().__init__(wrapper(env) if observation == "full" else env)
        shown = env.observation_space
        assert isinstance(shown, Dict)
        sides = (env.width, env.height) if observation == "full" else (env.agent_view_size, env.agent_view_size)
        entries: dict[str, gymnasium.Space[Any]] = {"image": Box(0, max(OBJECT_TO_IDX.values()), (*sides, 3), np.uint8)}
        self.tokens = _mission_tokens(env, shown["mission"])
        if self.tokens.length:
            entries["mission"] = Box(0, len(self.tokens.vocabulary), (self.tokens.length,), np.int64)
        self.observation_space = Dict(entries)

    def observation(self, observation: Any) -> dict[str, Any]:
        if not self.tokens.length:
            return {"image": observation["image"]}
        return {"image": observation["image"], "mission": self.tokens[observation["mission"]]}


def _mission_tokens(env: gymnasium.Env[Any, Any], space: gymnasium.Space[Any]) -> missions.Tokens:
    """Tokens of every mission of the task; of length 0 where there is only one."""
    name = env.unwrapped.spec.id if env.unwrapped.spec is not None else str(env.unwrapped)
    if type(space) is not MissionSpace:  # BabyAI's says nothing of what its missions may be
        if name in TASKS:
            return missions.Tokens([], TASKS[name].mission_words, missions.SENTENCES)
        raise UserError(
            f"env.id={name}: its missions are made up as it goes; use env=gym env.id={name}, which reads any words"
        )
    every = missions.all_missions(space)
    if len(every) == 1:
        return missions.Tokens([], 0)
    try:
        return missions.Tokens(every, missions.longest(every))
    except KeyError as error:
        raise UserError(f"env.id={name}: the mission word {error} is not in MiniGrid's vocabulary") from None
