"""Numbers for things that have none: fixed random codes of glyphs and of messages.

A glyph's number says nothing of what it shows, so it must not reach a network, a distance or a hash as a magnitude. A
code is a random vector: those of two glyphs are as far apart as any others. It is the same on every machine. What a
linear layer makes of codes is what it would make of one-hot numbers after a random projection.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from rewardlab.maths.nethack import BLANK, MESSAGE

CELL_CODE = 8  # numbers of a glyph's code
MESSAGE_CODE = 64  # numbers of a message's
_TYPICAL = 32.0  # letters of a message, whose code then has numbers of variance 1


def cell_codes(cells: torch.Tensor) -> torch.Tensor:
    """Glyphs [...] -> float32 [..., 8], normal; those of cells of which nothing is known are 0, as beyond a border."""
    table = _cells(str(cells.device))
    return table.index_select(0, cells.reshape(-1).long()).view(*cells.shape, CELL_CODE)


def message_codes(letters: torch.Tensor) -> torch.Tensor:
    """Messages, bytes [..., L] -> float32 [..., 64]: the sum of a random vector for each letter at its place.

    Two messages that differ in k letters are about sqrt(k / 16) apart, number by number; the end of a message adds 0.
    """
    rows = letters.reshape(-1, letters.shape[-1]).long()
    places = torch.arange(rows.shape[1], device=rows.device) * 256
    found = torch.nn.functional.embedding_bag(rows + places, _letters(str(rows.device)), mode="sum")
    return found.view(*letters.shape[:-1], MESSAGE_CODE)


@cache
def _cells(device: str) -> torch.Tensor:
    """float32 [8192, 8]: more rows than NetHack has glyphs."""
    codes = np.random.default_rng(0).standard_normal((8192, CELL_CODE)).astype(np.float32)
    codes[BLANK] = 0.0
    return torch.from_numpy(codes).to(device)


@cache
def _letters(device: str) -> torch.Tensor:
    """float32 [256 * 256, 64]: a row for each letter at each place; a letter's rows differ by signs."""
    rng = np.random.default_rng(1)
    letters = rng.standard_normal((256, MESSAGE_CODE)).astype(np.float32) / np.float32(np.sqrt(_TYPICAL))
    letters[0] = 0.0
    signs = rng.choice(np.array([-1.0, 1.0], dtype=np.float32), size=(MESSAGE, 1, MESSAGE_CODE))
    return torch.from_numpy((signs * letters).reshape(-1, MESSAGE_CODE)).to(device)
