"""Several loggers at once: `logger=[tensorboard,wandb]` is one choice that has the options of each.

Hydra merges what is chosen together into one node, `logger`, so an option is set as if its logger were alone
(`logger.mode=offline`), and goes to every one of them that has it.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from omegaconf import DictConfig, OmegaConf

from rewardlab import discovery
from rewardlab.config.refusals import FILLED_IN, no_such_key
from rewardlab.errors import UserError
from rewardlab.schemas import LoggerConfig

GROUP = "logger"
SEVERAL = "+"  # between the names of several, as in the saved `name: tensorboard+wandb`
_typed: dict[tuple[tuple[type[LoggerConfig], ...], str], DictConfig] = {}  # a sweep asks for the same again and again


def names(choice: Any) -> list[str]:
    """What was chosen, one by one: of a name, or of a list of names."""
    return [str(name) for name in choice] if isinstance(choice, Sequence) and not isinstance(choice, str) else [choice]


def as_override(choice: Any) -> str:
    """A choice as it stands behind `logger=`."""
    chosen = names(choice)
    return chosen[0] if len(chosen) == 1 else f"[{','.join(chosen)}]"


def check_list(choice: Sequence[str]) -> None:
    """Raises: UserError if a list names nothing, or something twice."""
    if not choice:
        raise UserError("logger=[]: names none; write logger=none, or some, as in logger=[tensorboard,wandb]")
    if twice := next((name for name in choice if choice.count(name) > 1), None):
        raise UserError(f"logger={as_override(choice)}: {twice} is named twice")


def typed(node: DictConfig, plugins: Sequence[str]) -> DictConfig:
    """The options of one logger, or of several by plug-in, held against their types.

    Args:
        node: what Hydra composed: plain values, those of all chosen loggers together.
        plugins: the plug-in behind each choice.

    Raises:
        UserError: two are of one plug-in, share an option whose defaults differ, or none has an option that is set.
        OmegaConfBaseException: a value is of the wrong type.
    """
    kinds = {stem: discovery.config_class(GROUP, stem) for stem in plugins}
    if twice := next((stem for stem in plugins if plugins.count(stem) > 1), None):
        raise UserError(f"logger: two of the choices are {twice}, which writes to one place; choose one")
    as_before = (tuple(kinds.values()), repr(node))
    if as_before in _typed:
        return _typed[as_before]
    fields = {stem: [spec.name for spec in dataclasses.fields(kind)] for stem, kind in kinds.items()}
    known = {name for several in fields.values() for name in several}
    if unknown := next((str(key) for key in node if key not in known), None):
        raise no_such_key(f"{GROUP}.{unknown}", known)
    if len(plugins) == 1:
        found = _merged(node, kinds[plugins[0]], fields[plugins[0]])
    else:
        _together(tuple(kinds.values()))  # refuses what cannot be one choice
        found = OmegaConf.create({
            stem: _merged(node, kind, [name for name in fields[stem] if name not in FILLED_IN])
            for stem, kind in kinds.items()
        })  # fmt: skip
    _typed[as_before] = found
    return found


def joined(each: dict[str, LoggerConfig]) -> LoggerConfig:
    """Several loggers as one choice, by plug-in."""
    kind = _together(tuple(type(config) for config in each.values()))
    values = {spec.name: getattr(config, spec.name) for config in each.values() for spec in dataclasses.fields(config)}
    return kind(**values | {"name": "", "plugin": SEVERAL.join(each)})


def apart(config: LoggerConfig) -> dict[str, LoggerConfig]:
    """The loggers of a run, by plug-in, each with its own options."""
    kinds: tuple[type[LoggerConfig], ...] = getattr(config, "KINDS", ())
    if not kinds:
        return {config.plugin: config}
    several = zip(config.plugin.split(SEVERAL), kinds, strict=True)
    return {
        stem: kind(**{spec.name: getattr(config, spec.name) for spec in dataclasses.fields(kind)} | {"plugin": stem})
        for stem, kind in several
    }


def _merged(node: DictConfig, kind: type[LoggerConfig], fields: Sequence[str]) -> DictConfig:
    """The values of some fields in a node of the right types; `logger.` stands before their names in errors."""
    values = OmegaConf.masked_copy(node, [name for name in fields if name in node])
    merged = OmegaConf.merge({GROUP: OmegaConf.structured(kind)}, {GROUP: values})
    assert isinstance(merged, DictConfig)
    found: DictConfig = merged[GROUP]
    return found


def _together(kinds: tuple[type[LoggerConfig], ...]) -> type[LoggerConfig]:
    """The options of several loggers as those of one.

    Raises:
        UserError: they share an option whose defaults differ.
    """
    found: dict[str, Any] = {}
    for kind in kinds:
        for spec in dataclasses.fields(kind):
            default = spec.default if spec.default_factory is dataclasses.MISSING else spec.default_factory()
            before = found.setdefault(spec.name, (default, spec))[0]
            if before != default and spec.name not in FILLED_IN:
                raise UserError(
                    f"logger: two of the choices have an option {spec.name}, by default {before} and {default}:"
                    " they do not go together"
                )
    own = [(name, spec.type, _copied(spec)) for name, (_, spec) in found.items() if name not in FILLED_IN]

    def validate(self: Any) -> None:
        for config in apart(self).values():
            if hasattr(config, "validate"):
                config.validate()

    space = {"KINDS": kinds, "validate": validate, "__annotations__": {"KINDS": ClassVar[tuple[type, ...]]}}
    return dataclasses.make_dataclass("Loggers", own, bases=(LoggerConfig,), namespace=space)


def _copied(spec: "dataclasses.Field[Any]") -> Any:
    if spec.default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=spec.default_factory, metadata=spec.metadata)
    return dataclasses.field(default=spec.default, metadata=spec.metadata)
