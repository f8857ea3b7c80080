"""`rewardlab list`: what there is to choose from, read from the heads of the files, never by import.

A terminal gets what fits its width, a pipe all of it.
"""

import re
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rewardlab import discovery
from rewardlab.commands import screen
from rewardlab.errors import UserError, unknown

_HINT = "--long shows the papers, too"


def main(given: Namespace) -> int:
    """Print the table of a group, or of all."""
    columns = screen.width()
    if given.optimal:
        if given.group != "env":
            raise UserError("--optimal: only environments have an optimum; use rewardlab list env --optimal")
        print(optimal_table(None if given.long else columns))
        return 0
    shown = [given.group] if given.group else groups()
    told = [table(group) if columns is None else fitted(group, columns, given.long) for group in shown]
    print("\n\n".join([*told, *([_HINT] if columns is not None and not given.long else [])]))
    return 0


@dataclass(frozen=True)
class Entry:
    """One line of the list."""

    name: str
    description: str
    paper: str
    assumes: str
    fidelity: str = ""


def groups() -> list[str]:
    """What can be listed: the config groups, and the folders of ready-made recipes."""
    folders = {path.parent.name for path in discovery.conf_dir().glob("*/*.yaml")}
    return [*discovery.FOLDERS, *sorted(folders - set(discovery.FOLDERS))]


def entries(group: str) -> list[Entry]:
    """The choices of a group, the users' own included.

    Raises:
        UserError: no such group.
    """
    if group not in groups():
        raise unknown("list", group, groups(), "group")
    if group in discovery.FOLDERS:
        return [_entry(group, name, path) for name, path in discovery.choices(group).items()]
    return [_entry(group, path.stem, path) for path in sorted((discovery.conf_dir() / group).glob("*.yaml"))]


def table(group: str) -> str:
    """The choices of a group as aligned columns; empty columns are left out."""
    names = ("name", "description", "paper", "assumes", "fidelity")
    rows = [Entry(*names), *entries(group)]
    columns = [[getattr(row, name) for row in rows] for name in names]
    return _aligned(group, columns)


def fitted(group: str, columns: int, in_full: bool) -> str:
    """The choices of a group in lines that fit a terminal.

    Args:
        in_full: with the papers, and what a choice assumes.
    """
    found = entries(group)
    indent = 4 + max((len(entry.name) for entry in found), default=0)
    lines = []
    for entry in found:
        more = [entry.paper, f"assumes {entry.assumes}" if entry.assumes else "", entry.fidelity] if in_full else []
        told = [text for text in (entry.description, *more) if text] or [""]
        first, *rest = [line for text in told for line in screen.wrapped(text, columns - indent) or [""]]
        lines += [f"  {entry.name}".ljust(indent) + first, *(" " * indent + line for line in rest)]
    return "\n".join([f"{group}=", *(line.rstrip() for line in lines)])


def optimal_table(columns: int | None = None) -> str:
    """The environments with their scale: what the best policy and uniformly random actions are known to reach.

    Args:
        columns: of the terminal: what does not fit is left out. None: everything.
    """
    found = [(entry.name, *_scale(entry.name), entry.description) for entry in entries("env")]
    if columns is None:
        return "\n\n".join([_aligned("env", list(zip(_SCALED, *found, strict=True))), _EXPLANATION])
    titles = [title.rpartition(" ")[::2] for title in _SCALED]  # in two lines
    table = [list(column) for column in zip(*(zip(*titles, strict=True)), *found, strict=True)]
    shown = [column for column in table if any(column[2:])]
    while sum(2 + max(map(len, column)) for column in shown) > columns and len(shown) > 1:
        shown.pop()
    lines = [f"  {line}" for line in screen.aligned(list(zip(*shown, strict=True)))]
    notes = screen.wrapped(" ".join(_EXPLANATION.split()), columns)
    return "\n".join(["env=", *lines, "", *notes, "", "--long shows all columns"])


_SCALED = (
    "name", "optimum", "optimal steps", "optimal return", "no solution", "random return", "random success",
    "levels", "trained on", "description",
)  # fmt: skip
_EXPLANATION = """\
optimum: exact = the shortest ways, found by search; bound = no policy does better, perhaps none as well;
unavailable = chance takes part, or the search met its limit. Steps and returns are means over sampled levels; a level
without a solution pays 0. random: uniformly random actions. levels: how many there are, where they could be counted;
trained on: share of the evaluation levels that occur among 40,000 training levels."""


def _scale(name: str) -> list[str]:
    """The cells of an environment in `optimal_table`; empty where it is none of the engine's tasks."""
    from rewardlab import gridworld
    from rewardlab.gridworld.task_facts import task_facts

    env_id = _env_id(discovery.choices("env")[name])
    if not gridworld.covers(env_id):
        return [""] * 8
    facts = task_facts(env_id)
    steps = "" if facts.optimal_steps is None else f"{facts.optimal_steps:.1f}"
    paid = "" if facts.optimal_return is None else f"{facts.optimal_return:.3f}"
    unsolvable = f"{facts.unsolvable} of {facts.levels}" if facts.unsolvable else ""
    floor = [f"{facts.random_return:.4f}", f"{facts.random_success:.2%}"]
    counts = facts.counts
    levels = "" if counts.distinct_levels is None else str(counts.distinct_levels)
    seen = "" if counts.seen_in_training is None else f"{counts.seen_in_training:.0%}"
    return [facts.optimum_kind, steps, paid, unsolvable, *floor, levels, seen]


def _env_id(path: Path) -> str:
    """The id that a preset names, or the preset that heads its defaults list; empty where none does."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.suffix == ".yaml" else ""
    named = re.search(r"^id:\s*(\S+)", text, re.MULTILINE)
    if named:
        return named[1]
    heading = re.search(r"^defaults:\s*\[\s*(\w+)", text, re.MULTILINE)
    behind = discovery.choices("env").get(heading[1]) if heading else None
    return _env_id(behind) if behind is not None and behind != path else ""


def _aligned(group: str, columns: Sequence[Sequence[str]]) -> str:
    """Columns with their titles on top, each as wide as its widest cell; empty ones are left out."""
    shown = [column for column in columns if any(column[1:])]
    lines = screen.aligned(list(zip(*shown, strict=True)))
    return "\n".join([f"{group}=", *(f"  {line}" for line in lines)])


def _entry(group: str, name: str, path: Path) -> Entry:
    """What the choice says of itself; what it leaves out is said by the plug-in behind it."""
    own = discovery.header(path)
    source = _source(group, path)
    behind = discovery.header(source) if source is not None else own
    description = own.summary or behind.summary
    fidelity = _fidelity(path) if group == discovery.RECIPES else ""
    return Entry(name, description.rstrip("."), own.paper or behind.paper, own.assumes or behind.assumes, fidelity)


def _fidelity(recipe: Path) -> str:
    found = re.search(r"^fidelity:\s*(\w+)", recipe.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    return found[1] if found else ""


def _source(group: str, path: Path) -> Path | None:
    """The .py behind a .yaml: the one whose schema heads its defaults list."""
    if path.suffix != ".yaml" or group not in discovery.FOLDERS:
        return None
    plugins = discovery.plugins(group)
    stems = re.findall(r"\b(\w+)_schema\b", path.read_text(encoding="utf-8", errors="replace"))
    return next((plugins[stem].source for stem in stems if stem in plugins), None)
