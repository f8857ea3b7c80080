"""`rewardlab list`: what there is to choose from, read from the heads of the files, never by import."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rewardlab import discovery
from rewardlab.errors import unknown


@dataclass(frozen=True)
class Entry:
    """One line of the list."""

    name: str
    description: str
    paper: str
    assumes: str


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
    header = Entry("name", "description", "paper", "assumes")
    found = entries(group)
    columns = [[getattr(row, name) for row in [header, *found]] for name in ("name", "description", "paper", "assumes")]
    shown = [column for column in columns if any(column[1:])]
    widths = [max(map(len, column)) for column in shown]
    lines = [_line([column[index] for column in shown], widths) for index in range(len(found) + 1)]
    return "\n".join([f"{group}=", *(f"  {line}" for line in lines)])


def _entry(group: str, name: str, path: Path) -> Entry:
    """What the choice says of itself; what it leaves out is said by the plug-in behind it."""
    own = discovery.header(path)
    source = _source(group, path)
    behind = discovery.header(source) if source is not None else own
    description = own.summary or behind.summary
    return Entry(name, description.rstrip("."), own.paper or behind.paper, own.assumes or behind.assumes)


def _source(group: str, path: Path) -> Path | None:
    """The .py behind a .yaml: the one whose schema heads its defaults list."""
    if path.suffix != ".yaml" or group not in discovery.FOLDERS:
        return None
    plugins = discovery.plugins(group)
    stems = re.findall(r"\b(\w+)_schema\b", path.read_text(encoding="utf-8", errors="replace"))
    return next((plugins[stem].source for stem in stems if stem in plugins), None)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
