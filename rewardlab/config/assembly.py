"""A config put together from parts, equal to what Hydra composes from the same overrides.

Hydra takes a tenth of a second for a config, whatever it has composed before, and a study has hundreds. Most overrides
are plain: `reward=rnd` puts one node in the place of another, and `frames=1e6` sets a value. So the node of a choice is
made once, and copies of nodes are put side by side. What could reach beyond its own node is left to Hydra, and so is
what is wrong: the messages are Hydra's.
"""

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.default_element import ConfigDefault, GroupDefault, InputDefault, ResultDefault
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rewardlab.discovery import FOLDERS
from rewardlab.errors import UserError

_ROOT = "root_schema"
Composed = tuple[DictConfig, dict[str, Any]]
"""A config without the `hydra` node, and what each group was set to."""


class Assembly:
    """The nodes of choices, as far as they were needed.

    Args:
        loader: Hydra's.
        primary: the name of the config that all begins with.
        compose: how Hydra composes overrides.
    """

    def __init__(self, loader: ConfigLoaderImpl, primary: str, compose: Callable[[Sequence[str]], Composed]) -> None:
        self._loader = loader
        self._primary = primary
        self._compose = compose
        # Each loading makes new nodes: those that Hydra remembers become parts of what it composes.
        self._files = loader._parse_overrides_and_create_caching_repo(primary, [])[1].delegate
        self._standing: dict[tuple[str, ...], Composed | None] = {}  # by the recipes and studies that all is put into
        # By group and choice, or several choices; None: it reaches further.
        self._nodes: dict[tuple[str, ...], DictConfig | None] = {}

    def config(self, overrides: Iterable[Override]) -> Composed | None:
        """The config of some overrides; None where only Hydra can tell, or where it has something to say."""
        around: list[str] = []
        chosen: dict[str, str | list[str]] = {}
        values: list[Override] = []
        for override in overrides:
            key, name = override.key_or_group, override.value()
            if override.package is not None or override.is_sweep_override():
                return None
            group, changes = self._files.group_exists(key), override.type is OverrideType.CHANGE
            if changes and not group:
                values.append(override)
            elif changes and key in FOLDERS and key not in chosen and isinstance(name, str | list):
                chosen[key] = name
            elif group and override.type is OverrideType.ADD and isinstance(name, str):
                around.append(f"+{key}={name}")
            else:
                return None
        try:
            return self._assembled(tuple(around), chosen, values)
        except (UserError, HydraException, OmegaConfBaseException):
            return None

    def _assembled(
        self, around: tuple[str, ...], chosen: Mapping[str, str | list[str]], values: Iterable[Override]
    ) -> Composed | None:
        if around not in self._standing:
            files = [self._primary, *(text[1:].replace("=", "/") for text in around)]
            self._standing[around] = self._compose(around) if all(map(self._leaves_choices_alone, files)) else None
        if (standing := self._standing[around]) is None:
            return None
        choices = {**standing[1], **chosen}
        nodes = {group: self._node(group, choices.get(group)) for group in FOLDERS}
        if None in nodes.values():
            return None
        config = copy.deepcopy(standing[0])
        for group in chosen:
            config[group] = nodes[group]
        for override in values:  # as Hydra does
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        return config, choices

    def _node(self, group: str, name: Any) -> DictConfig | None:
        """What a choice, or a list of some, puts into the place of its group; None if it does more."""
        names = name if isinstance(name, list) else [name]
        if not all(isinstance(each, str) for each in names):
            return None
        if (group, *names) not in self._nodes:
            paths = [self._paths(group, each) for each in names]
            merged = [ResultDefault(config_path=path, package=group) for several in paths for path in several or ()]
            node = self._loader._compose_config_from_defaults_list(merged, self._files)._get_node(group)
            self._nodes[group, *names] = node if isinstance(node, DictConfig) and None not in paths else None
        return self._nodes[group, *names]

    def _paths(self, group: str, name: Any) -> list[str] | None:
        """The files of a choice, in the order of merging; None if not all are plain files of its group."""
        found = self._files.load_config(f"{group}/{name}")
        if found is None or found.header["package"] is not None:
            return None
        paths: list[str] = []
        for each in found.defaults_list or [ConfigDefault(path="_self_")]:
            if not isinstance(each, ConfigDefault) or each.package or not re.fullmatch(r"\w+", each.path or ""):
                return None
            more = [f"{group}/{name}"] if each.is_self() else self._paths(group, each.path)
            if more is None:
                return None
            paths += more
        return paths if f"{group}/{name}" in paths else None

    def _leaves_choices_alone(self, path: str) -> bool:
        """Whether a file makes choices, at the most, and sets nothing within them."""
        found = self._files.load_config(path)
        return (
            found is not None
            and found.header["package"] in (None, "_global_")
            and isinstance(found.config, DictConfig)
            and not set(FOLDERS) & set(found.config)
            and all(
                _is_choice(each) or (isinstance(each, ConfigDefault) and each.path in ("_self_", _ROOT))
                for each in found.defaults_list or ()
            )
        )


def _is_choice(item: InputDefault) -> bool:
    """Whether an item of a defaults list says by name what a group of ours, or of Hydra's, is set to."""
    if not isinstance(item, GroupDefault) or item.package is not None or "${" in f"{item.group} {item.value}":
        return False
    group = (item.group or "").lstrip("/")
    return group in FOLDERS or group.startswith("hydra/")
