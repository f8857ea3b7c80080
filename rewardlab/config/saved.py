"""`--config RUN`, or RUN/config.yaml: a saved run as the overrides that repeat it."""

import dataclasses
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rewardlab import discovery
from rewardlab.config import loggers
from rewardlab.config.composition import choice_overrides, parse, preset, session
from rewardlab.config.identity import flatten
from rewardlab.config.refusals import FILLED_IN, no_such_key
from rewardlab.datasets.folders import code_file
from rewardlab.errors import UserError
from rewardlab.records.files import read_regular
from rewardlab.schemas import shown

_LARGEST = 2**20  # bytes of a saved config
_MOST_VALUES = 10_000  # what aliases make of a small file has no bound
_ESCAPED, _BACKSLASH = re.compile(r"[\\()\[\]{}:=, \t]"), r"\\\g<0>"  # in the keys of Hydra's dicts
# What belongs to the run that was saved, not to the one that repeats it.
_NOT_REPEATED = ("results_dir", "overwrite", "skip_invalid")


def repeat(path: str, overrides: Sequence[str], config_dir: str | None = None) -> list[str]:
    """The overrides that repeat a saved run: its choices, its values where they differ, then `overrides`.

    The file is read as plain data: no interpolation in it is resolved, no environment variable is read, nothing that it
    names is called or imported but the plug-ins that are there already.

    Raises:
        UserError: the file is not a run's config.yaml, asks for more than data can, or `overrides` changes a choice.
    """
    saved = _read(Path(path))
    _refuse_code(saved, path, {override.partition("=")[0].lstrip("+") for override in overrides})
    choices = _choices(saved)
    with session(config_dir):
        for override in parse(overrides):
            if override.key_or_group in (*discovery.FOLDERS, discovery.RECIPES):
                raise UserError(f"{override.input_line}: --config repeats a run's choices; only values can be changed")
        try:
            repeated = [*choice_overrides(choices), *_changed(saved, choices)]
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
    return [*repeated, *overrides]


def _read(path: Path) -> dict[str, Any]:
    if path.is_dir():
        path = path / "config.yaml"
    if not path.exists():
        raise UserError(f"--config {path}: No such file or directory")
    content, reason = read_regular(path, _LARGEST)
    if content is None:
        raise UserError(f"--config {path}: {reason}")
    try:
        saved = yaml.safe_load(content.decode())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError):
        raise UserError(f"--config {path}: not a yaml file") from None
    complete = isinstance(saved, dict) and all(_named(saved.get(group)) for group in ("env", "reward", "agent"))
    if not complete or not all(_named(saved[group]) for group in discovery.FOLDERS if group in saved):
        raise UserError(f"--config {path}: not the config.yaml of a run (it names no env, reward and agent)")
    _read_copy(saved["reward"], path.parent / "code.py")
    return dict(saved)


def _read_copy(reward: dict[str, Any], copy: Path) -> None:
    """Where the code of a reward was changed since, or is gone, the run's own copy stands for it."""
    if isinstance(code := reward.get("code"), str) and copy.is_file():
        now = code_file(code)
        if now is None or now.read_bytes() != copy.read_bytes():
            reward["code"] = str(copy)


def _refuse_code(saved: Mapping[str, Any], path: str, given: Collection[str]) -> None:
    """Raises:
    UserError: the file names something to be called, computed or imported, or is a tree without end.
    """
    rest: list[tuple[str, Any]] = [("", saved)]
    for count, (key, value) in enumerate(rest):
        if count > _MOST_VALUES:
            raise UserError(f"--config {path}: more than {_MOST_VALUES} values, which no run has")
        if isinstance(value, Mapping):
            rest.extend((f"{key}.{name}".lstrip("."), item) for name, item in value.items())
        elif isinstance(value, list):
            rest.extend((key, item) for item in value)
        name = key.rpartition(".")[2]
        if name.startswith("_") and name.endswith("_"):
            raise UserError(f"--config {path}: {key}: a saved config is data, it can't say what to call")
        if isinstance(value, str) and "${" in value:
            raise UserError(f"{key}: holds an interpolation, which a saved run never does")
        if name == "sandbox" and value is not True and key not in given:
            raise UserError(
                f"--config {path}: {key}={shown(value)} would run its code with all your rights;"
                f" give {key}=false yourself if you trust it, or {key}=true"
            )
    for key, modules in _named_modules(saved).items():
        if modules and key not in given:
            value = saved["env"][key.removeprefix("env.")]
            text = f"{key}={value if isinstance(value, str) else _as_override(key, value)}"
            plain = shlex.quote(text) == text or set(text) & set('"$`!')
            given_so = shlex.quote(text) if plain else f'"{text}"'
            names = ", ".join(dict.fromkeys(modules))
            raise UserError(f"--config {path}: {text} would import {names}; give {given_so} yourself if you trust it")


def _named_modules(saved: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a saved run's environment would import: by option, the modules that are named as MODULE:NAME."""
    env = saved.get("env")
    env = env if isinstance(env, Mapping) else {}
    wrappers = env.get("wrappers")
    listed = wrappers if isinstance(wrappers, list) else []
    names = {
        "env.id": [env.get("id")],
        "env.wrappers": [name for item in listed for name in (item if isinstance(item, Mapping) else [item])],
    }
    return {
        key: [name.rpartition(":")[0] for name in each if isinstance(name, str) and ":" in name]
        for key, each in names.items()
    }


def _named(choice: Any) -> bool:
    return (
        isinstance(choice, dict)
        and isinstance(choice.get("name"), str)
        and bool(re.fullmatch(r"[\w./+-]+", choice["name"]))
    )


def _choices(saved: dict[str, Any]) -> dict[str, Any]:
    """What was chosen: by group, and by `group@package` for a choice inside another."""
    choices: dict[str, Any] = {}

    def visit(group: str, node: Any, path: str) -> None:
        if not isinstance(node, dict):
            return
        if "plugin" in node and _named(node):
            several = node["name"].split(loggers.SEVERAL) if group == loggers.GROUP else [node["name"]]
            choices[f"{group}@{path}" if "." in path else group] = several if len(several) > 1 else several[0]
        for key, value in node.items():
            visit(group, value, f"{path}.{key}")

    for group in discovery.FOLDERS:
        visit(group, saved.get(group), group)
    return choices


def _changed(saved: dict[str, Any], choices: Mapping[str, Any]) -> list[str]:
    """The saved values that the choices alone would not give."""
    config = preset(choices)
    standing = flatten(dataclasses.asdict(config))
    changed = []
    for key, value in flatten(saved).items():
        parent, _, last = key.rpartition(".")
        if key in _NOT_REPEATED or (parent and last in FILLED_IN):
            continue
        if key in standing:
            if standing[key] != value:
                changed.append(f"{key}={_as_override(key, value)}")
        elif _in_table(config, parent):
            changed.append(f"+{key}={_as_override(key, value)}")
        else:
            siblings = [name.rpartition(".")[2] for name in standing if name.rpartition(".")[0] == parent]
            raise no_such_key(key, siblings)
    return changed


def _in_table(config: Any, path: str) -> bool:
    """Whether keys below are the user's own, as the weights of a mix or the arguments of an environment."""
    for part in path.split("."):
        config = getattr(config, part, None)
        if isinstance(config, dict):
            return True
    return False


def _as_override(key: str, value: Any) -> str:
    """A plain value in Hydra's grammar."""
    if value is None or isinstance(value, bool):
        return shown(value)
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return f"[{','.join(_as_override(key, item) for item in value)}]"
    if isinstance(value, Mapping):
        inner = (f"{_ESCAPED.sub(_BACKSLASH, str(name))}:{_as_override(key, item)}" for name, item in value.items())
        return f"{{{','.join(inner)}}}"
    if not isinstance(value, str):
        raise UserError(f"{key}: {type(value).__name__} is no value of a config")
    return quoted(value)


def quoted(text: str) -> str:
    """Any text as a string in Hydra's grammar."""
    # Only a backslash run before a quote, or at the end, has a meaning in a quoted string.
    escaped = re.sub(r"(\\*)('|$)", lambda match: match.group(1) * 2 + ("\\'" if match.group(2) else ""), text)
    return f"'{escaped}'"
