"""The games that ale-py has, their published scores, and what is known of their memory.

Scores: `atari_scores.csv`, the random play and the human tester of Mnih et al. 2015 and its successors, as in
google-deepmind/dqn_zoo (`dqn_zoo/atari_data.py`): no sticky actions, up to 30 no-ops, 108,000 frames.
Memory: byte numbers of the console's 128, those of Montezuma's Revenge and Pitfall's room as in
openai/random-network-distillation; all were looked at in play.
"""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import numpy as np

from rewardlab.errors import UserError
from rewardlab.facts import GAME_LEVEL, ITEMS, ROOM, SITUATION, SPOT
from rewardlab.types import Array

_BLOCK = 8  # pixels of a side of Go-Explore's cells
NEEDED = "needs ale-py; pip install 'rewardlab[atari]'"
Read = Callable[[Array], Array]


@dataclass(frozen=True)
class Memory:
    """Where a game keeps what is known of it: byte numbers.

    room: of the screen. spot: across and down, the agent's place on it. level, items: of the game; None: it has none.
    """

    room: int
    spot: tuple[int, int]
    level: int | None = None
    items: int | None = None

    def facts(self) -> dict[str, Read]:
        """What reads each fact from memories, uint8 [N, 128]."""
        found: dict[str, Read] = {
            ROOM: lambda ram: ram[:, self.room].astype(np.int64),
            SPOT: lambda ram: ram[:, list(self.spot)].astype(np.int64),
            SITUATION: self._situation,
        }
        for name, byte in ((GAME_LEVEL, self.level), (ITEMS, self.items)):
            if byte is not None:
                found[name] = lambda ram, byte=byte: ram[:, byte].astype(np.int64)  # type: ignore[misc]
        return found

    def _situation(self, ram: Array) -> Array:
        """int64 [N]: a number for each room, block of 8 x 8 of it, level and set of items."""
        known = [byte for byte in (self.room, self.level, self.items) if byte is not None]
        parts = [ram[:, byte].astype(np.int64) for byte in known] + [
            ram[:, byte].astype(np.int64) // _BLOCK for byte in self.spot
        ]
        number = np.zeros(len(ram), dtype=np.int64)
        for part in parts:
            number = number * 256 + part
        return number


MEMORIES = {
    "montezuma_revenge": Memory(room=3, spot=(42, 43), level=57, items=65),
    "pitfall": Memory(room=1, spot=(97, 105)),
}


def is_here() -> bool:
    """Whether ale-py is installed."""
    return importlib.util.find_spec("ale_py") is not None


@cache
def games() -> dict[str, str]:
    """Name -> ROM, of all games for one player: MontezumaRevenge is montezuma_revenge.

    Raises:
        UserError: ale-py is missing.
    """
    if not is_here():
        raise UserError(f"env=atari: {NEEDED}")
    from ale_py import ALEInterface, LoggerMode, roms

    ALEInterface.setLoggerMode(LoggerMode.Error)
    paths = {rom: roms.get_rom_path(rom) for rom in roms.get_all_rom_ids()}
    known = [rom for rom, path in paths.items() if path is not None and ALEInterface.isSupportedROM(path)]
    return {rom.title().replace("_", ""): rom for rom in known}


def check_game(name: str) -> None:
    """Raises:
    ValueError: there is no such game, or it can't be played here.
    """
    if not is_here():
        raise ValueError(f"id={name}: {NEEDED}")
    names = games()
    if name not in names:
        plain = name.rpartition(":")[2].removeprefix("ALE/").partition("-")[0].replace("_", "").lower()
        by_lower = {each.lower(): each for each in names}
        close = get_close_matches(plain, by_lower, n=1, cutoff=0.5)
        hint = f"; did you mean {by_lower[close[0]]}?" if close else ""
        raise ValueError(
            f"id={name}: no such game{hint} (allowed: {len(names)} names, the NAME of gymnasium's ALE/NAME-v5)"
        )


@cache
def published_scores(rom: str) -> tuple[float | None, float | None]:
    """Those of random play and of the human tester; None where there are none."""
    with (Path(__file__).with_name("atari_scores.csv")).open(newline="") as file:
        rows = {row["game"]: (float(row["random"]), float(row["human"])) for row in csv.DictReader(file)}
    return rows.get(rom, (None, None))
