"""Which code a run is made by: a hash of each plug-in's source, and of what else of the package can change numbers."""

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from rewardlab import discovery, sources
from rewardlab.config.identity import plugins_in
from rewardlab.schemas import RootConfig

PACKAGE = "package"  # the name of what is no plug-in
# Rooms and modules of the package that no number depends on; what a config says stands in the manifest anyway.
_OTHER = {"report", "commands", "sweep", "contracts", "records", "config", "__init__", "__main__", "cli", "discovery"}
_OTHER |= {"errors", "kernel_cache", "machine", "schemas", "sources", "starting", "stopping", "trained"}
_RECORDING = ("recorder.py", "players.py")  # of the room training, in which all else can
_INSTALLED = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def code_of(config: RootConfig) -> dict[str, str]:
    """Where a plug-in stands in the config (`reward`, `reward.schemes.icm`), or `package` -> hash of its source.

    To a plug-in of the user's own belong the modules that it imports, unless they are installed; to an environment of
    gymnasium's registry the modules that its id and its wrappers name (`env.id=module:ID`). Comments count: nobody
    parses them away.
    """
    found: dict[str, str] = {}
    ours: set[Path] = set()
    for place, (group, stem) in plugins_in(config).items():
        source = discovery.plugins(group)[stem].source
        if source in sources.texts():
            ours.add(source)
            own = {source}
        else:
            own = _with_imports(source)
        found[place] = sources.digest(own | (_named_by_id(config) if place == "env" else set()))
    training = [path for path in sources.texts() if sources.room(path) == "training"]
    roots = [sources.PACKAGE / "run.py", *training, *ours]
    found[PACKAGE] = sources.digest(sources.imported(roots, _can_change_numbers) - ours)
    return found


def _can_change_numbers(path: Path) -> bool:
    return sources.room(path) not in _OTHER and path.name not in _RECORDING


def _named_by_id(config: RootConfig) -> set[Path]:
    named = [str(getattr(config.env, "id", "")), *_names(getattr(config.env, "wrappers", []))]
    found: set[Path] = set()
    for name in named:
        module, colon, _ = name.rpartition(":")
        source = _source(sys.modules.get(module) if colon else None)
        found |= set() if source is None else _with_imports(source)
    return found


def _names(wrappers: list[Any]) -> list[str]:
    """Of wrappers with or without arguments."""
    return [str(next(iter(item), "")) if isinstance(item, Mapping) else str(item) for item in wrappers]


def _with_imports(source: Path) -> set[Path]:
    """A file of the user's own and those of the modules that it imports, as they are loaded."""
    found: set[Path] = set()
    waiting = [source]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        loaded = (_source(sys.modules.get(name)) for name in _imports(path))
        waiting += [each for each in loaded if each is not None]
    return found


def _imports(path: Path) -> set[str]:
    """Names that may be modules, of all import statements."""
    package = next(
        (m.__package__ or "" for m in list(sys.modules.values()) if getattr(m, "__file__", "") == str(path)), ""
    )
    names: set[str] = set()
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return names
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                try:
                    base = importlib.util.resolve_name("." * node.level + base, package)
                except ImportError:
                    continue
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names


def _source(module: ModuleType | None) -> Path | None:
    """The file of a module that is the user's own: neither installed nor of this package."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not file.endswith(".py"):
        return None
    path = Path(file)
    if path.is_relative_to(sources.PACKAGE) or any(path.is_relative_to(place) for place in _INSTALLED):
        return None
    return path
