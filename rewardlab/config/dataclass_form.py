"""A composed config as the dataclasses that declare it: unknown keys refused, choices inside a choice named."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from rewardlab import discovery, schemas
from rewardlab.config import loggers
from rewardlab.config.refusals import as_user_errors, refuse_unknown_keys
from rewardlab.errors import UserError
from rewardlab.schemas import RootConfig, shown


def as_dataclasses(plain: DictConfig, choices: Mapping[str, Any], logger_plugin: Callable[[str], str]) -> RootConfig:
    """The config typed, nothing filled in.

    Args:
        plain: as composed, without Hydra's own node.
        choices: what each config group was set to.
        logger_plugin: the plug-in of a choice of `logger`; asked where several are chosen.

    Raises:
        UserError: an unknown key, a value of another type, or a choice that is none of its group's options.
    """
    refuse_unknown_keys(plain, "")
    with as_user_errors():
        _type_loggers(plain, choices, logger_plugin)
        config = OmegaConf.to_object(plain)
    assert isinstance(config, RootConfig)
    if isinstance(config.logger, dict):
        config.logger = loggers.joined(config.logger)
    for group, base in schemas.BASES.items():
        if not isinstance(getattr(config, group), base):
            raise UserError(
                f"{group}={shown(choices.get(group))}: not {discovery.KINDS[group]} options; its yaml must start from"
                " those of a plug-in: defaults: [PLUGIN_schema, _self_]"
            )
    for key, choice in choices.items():
        group, _, package = key.partition("@")
        if group in discovery.FOLDERS and package and isinstance(choice, str):
            _set_name(config, package.split("."), choice)
    return config


def without_hydra(cfg: DictConfig) -> DictConfig:
    """The config without Hydra's own node."""
    if "hydra" not in cfg:
        return cfg
    plain = copy.copy(cfg)
    with open_dict(plain):
        plain.pop("hydra")
    return plain


def _type_loggers(plain: DictConfig, choices: Mapping[str, Any], logger_plugin: Callable[[str], str]) -> None:
    """Put options with their types into the place of those that Hydra composed."""
    node, chosen = plain.logger, loggers.names(choices.get(loggers.GROUP))
    if not isinstance(node, DictConfig) or "plugin" not in node:
        return  # refused later: these are no logger's options
    plugins = [node.plugin] if len(chosen) == 1 else [logger_plugin(name) for name in chosen]
    with open_dict(plain):
        plain.logger = loggers.typed(node, plugins)


def _set_name(config: Any, path: list[str], choice: str) -> None:
    for part in path:
        config = config.get(part) if isinstance(config, dict) else getattr(config, part, None)
    if isinstance(config, schemas.PluginConfig):
        config.name = choice
