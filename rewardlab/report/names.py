"""The shortest names that tell what is compared apart: what all have in common is said once, not in every name."""

import json
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardlab.report.reading.fields import written
from rewardlab.report.reading.plain import clean

Config = Mapping[str, Any]

_PARTS = ("reward", "agent", "curriculum")
_OPTION = re.compile(r"-([A-Za-z_][\w.]*)=")  # in a label
_LONGEST = 160  # characters of the options in a name


@dataclass(frozen=True, order=True)
class Method:
    """Reward scheme, agent and curriculum together: what is compared across environments."""

    reward: str
    agent: str
    curriculum: str
    variant: str = ""  # what tells apart two settings that share all labels ("num_envs=8", or "#" and their setting id)
    folder: str = ""  # label of the results folder, where several are compared
    place: int = 0

    @property
    def approach(self) -> tuple[str, str, str, str]:
        """What is the same in every folder: reward, agent, curriculum and variant."""
        return (self.reward, self.agent, self.curriculum, self.variant)


def names_of(methods: Sequence[Method], configs: Mapping[Method, Sequence[Config]]) -> dict[Method, str]:
    """Method -> its name, no two alike; `configs` are those of its settings."""
    texts = {part: _texts(part, methods, configs) for part in _PARTS}
    short = {method: _joined(method, [texts[part][getattr(method, part)] for part in _PARTS]) for method in methods}
    if len(set(short.values())) == len(methods):
        return short
    return {method: _joined(method, [getattr(method, part) for part in _PARTS]) for method in methods}


def in_common(methods: Sequence[Method], configs: Mapping[Method, Sequence[Config]]) -> list[str]:
    """What the names leave out because all methods have it, a phrase each; nothing of what nobody would ask for."""
    if len({method.approach for method in methods}) < 2:
        return []
    labels = {part: {getattr(method, part) for method in methods} for part in _PARTS}
    whole = [
        f"all with {part} {found.copy().pop()}"
        for part, found in labels.items()
        if len(found) == 1 and (part == "reward" or (part == "agent" and len(labels["reward"]) == 1))
    ]
    options = []
    for part, found in labels.items():
        keys, shared = _keys(part, configs), _shared(part, configs)
        left_out = {key for label in found for key in _told(label, keys) if key in shared}
        options += [f"{part}.{key}={shared[key]}" for key in sorted(left_out) if len(found) > 1]
    return [*whole, *([f"all with {', '.join(options)}"] if options else [])]


def _joined(method: Method, texts: Sequence[str]) -> str:
    parts = [text for text in texts if text]
    if not parts and (not method.variant or method.variant.startswith("#")):
        parts = [method.reward]
    name = " · ".join([*parts, *([method.variant] if method.variant else [])])
    return f"{method.folder}: {name}" if method.folder else name


def _texts(part: str, methods: Sequence[Method], configs: Mapping[Method, Sequence[Config]]) -> dict[str, str]:
    """Label of a part -> what a name says of it; nothing where all methods have the same."""
    by_label: dict[str, list[Config]] = {}
    for method in methods:
        by_label.setdefault(getattr(method, part), []).extend(configs[method])
    if len(by_label) == 1:
        return dict.fromkeys(by_label, "")
    groups: dict[str, list[str]] = {}
    for label, found in by_label.items():
        groups.setdefault(str(found[0].get(f"{part}.name") or label), []).append(label)
    texts: dict[str, str] = {}
    for base, labels in groups.items():
        options = _options(part, {label: by_label[label] for label in labels})
        told = {label: f"{base} {text}" if len(groups) > 1 else text for label, text in options.items()}
        short = len(labels) > 1 and len(set(told.values())) == len(labels)
        texts |= told if short else {label: label for label in labels}
    keys, shared = _keys(part, configs), _shared(part, configs)
    cut = {label: _without(label, keys, shared) if text == label else text for label, text in texts.items()}
    return cut if len(set(cut.values())) == len(set(texts.values())) else texts


def _without(label: str, keys: Container[str], options: Container[str]) -> str:
    """A label without some of its options."""
    for key, text in _told(label, keys).items():
        if key in options:
            label = label.replace(text, "", 1)
    return label


def _told(label: str, keys: Container[str]) -> dict[str, str]:
    """Options that a label tells -> how: `{"lr": "-lr=0.1", "gamma": "-gamma=0.9"}` of `ppo-lr=0.1-gamma=0.9`."""
    begins = [begin for begin in _OPTION.finditer(label) if begin[1] in keys]
    ends = [*(begin.start() for begin in begins), len(label)][1:]
    return {begin[1]: label[begin.start() : end] for begin, end in zip(begins, ends, strict=True)}


def _keys(part: str, configs: Mapping[Method, Sequence[Config]]) -> set[str]:
    """Options of a part that any setting has."""
    start = f"{part}."
    every = {key for found in configs.values() for config in found for key in config}
    return {key.removeprefix(start) for key in every if key.startswith(start)}


def _shared(part: str, configs: Mapping[Method, Sequence[Config]]) -> dict[str, str]:
    """Options of a part that all settings have, with the value that all of them have."""
    start = f"{part}."
    every = [config for found in configs.values() for config in found]
    first = every[0] if every else {}
    return {
        key.removeprefix(start): written(value)
        for key, value in first.items()
        if key.startswith(start) and all(key in config and config[key] == value for config in every)
    }


def _options(part: str, by_label: Mapping[str, Sequence[Config]]) -> dict[str, str]:
    """Label -> the options that differ between labels, of what is one choice otherwise: those at their default, too."""
    start = f"{part}."
    keys = [key for key in next(iter(by_label.values()))[0] if key.startswith(start)]
    varying = []
    for key in keys:
        values = [{json.dumps(config.get(key)) for config in found} for found in by_label.values()]
        # What differs within a label comes with the environment, and would not tell labels apart.
        if all(len(each) == 1 for each in values) and len(set.union(*values)) > 1:
            varying.append(key)
    return {
        label: clean(", ".join(f"{key.removeprefix(start)}={written(found[0].get(key))}" for key in varying), _LONGEST)
        for label, found in by_label.items()
    }
