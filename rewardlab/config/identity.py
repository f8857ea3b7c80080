"""What a run is called and where it lives: labels for people, the setting id for machines, the folder for both."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rewardlab import CORE_VERSION, discovery
from rewardlab.datasets.folders import fingerprint
from rewardlab.schemas import ALWAYS_IN_SETTING, BASES, NO_CURRICULUM, CurriculumConfig, PluginConfig, RootConfig, shown

_LONGEST_LABEL = 80  # characters: three labels and the rest stay far below what a path may have
_UNSAFE = re.compile(r"[^A-Za-z0-9._=+-]+")


def setting_id(config: RootConfig) -> str:
    """The sha256 of what distinguishes a setting: runs that differ in their seed only share it.

    It covers every field of the resolved config that is `in_setting` and not at its `neutral` value, and the
    VERSION of the core and of each plug-in, those of a mix included. Of a dataset it is the content that counts.
    """
    content = {"config": _distinguishing(config, of_dataset=fingerprint), "versions": _versions(config)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def label(chosen: PluginConfig, preset: PluginConfig, parts: dict[str, str]) -> str:
    """A choice's name and its non-default options: `count-key=state-coef=0.1`; safe as the name of a folder.

    Args:
        chosen: the typed config of the choice.
        preset: the same choice when nothing else is given. Where that names no world (`env=gym`), the id stands for
            the name.
        parts: choices inside this one that differ from its yaml, by dotted key.
    """
    options, usual = flat_options(chosen), flat_options(preset)
    name = chosen.name
    if usual.get("id") == "" and options.get("id"):
        name = options.pop("id")
    changed = parts | {key: value for key, value in options.items() if key not in usual or usual[key] != value}
    return safe_name("-".join([name, *(f"{key}={_text(value)}" for key, value in changed.items())]))


def flat_options(config: Any) -> dict[str, Any]:
    """The options of a choice by dotted key: those that distinguish settings, its own name left out."""
    found = flatten(_distinguishing(config, of_dataset=lambda path: Path(path).name))
    return {key: value for key, value in found.items() if key not in ("name", "plugin")}


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested dict as one level of dotted keys; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def safe_name(text: str) -> str:
    """`text` as the name of a folder: safe characters, never hidden, and a hash in place of what is too long."""
    safe = re.sub(r"^\.+", "_", _UNSAFE.sub("_", text))
    if len(safe) <= _LONGEST_LABEL:
        return safe
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{safe[: _LONGEST_LABEL - 9]}-{digest}"


def folder_for(results_dir: str, labels: Mapping[str, str], seed: int, setting: str) -> Path:
    """The folder of a run: labels to read, and the setting id so that two settings never share one."""
    curriculum = labels.get("curriculum", NO_CURRICULUM)
    learner = labels["agent"] if curriculum == NO_CURRICULUM else f"{labels['agent']}+{curriculum}"
    parts = (labels["env"], labels["reward"], learner, f"seed{seed}-{setting[:12]}")
    return Path(results_dir, "runs", *parts)


def shown_labels(labels: Mapping[str, str]) -> list[str]:
    """The labels of a run in the order of their groups, without a curriculum that is none."""
    return [text for group, text in labels.items() if not (group == "curriculum" and text == NO_CURRICULUM)]


def _distinguishing(value: Any, of_dataset: Callable[[str], str]) -> Any:
    """`value` as plain data, without the fields that cannot change the numbers; what stands for a dataset's path."""
    if dataclasses.is_dataclass(value):
        kept = {}
        for spec in dataclasses.fields(value):
            item = getattr(value, spec.name)
            if not _counts(spec, item):
                continue
            named = spec.metadata.get("dataset", False)
            before = named if isinstance(named, str) else ""
            if named and isinstance(item, str) and item.startswith(before):
                item = before + of_dataset(item.removeprefix(before))
            kept[spec.name] = _distinguishing(item, of_dataset)
        return kept
    if isinstance(value, Mapping):
        return {str(key): _distinguishing(item, of_dataset) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_distinguishing(item, of_dataset) for item in value]
    return value


def _counts(spec: "dataclasses.Field[Any]", item: Any) -> bool:
    """Whether a field with this value distinguishes settings. `curriculum=none` is as if there were no such group."""
    if isinstance(item, CurriculumConfig) and item.plugin == NO_CURRICULUM:
        item = None
    return bool(spec.metadata.get("in_setting", True) and item != spec.metadata.get("neutral", ALWAYS_IN_SETTING))


def _versions(config: RootConfig) -> dict[str, int]:
    """The version of the core and of every plug-in in the config, by where it stands, and revisions that are not 0."""
    found = {"core": CORE_VERSION}
    for place, chosen in _plugins(config).items():
        found[place] = int(getattr(discovery.load(_group(chosen), chosen.plugin), "VERSION", 1))
        if revision := chosen.revision(config):
            found[f"{place}.revision"] = revision
    return found


def plugins_in(config: RootConfig) -> dict[str, tuple[str, str]]:
    """Group and stem of every plug-in that distinguishes settings, by where it stands: those of a mix included."""
    return {place: (_group(chosen), chosen.plugin) for place, chosen in _plugins(config).items()}


def _group(chosen: PluginConfig) -> str:
    return next(group for group, base in BASES.items() if isinstance(chosen, base))


def _plugins(config: RootConfig) -> dict[str, PluginConfig]:
    found: dict[str, PluginConfig] = {}

    def visit(value: Any, path: str) -> None:
        if isinstance(value, PluginConfig):
            found[path] = value
        if dataclasses.is_dataclass(value):
            for spec in dataclasses.fields(value):
                if _counts(spec, getattr(value, spec.name)):
                    visit(getattr(value, spec.name), f"{path}.{spec.name}".lstrip("."))
        elif isinstance(value, Mapping):
            for key, item in value.items():
                visit(item, f"{path}.{key}")
        elif isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                visit(item, f"{path}.{index}")

    visit(config, "")
    return found


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, list):
        return "+".join(_text(item) for item in value)
    if isinstance(value, Mapping):
        return "+".join(f"{key}={_text(item)}" for key, item in flatten(value).items())
    return shown(value)
