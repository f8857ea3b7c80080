"""Names are file stems: finds what is there without importing, imports only what a run chose.

Three places hold plug-ins: this package, every folder in REWARDLAB_PATH (with `rewards/`, `agents/`, `envs/`
inside), and installed distributions that declare entry points `rewardlab.rewards` and so on. A user's own
choice is one `.py` and, beside it, a `.yaml` of the same stem; the package keeps its yaml in conf/.
"""

import ast
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from rewardlab.errors import UserError, unknown
from rewardlab.schemas import BASES

PACKAGE = Path(__file__).parent
# Config group -> folder in the package and in REWARDLAB_PATH, and what a user calls one of them.
FOLDERS = {
    "env": "envs",
    "reward": "rewards",
    "agent": "agents",
    "curriculum": "curricula",
    "logger": "records/loggers",
}
RECIPES = "experiment"  # the group of ready-made recipes, each a whole run: +experiment=NAME
KINDS = {
    "env": "environment",
    "reward": "reward scheme",
    "agent": "agent",
    "curriculum": "curriculum",
    "logger": "logger",
    RECIPES: "recipe",
}
# What a plug-in defines beside its Config (one of the names), and the arguments that it is given.
_CALLED = {
    "env": (("make",), ("config", "levels", "privileged")),
    "reward": (("Scheme",), ("config", "context")),
    "agent": (("Agent",), ("config", "context", "streams")),
    "curriculum": (("Conditioner", "Curriculum", "Designer"), ("config", "context")),
    "logger": (("start",), ("config", "folder")),
}
_USER_MODULES = "rewardlab_user"  # modules from REWARDLAB_PATH live under this name in sys.modules


@dataclass(frozen=True)
class Plugin:
    """A module that implements choices of a group. `yaml` is the user's own preset beside it, if any."""

    group: str
    stem: str
    source: Path
    module: str
    yaml: Path | None = None


@dataclass(frozen=True)
class Header:
    """What the file says of itself: its first line, then `Paper:` and `Assumes:` lines."""

    summary: str
    paper: str = ""
    assumes: str = ""


def conf_dir() -> Path:
    """The config folder: inside the installed package, or beside it in a checkout."""
    installed = PACKAGE / "conf"
    return installed if installed.is_dir() else PACKAGE.parent / "conf"


def plugins(group: str) -> dict[str, Plugin]:
    """Every plug-in of a group by stem, found by reading folders and metadata only.

    Raises:
        UserError: two plug-ins share a name.
    """
    return _plugins(group, os.environ.get("REWARDLAB_PATH", ""))


def choices(group: str) -> dict[str, Path]:
    """Every name that `group=NAME` accepts, with the yaml that defines it (or the .py where none does)."""
    found = {path.stem: path for path in sorted((conf_dir() / group).glob("*.yaml"))}
    for plugin in plugins(group).values() if group in FOLDERS else ():
        if plugin.yaml is not None or _is_users(plugin):
            found[plugin.stem] = plugin.yaml or plugin.source
    return dict(sorted(found.items()))


def no_such(group: str, name: str, names: Iterable[str]) -> UserError:
    """The refusal of a choice. Where none is near, it says where one of the user's own would be found."""
    refusal = unknown(group, name, names, KINDS[group])
    if not name.isidentifier() or "did you mean" in str(refusal):
        return refusal
    folders = os.environ.get("REWARDLAB_PATH") or "not set"
    return UserError(f"{refusal}; one of your own: DIR/{FOLDERS[group]}/{name}.py, REWARDLAB_PATH=DIR (now {folders})")


def load(group: str, stem: str) -> ModuleType:
    """Import a plug-in.

    Raises:
        UserError: no such plug-in, or one of the user's own that can't be imported or lacks what it must have.
    """
    found = plugins(group)
    if stem not in found:
        raise no_such(group, stem, found)
    plugin = found[stem]
    if not _is_users(plugin):
        return importlib.import_module(plugin.module)
    if plugin.module in sys.modules:
        return sys.modules[plugin.module]
    try:
        from_file = plugin.module.startswith(_USER_MODULES)
        module = _load_file(plugin) if from_file else importlib.import_module(plugin.module)
        _check_complete(plugin, module)
    except UserError:
        sys.modules.pop(plugin.module, None)
        raise
    except Exception as error:
        raise UserError(f"{plugin.source}: {type(error).__name__}: {error}") from error
    return module


def worlds_with_goals() -> str:
    """What a refusal tells someone whose environment has none: `env=goalgrid or env=...`."""
    return " or ".join(f"env={name}" for name in plugins("env") if config_class("env", name).HAS_GOALS)


def config_class(group: str, stem: str) -> type[Any]:
    """The dataclass `Config` of a plug-in.

    Raises:
        UserError: it is none, or does not extend the base of its group.
    """
    module, base = load(group, stem), BASES[group]
    found = getattr(module, "Config", None)
    # A class without the decorator has the fields of its base and none of its own.
    if not (isinstance(found, type) and issubclass(found, base) and "__dataclass_fields__" in vars(found)):
        raise UserError(f"{module.__file__}: Config must be a dataclass (@dataclass) that extends {base.__name__}")
    return found


@contextmanager
def users_faults() -> Iterator[None]:
    """Whatever is raised in a plug-in of the user's own becomes one line that names the file."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        files = {str(plugin.source) for group in FOLDERS for plugin in plugins(group).values() if _is_users(plugin)}
        frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
        own = [f"{file}:{line}" for file, line in frames if file in files]
        if not own:
            raise
        raise UserError(f"{own[-1]}: {type(error).__name__}: {error}") from error


def header(path: Path) -> Header:
    """What a .py says in its docstring, or a .yaml in its leading comment."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".yaml":
        comments = [line.lstrip("# ").rstrip() for line in text.splitlines() if line.startswith("#")]
        lines = [line for line in comments if not line.startswith("@")]  # `@package` is said to Hydra
    else:
        try:
            lines = (ast.get_docstring(ast.parse(text)) or "").splitlines()
        except SyntaxError:
            lines = ["(does not parse)"]
    tags = {
        key: line.split(":", 1)[1].strip()
        for line in lines
        for key in ("Paper", "Assumes")
        if line.startswith(f"{key}:")
    }
    return Header(lines[0].strip() if lines else "", tags.get("Paper", ""), tags.get("Assumes", ""))


@cache
def _plugins(group: str, user_path: str) -> dict[str, Plugin]:
    folder = FOLDERS[group]
    found = [
        Plugin(group, path.stem, path, ".".join(("rewardlab", *path.relative_to(PACKAGE).with_suffix("").parts)))
        for path in sorted((PACKAGE / folder).rglob("*.py"), key=lambda path: path.stem)
        if _is_plugin(path)
    ]
    for root in filter(None, user_path.split(os.pathsep)):
        if not Path(root).is_dir():
            raise UserError(f"REWARDLAB_PATH={root}: no such folder")
        for path in sorted((Path(root) / folder).rglob("*.py")):
            if _is_plugin(path):
                found.append(Plugin(group, path.stem, path, f"{_USER_MODULES}.{group}.{path.stem}", _beside(path)))
    for entry in entry_points(group=f"rewardlab.{folder}"):
        spec = importlib.util.find_spec(entry.module)
        if spec is None or spec.origin is None:
            raise UserError(f"entry point {entry.name} = {entry.value}: no such module")
        found.append(Plugin(group, entry.name, Path(spec.origin), entry.module, _beside(Path(spec.origin))))
    by_stem: dict[str, Plugin] = {}
    for plugin in found:
        if plugin.stem in by_stem:
            raise UserError(
                f"two files are named {group}={plugin.stem}: {by_stem[plugin.stem].source}, {plugin.source}"
            )
        by_stem[plugin.stem] = plugin
    return by_stem


def _is_plugin(path: Path) -> bool:
    """A plug-in defines `Config`; helpers beside plug-ins do not."""
    if path.name.startswith("_"):
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return "\nclass Config" in text


def _is_users(plugin: Plugin) -> bool:
    return not plugin.source.is_relative_to(PACKAGE)


def _beside(source: Path) -> Path | None:
    yaml = source.with_suffix(".yaml")
    return yaml if yaml.is_file() else None


def _load_file(plugin: Plugin) -> ModuleType:
    spec = importlib.util.spec_from_file_location(plugin.module, plugin.source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[plugin.module] = module  # dataclasses look their module up while it is being executed
    try:
        spec.loader.exec_module(module)
    except Exception:
        del sys.modules[plugin.module]
        raise
    return module


def _check_complete(plugin: Plugin, module: ModuleType) -> None:
    names, arguments = _CALLED[plugin.group]
    name = next((name for name in names if hasattr(module, name)), names[0])
    called = getattr(module, name, None)
    try:
        inspect.signature(called).bind(*arguments)  # type: ignore[arg-type]
    except TypeError:  # it is not there, or takes other arguments
        call = f"{name}({', '.join(arguments)})"
        raise UserError(f"{plugin.source}: {KINDS[plugin.group]}s need {call}, called with just these") from None
