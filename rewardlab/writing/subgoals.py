"""Lists of subgoals from a language model: one question for each level, and a file that curriculum=subgoal_list reads.

Paper: Ruiz-Gonzalez et al. 2024, Words as Beacons (arXiv:2410.08632).

What was answered is kept and not asked for again. An answer without a usable list is sent back with what is
wrong, twice at most; then the level gets a list of its last cell alone, which stands for no subgoals.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rewardlab.config.saved import quoted
from rewardlab.datasets.subgoal_lists import cells_of, has_exact
from rewardlab.errors import UserError
from rewardlab.facts import GRID
from rewardlab.language.model import Message, Model, Purpose, ask_once, shown
from rewardlab.maths.captions import COLOURS, KINDS
from rewardlab.maths.goals import AGENT
from rewardlab.maths.subgoals import exact_list
from rewardlab.records.files import write_atomic
from rewardlab.schemas import RootConfig
from rewardlab.training.environments import make_level_env
from rewardlab.training.levels import evaluation_list, training_levels
from rewardlab.types import Array, EnvSpec

FILE = "subgoals.json"
_REPAIRS = 2
_LISTS = re.compile(r"\[\s*\[[^][]*\](?:\s*,\s*\[[^][]*\])*\s*\]")
_SYSTEM = """You plan for an agent in a grid world. It walks, opens doors, and picks up what lies in front of it. Answer
with one JSON list of cells, [[column, row], ...]."""
_TASK = """The task: {task}

The grid has {width} columns and {height} rows, counted from 0; [0, 0] is the upper left corner. The agent is at
{agent}. Each line of this map is a row: # wall, . floor, A agent, D door, K key, B ball, X box, G goal, ~ lava.

{rows}

{things}

List the cells that the agent must come to, one after the other: keys before their doors, doors on the way, and the
task's own goal last."""
_SIGNS = {"wall": "#", "empty": ".", "floor": ".", "door": "D", "key": "K", "ball": "B", "box": "X", "goal": "G",
          "lava": "~", "agent": "A"}  # fmt: skip
_STATES = ("open", "closed", "locked")
_NAMED = ("door", "key", "ball", "box", "goal")


@dataclass
class Lists:
    """What was answered: cells by level, levels without a usable answer, calls and tokens."""

    cells: dict[int, list[tuple[int, int]]]
    unusable: list[int]
    calls: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0


def grids_of(config: RootConfig, levels: Sequence[int]) -> tuple[EnvSpec, dict[int, Array]]:
    """The grids with which levels begin, uint8 [W, H, 3] each.

    Raises:
        UserError: the world has none.
    """
    make = make_level_env(config)
    probe = make([[levels[0]]])
    spec = probe.spec
    probe.close()
    if GRID not in spec.privileged:
        raise UserError(f"--kind subgoals: subgoals are cells of a grid, and {spec.id} has none; use a MiniGrid task")
    env = make_level_env(config, (GRID,))([[level] for level in levels])
    try:
        env.reset([0] * len(levels))
        return spec, dict(zip(levels, env.privileged()[GRID].copy(), strict=True))
    finally:
        env.close()


def levels_of(config: RootConfig, seeds: Sequence[int]) -> list[int]:
    """The levels that runs with these seeds train on and evaluate.

    Raises:
        UserError: they are endless.
    """
    found: list[int] = []
    for seed in seeds:
        config.seed = seed
        training = training_levels(config)
        if training is None:
            raise UserError("--kind subgoals: lists are kept by level seed; set env.levels=K")
        found += [*training, *evaluation_list(config)]
    return list(dict.fromkeys(found))


def write_lists(
    folder: Path, model: Model, words: str, spec: EnvSpec, grids: Mapping[int, Array], recorded: Path | None = None
) -> int:
    """Ask for what is not answered yet, and write the file. Returns the exit code.

    Args:
        recorded: a folder where prompts and answers are kept once more.
    """
    (folder / "answers").mkdir(parents=True, exist_ok=True)
    lists = Lists({}, [])
    for level, grid in grids.items():
        _ask(folder / "answers", model, first_messages(words, grid), level, grid, lists, recorded)
    told: dict[str, Any] = {
        "levels": len(grids),
        "unusable": lists.unusable,
        "calls": lists.calls,
        "prompt_tokens": lists.prompt_tokens,
        "answer_tokens": lists.answer_tokens,
    }
    if has_exact(spec.id):
        told |= quality(lists.cells, grids)
    write_atomic(
        folder / FILE, (json.dumps({str(level): cells for level, cells in lists.cells.items()}) + "\n").encode()
    )
    write_atomic(folder / "final.json", json.dumps(told, indent=1).encode())
    without = f", {len(lists.unusable)} of them without a usable answer" if lists.unusable else ""
    print(f"{len(grids)} levels{without}; {lists.calls} answers")
    if has_exact(spec.id):
        print(
            f"{told['right']:.1%} of {told['subgoals']} subgoals are right; error {told['error_mean']:.2f} cells (std"
            f" {told['error_std']:.2f}); {told['other_length']} lists of another length"
        )
    print(f"play them with curriculum=subgoal_list curriculum.file={quoted(str(folder / FILE))}")
    return int(len(lists.unusable) == len(grids))


def first_messages(words: str, grid: Array) -> list[Message]:
    """What is asked of one level."""
    width, height = grid.shape[:2]
    kinds = [[KINDS[grid[x, y, 0]] for x in range(width)] for y in range(height)]
    agent = np.argwhere(grid[..., 0] == AGENT)[0].tolist()
    things = [_thing(grid, x, y) for y in range(height) for x in range(width) if KINDS[grid[x, y, 0]] in _NAMED]
    rows = "\n".join("".join(_SIGNS.get(kind, "?") for kind in row) for row in kinds)
    task = _TASK.format(
        task=words, width=width, height=height, agent=agent, rows=rows, things="\n".join(things) or "It is empty."
    )
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": task}]


def _thing(grid: Array, x: int, y: int) -> str:
    kind, colour, state = (int(each) for each in grid[x, y])
    told = f" ({_STATES[state]})" if KINDS[kind] == "door" and state < len(_STATES) else ""
    return f"- {COLOURS[colour]} {KINDS[kind]}{told} at [{x}, {y}]"


def list_in(answer: str, width: int, height: int) -> list[tuple[int, int]]:
    """The last list of cells in an answer.

    Raises:
        ValueError: there is none, or it has cells outside of the grid; one line.
    """
    found = _LISTS.findall(answer)
    if not found:
        raise ValueError("there is no list [[column, row], ...]")
    try:
        entries = json.loads(found[-1])
    except (ValueError, RecursionError):
        raise ValueError(f"{found[-1][:40]} is no list of whole numbers") from None
    return cells_of(entries, width, height)


def quality(cells: Mapping[int, Sequence[tuple[int, int]]], grids: Mapping[int, Array]) -> dict[str, float]:
    """How lists compare with exact ones, the task's own goals left out: share of right positions, errors along rows and
    columns, and how many lists are longer or shorter.
    """
    errors: list[int] = []
    other = 0
    for level, said in cells.items():
        height = grids[level].shape[1]
        exact = [divmod(cell, height) for cell in exact_list(grids[level])]
        if len(exact) != len(said):
            other += 1
            continue
        pairs = zip(exact[:-1], said[:-1], strict=True)
        errors += [abs(right[0] - at[0]) + abs(right[1] - at[1]) for right, at in pairs]
    found = np.array(errors, dtype=np.float64)
    none = not len(found)
    return {
        "subgoals": len(found),
        "right": 0.0 if none else float((found == 0).mean()),
        "error_mean": 0.0 if none else float(found.mean()),
        "error_std": 0.0 if none else float(found.std()),
        "other_length": other,
    }


def _ask(
    folder: Path,
    model: Model,
    begin: Sequence[Message],
    level: int,
    grid: Array,
    lists: Lists,
    recorded: Path | None,
) -> None:
    """One level's list."""
    width, height = grid.shape[:2]
    messages = list(begin)
    for repair in range(_REPAIRS + 1):
        purpose = Purpose(level, repair)
        write_atomic(folder / f"{purpose}.prompt.md", shown(messages).encode())
        answer = ask_once(folder / f"{purpose}.answer.md", model, messages, purpose, recorded=recorded)
        lists.calls += 1
        lists.prompt_tokens += answer.prompt_tokens
        lists.answer_tokens += answer.answer_tokens
        try:
            lists.cells[level] = list_in(answer.text, width, height)
            return
        except ValueError as error:
            said = f"That can't be used: {error}. Answer with the list again."
            messages = [*begin, {"role": "assistant", "content": answer.text}, {"role": "user", "content": said}]
    column, row = np.argwhere(grid[..., 0] == AGENT)[0].tolist()
    lists.cells[level] = [(column, row)]
    lists.unusable.append(level)
