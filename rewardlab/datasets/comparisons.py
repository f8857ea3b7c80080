"""Comparisons that people made: pairs of segments in one file, and which of each is the better one in another.

A folder holds `segments.npz`, the steps of both segments of every pair, and `labels.csv`, a row for each answer:

    pair,answer,strength
    0,left,1
    1,same,1

`rewardlab label` writes both. A strength other than 1 may be written in by hand: by how much the better one is better.
Files of any origin are read as numbers and text.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rewardlab.datasets.folders import SEGMENTS
from rewardlab.errors import UserError, one_line
from rewardlab.types import EnvSpec, TensorObs

LABELS = "labels.csv"
HEADER = ("pair", "answer", "strength")
ANSWERS = {"left": 1.0, "right": 0.0, "same": 0.5}
"""An answer, and by what share the left segment is preferred then."""

_OWN = ("action", "length", "task_reward", "terminated")


@dataclass(frozen=True)
class Comparisons:
    """B answered pairs.

    columns: `obs.NAME`, `next_obs.NAME`, `action`, `task_reward` and `terminated` of their steps, [B, 2, W, ...], 0
        from the end of the segments on, and their `length`, int64 [B].
    preferred: float32 [B], the share that the first is preferred by. strength: float32 [B].
    """

    columns: TensorObs
    preferred: torch.Tensor
    strength: torch.Tensor

    def __len__(self) -> int:
        return len(self.preferred)

    @property
    def segment(self) -> int:
        return self.columns["action"].shape[2]


def write_segments(folder: Path, pairs: TensorObs) -> None:
    """Raises:
    OSError: they can't be written.
    """
    columns: dict[str, Any] = {name: column.numpy() for name, column in pairs.items()}
    with open(folder / SEGMENTS, "wb") as file:
        np.savez_compressed(file, **columns)


def pairs_in(folder: Path) -> int:
    """How many pairs there are to compare.

    Raises:
        UserError: the file of segments can't be read.
    """
    return len(_columns(str(folder), folder / SEGMENTS)["length"])


def answers_in(where: str, file: Path, pairs: int) -> dict[int, tuple[str, float]]:
    """Of each pair that was answered: the answer and its strength. Of two answers the later counts.

    Args:
        where: names the file in refusals.
        pairs: how many there are.

    Raises:
        UserError: it can't be read, or a row is none; the line is named.
    """
    found: dict[int, tuple[str, float]] = {}
    try:
        with open(file, encoding="utf-8", newline="") as opened:
            reader = csv.DictReader(opened)
            if not {"pair", "answer"} <= set(reader.fieldnames or ()):
                raise UserError(f"{where}: its first line must be {','.join(HEADER)}")
            for row in reader:
                place = f"{where}, line {reader.line_num}"
                found[_pair(place, row["pair"], pairs)] = (
                    _answer(place, row["answer"]),
                    _strength(place, row.get("strength") or "1"),
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{where}: can't be read ({one_line(getattr(error, 'strerror', None) or error)})") from None
    return found


def read_comparisons(key: str, path: str, spec: EnvSpec) -> Comparisons:
    """The answered pairs of a `labels.csv`, with `segments.npz` beside it.

    Args:
        key: the option that names the path, for refusals.
        spec: what observations and actions must be like.

    Raises:
        UserError: no such files, none that can be read, or none that fit.
    """
    where, file = f"{key}={path}", Path(path).expanduser()
    if not file.is_file():
        raise UserError(f"{where}: no such file; rewardlab label RUN makes one")
    columns = _columns(where, file.parent / SEGMENTS)
    _check(where, columns, spec)
    answers = answers_in(where, file, len(columns["length"]))
    if not answers:
        raise UserError(f"{where}: holds no answer yet")
    chosen = torch.tensor(list(answers))
    told = [(ANSWERS[answer], strength) for answer, strength in answers.values()]
    preferred, strength = torch.tensor(told, dtype=torch.float32).unbind(dim=1)
    return Comparisons({name: column[chosen] for name, column in columns.items()}, preferred, strength)


def _columns(where: str, file: Path) -> TensorObs:
    if not file.is_file():
        raise UserError(f"{where}: there is no {SEGMENTS} beside it, which holds what was compared")
    try:
        with np.load(file, allow_pickle=False) as opened:
            columns = {name: torch.from_numpy(opened[name]) for name in opened.files}
    except Exception as error:  # whatever a damaged file leads to
        raise UserError(
            f"{where}: {file.name} can't be read ({type(error).__name__}: {one_line(error, 200)})"
        ) from None
    if any(name not in columns for name in _OWN) or columns["length"].dim() != 1:
        raise UserError(f"{where}: {file.name} holds no segments")
    return columns


def _check(where: str, columns: TensorObs, spec: EnvSpec) -> None:
    """Raises:
    UserError: they are of another world.
    """
    count, width = len(columns["length"]), columns["task_reward"].shape[-1]
    action = ("int64", ()) if spec.action.discrete else ("float32", spec.action.shape)
    wanted = {f"{part}.{name}": (entry.dtype, entry.shape) for part in ("obs", "next_obs")
              for name, entry in spec.obs.items()}  # fmt: skip
    wanted |= {"action": action, "task_reward": ("float32", ()), "terminated": ("bool", ())}
    for name, (dtype, shape) in wanted.items():
        found = columns.get(name)
        if found is None:
            raise UserError(f"{where}: holds no {name}, which {spec.id} shows")
        if tuple(found.shape) != (count, 2, width, *shape) or str(found.dtype) != f"torch.{dtype}":
            told = f"{str(found.dtype).removeprefix('torch.')} {tuple(found.shape[3:])}"
            raise UserError(f"{where}: its {name} is {told}, that of {spec.id} is {dtype} {tuple(shape)}")
    length = columns["length"]
    if count and not bool(((length > 0) & (length <= width)).all()):
        raise UserError(f"{where}: its segments have lengths that can't be")
    if spec.action.n is not None and not bool(((columns["action"] >= 0) & (columns["action"] < spec.action.n)).all()):
        raise UserError(f"{where}: holds actions that {spec.id} has not")
    for name, column in columns.items():
        if column.is_floating_point() and not bool(torch.isfinite(column).all()):
            raise UserError(f"{where}: its {name} holds what is no number")


def _pair(place: str, text: str | None, pairs: int) -> int:
    if text is None or not text.isdecimal() or int(text) >= pairs:
        raise UserError(f"{place}: pair={text}: must be from 0 to {pairs - 1}")
    return int(text)


def _answer(place: str, text: str | None) -> str:
    if text not in ANSWERS:
        raise UserError(f"{place}: answer={text}: must be one of {', '.join(ANSWERS)}")
    return text


def _strength(place: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise UserError(f"{place}: strength={text}: must be a number of at least 0")
    return value
