"""One game of NetHack, as MiniHack and NLE make it, with its true ends and levels that a seed fixes.

What NLE does otherwise (1.3.0), and what is done here:

    the seed of a reset does not reach the game         the game is seeded before every reset, MiniGrid within it too
    moon, Friday 13th and the hour are the machine's    they follow from the seed
    the time limit counts as termination                it truncates
    a solved or stopped game is left before it is       it is not left: what is shown is its last state
    shown: a blank screen
    a death shows a blank screen too                    the state before it is shown; nothing better is to be had
    arrays are written over at the next step            copies
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict

from rewardlab.envs.batched import SOLVED
from rewardlab.maths.counting import hash_rows
from rewardlab.maths.nethack import BLSTATS, GLYPHS, MAP, MESSAGE, STATUS, around, status
from rewardlab.types import Array, Obs

KEYS = ("glyphs", "blstats", "message")  # what NLE is asked for
CROP = 9  # cells of a side
_CELLS = {"glyphs": MAP, "crop": (CROP, CROP)}
_SHOWN = {"both": ("glyphs", "crop"), "map": ("glyphs",), "crop": ("crop",)}


class View:
    """Our entries, of what N games show.

    glyphs: int16 [21, 79], the map; crop: int16 [9, 9], around the hero. vector: float32 [39], the bottom lines
    (`maths.nethack.status`). message: uint8 [256], the top line.

    Attributes:
        ours: the Dict space of one game's.
    """

    def __init__(self, view: str) -> None:
        """Args:
        view: which of map and crop are shown: both, map or crop.
        """
        self._cells = _SHOWN[view]
        entries: list[tuple[str, Any]] = [(name, Box(0, GLYPHS - 1, _CELLS[name], np.int16)) for name in self._cells]
        entries.append(("vector", Box(-np.inf, np.inf, (STATUS,), np.float32)))
        entries.append(("message", Box(0, 255, (MESSAGE,), np.uint8)))
        self.ours = Dict(entries)

    def __call__(self, frames: Mapping[str, Array]) -> Obs:
        """In arrays of their own."""
        glyphs, blstats = frames["glyphs"], frames["blstats"]
        found: Obs = {}
        if "glyphs" in self._cells:
            found["glyphs"] = glyphs.copy()
        if "crop" in self._cells:
            found["crop"] = around(glyphs, blstats[:, 0], blstats[:, 1], CROP)
        return found | {"vector": status(blstats), "message": frames["message"].copy()}


class Game(gymnasium.Env[Any, Any]):
    """One game, with its true ends; shows the `KEYS` as NLE does."""

    observation_space = Dict(
        {
            "glyphs": Box(0, GLYPHS - 1, MAP, np.int16),
            "blstats": Box(-(2**63), 2**63 - 1, (BLSTATS,), np.int64),
            "message": Box(0, 255, (MESSAGE,), np.uint8),
        }
    )

    def __init__(self, game: Any) -> None:
        """Args:
        game: of NLE or MiniHack, without wrappers, asked for `KEYS`.
        """
        self.game = game
        game._quit_game = lambda observation, done: None  # else the last state would be left before it is seen
        self.action_space = game.action_space
        self._shown: dict[str, Array] = {}

    @property
    def max_steps(self) -> int:
        return int(self.game._max_episode_steps)

    @property
    def can_be_solved(self) -> bool:
        """Whether the task knows a success."""
        return hasattr(self.game.StepStatus, "TASK_SUCCESSFUL")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Without a seed, the level is the next of the environment's own generator."""
        super().reset(seed=seed)
        shown = seeded_reset(self.game, int(self.np_random.integers(2**31)) if seed is None else seed)
        return self._keep(shown), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        shown, reward, ended, _, info = self.game.step(action)
        if not ended:
            return self._keep(shown), reward, False, False, {}
        if shown["blstats"].any():  # else it is the blank screen after a death
            self._keep(shown)
        how = info["end_status"].name
        return self._shown, reward, how != "ABORTED", how == "ABORTED", {SOLVED: how == "TASK_SUCCESSFUL"}

    def close(self) -> None:
        self.game.close()

    def place(self) -> Array:
        """int64 [2]: the hero's column and row."""
        return self._shown["blstats"][:2]

    def map_hash(self) -> int:
        """Equal for equal maps, as they are known to the hero."""
        return int(hash_rows(self._shown["glyphs"].reshape(1, -1))[0])

    def picture(self) -> Array:
        """uint8 [H, W, 3]: the map in NetHack's tiles, at half their size."""
        from nle import nethack

        drawn = np.zeros(nethack.TILE_RENDER_SHAPE, dtype=np.uint8)
        if not self._tiles:
            self._tiles = self.game.nethack.setup_tiles()
        self.game.nethack.draw_frame(buffer=drawn)
        return np.ascontiguousarray(drawn[::2, ::2])

    _tiles = 0

    def _keep(self, shown: Any) -> dict[str, Array]:
        self._shown = {name: shown[name].copy() for name in KEYS}
        return self._shown


def seeded_reset(game: Any, seed: int) -> Any:
    """What a game shows at the beginning of the level of this seed."""
    from nle.env.base import NLE

    inner = getattr(game, "minigrid_env", None)
    if inner is not None:
        inner.reset(seed=seed)  # MultiRoom and the crossings draw their walls next, by its generator
    NLE.seed(game, seed, seed, reseed=False)  # not its own: MiniHack's MiniGrid levels call what is no longer there
    before = random.getstate()
    random.seed(seed)  # Boxoban draws its level by it
    try:
        shown, _ = game.reset()
    finally:
        random.setstate(before)
    return shown
