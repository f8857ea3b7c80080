"""From overrides to a run that is ready to start: composed, typed, checked, named.

Hydra composes; what it lets pass is refused here: unknown keys that came with a `+`, values out of range, a
budget that is none, a device that is not there, a folder that can't be written. Nothing is written.
"""

import copy
import dataclasses
import functools
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from rewardlab import discovery, schemas
from rewardlab.config import identity, loggers, whole_numbers
from rewardlab.config.assembly import Assembly, Composed
from rewardlab.config.choices import check_override, checked, with_loggers
from rewardlab.config.dataclass_form import as_dataclasses, without_hydra
from rewardlab.config.filling import check_device, complete
from rewardlab.config.refusals import as_user_errors, refuse_unknown_keys, unparsable
from rewardlab.errors import UserError
from rewardlab.schemas import RootConfig

CONFIG_NAME = "config"
VERSION_BASE = "1.3"
_many = False  # whether `many` is at work
_first: Hydra | None = None  # the session in which it was first needed
whole_numbers.accept()


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to start.

    config: typed, with every default filled in.
    resolved: the same as plain nested data, ready for config.yaml.
    flat: the same by dotted key.
    labels: env, reward, agent, curriculum.
    setting_id: what runs share that differ in their seed only.
    folder: where the run's files go.
    overrides: what the user gave.
    flags: what else on the command line made it this run.
    """

    config: RootConfig
    resolved: dict[str, Any]
    flat: dict[str, Any]
    labels: dict[str, str]
    setting_id: str
    folder: Path
    overrides: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


def compose(overrides: Sequence[str], config_dir: str | None = None) -> Prepared:
    """Compose one run and check it. Settings are composed once: another seed of one costs next to nothing.

    Args:
        overrides: as on the command line, without flags; `hydra.` ones are allowed and change nothing here.
        config_dir: a folder of the user's own yaml, searched after ours.

    Raises:
        UserError: in one line, what is wrong and what is allowed.
    """
    rest, seed = _without_seed(overrides)
    with session(config_dir):
        if seed is not None:
            setting = _setting(_at_work(), tuple(rest))
            if setting is not None:
                return _with_seed(setting, seed, list(overrides))
        return prepare(*_composed(overrides), overrides)


def prepare(cfg: DictConfig, choices: Mapping[str, Any], overrides: Sequence[str] = ()) -> Prepared:
    """Check a composed config and give it its names. Needs Hydra at work: inside `hydra.main` or a `session`.

    Args:
        cfg: as Hydra composed it, with or without the `hydra` node.
        choices: what each config group was set to (`hydra.runtime.choices`).

    Raises:
        UserError: in one line, what is wrong and what is allowed.
    """
    choices = with_loggers(choices, overrides, _at_work().config_loader, CONFIG_NAME)
    chosen = {group: checked(group, choices.get(group)) for group in discovery.FOLDERS}
    config = _typed(cfg, choices)
    presets = preset(choices)
    for group, name in chosen.items():
        node = getattr(config, group)
        for key, untouched in (("name", not node.name), ("plugin", node.plugin == getattr(presets, group).plugin)):
            if not untouched:
                raise UserError(f"{group}.{key}: filled in by itself, not to be set")
        node.name = name
    complete(config)
    with discovery.users_faults():
        schemas.check(config)
    check_device(config.device)
    usual = _settled(config, presets)
    parts = _changed_parts(choices)
    labels = {
        group: identity.label(getattr(config, group), usual[group], parts.get(group, {}))
        for group in ("env", "reward", "agent", "curriculum")
    }
    return _prepared(config, labels, identity.setting_id(config), list(overrides))


def _settled(config: RootConfig, presets: RootConfig) -> dict[str, Any]:
    """Settle a config; what each of its choices would be in its place if nothing else were given."""
    usual = {}
    for group in discovery.FOLDERS:  # the environment first: others go by it
        usual[group] = copy.copy(getattr(presets, group))
        getattr(config, group).settle(config)
        usual[group].settle(config)
    return usual


@contextmanager
def session(config_dir: str | None = None) -> Iterator[None]:
    """Hydra's compose API at work on our search path. Within `hydra.main` or another session, that one stays."""
    if GlobalHydra.instance().is_initialized():
        yield
        return
    version.setbase(VERSION_BASE)
    search_path = create_config_search_path(str(discovery.conf_dir()))
    if config_dir is not None:
        if not Path(config_dir).is_dir():
            raise UserError(f"--config-dir {config_dir}: no such folder")
        # Where Hydra itself puts --config-dir.
        search_path.prepend("command-line", f"file://{Path(config_dir).absolute()}", SearchPathQuery(provider="schema"))
    with as_user_errors():
        Hydra.create_main_hydra2(task_name="rewardlab", config_search_path=search_path)
    try:
        yield
    finally:
        GlobalHydra.instance().clear()


@contextmanager
def many() -> Iterator[None]:
    """As long as it lasts, what was composed for one run serves the others, in Hydra's own session after ours as well.

    It is for sweeps: a single run is composed faster without. Files that change meanwhile are not seen.
    """
    global _many, _first
    if _many:
        yield
        return
    _many = True
    try:
        yield
    finally:
        _many, _first = False, None


def preset(choices: Mapping[str, Any]) -> RootConfig:
    """A run when only its choices are given, those inside a choice included. Needs a `session`; not to be changed.

    Raises:
        UserError: no such choice.
    """
    return _preset(_at_work(), tuple(choice_overrides(choices)))[0]


def choice_overrides(choices: Mapping[str, Any]) -> list[str]:
    """The overrides that make these choices. Needs a `session`.

    Args:
        choices: by group, and by `group@package` for one inside another, as in `reward@reward.schemes.rnd`.
    """
    top = [f"{group}={loggers.as_override(choices[group])}" for group in discovery.FOLDERS if group in choices]
    standing = _preset(_at_work(), tuple(top))[1]
    inside = [
        f"{'' if key in standing else '+'}{key}={name}"
        for key, name in sorted(choices.items())
        if key.partition("@")[0] in discovery.FOLDERS and "@" in key and standing.get(key) != name
    ]
    return [*top, *inside]


def typed(overrides: Sequence[str]) -> tuple[RootConfig, dict[str, Any]]:
    """The config of some overrides, typed but not checked, and what each group was set to. Needs a `session`.

    Raises:
        UserError: Hydra refuses, or a key is unknown.
    """
    cfg, choices = _config(overrides)
    return _typed(cfg, choices), choices


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parse overrides and refuse what Hydra would let pass or explain badly. Needs a `session`.

    Raises:
        UserError: the syntax, a removal, no such choice, or a field that is not to be set.
    """
    parsed = []
    for text in overrides:
        override = _parsed(_at_work(), text)
        check_override(override)
        parsed.append(override)
    return parsed


def raw(overrides: Sequence[str]) -> tuple[DictConfig, dict[str, Any]]:
    """The config as Hydra composes it, and what each group was set to. Needs a `session`.

    Raises:
        UserError: Hydra refuses, or a key of its own is unknown.
    """
    with as_user_errors():
        cfg = hydra.compose(CONFIG_NAME, list(overrides), return_hydra_config=True)
        choices = with_loggers(cfg.hydra.runtime.choices, overrides, _at_work().config_loader, CONFIG_NAME)
        refuse_unknown_keys(cfg.hydra, "hydra.", ("env",))  # Hydra's own, missing in its schema
    return cfg, choices


def check_writable(folder: Path, results_dir: str) -> None:
    """Refuse a folder inside results_dir that can't be written, by a nameless file in what exists of its path.

    Raises:
        UserError: names the part of the path that is in the way.
    """
    existing = folder
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"results_dir={results_dir}: {existing} can't be written ({reason})") from None


@functools.lru_cache(maxsize=1024)
def _setting(hydra_: Hydra, overrides: tuple[str, ...]) -> Prepared | None:
    """A run of the setting, composed once per session; None where something in it is computed from the seed."""
    cfg, choices = _composed(overrides)
    uses_seed = "${seed}" in str(OmegaConf.to_container(cfg, resolve=False))
    return None if uses_seed else prepare(cfg, choices, overrides)


def _composed(overrides: Sequence[str]) -> Composed:
    for override in parse(overrides):
        if override.is_sweep_override():
            raise UserError(
                f"{override.input_line}: several values need -m, as in: rewardlab run -m {override.input_line}"
            )
    return _config(overrides)


def _config(overrides: Sequence[str]) -> Composed:
    """The config without Hydra's own node, and what each group was set to."""
    known = _assembly(_at_work()).config([_parsed(_at_work(), text) for text in overrides]) if _many else None
    return _by_hydra(overrides) if known is None else known


def _by_hydra(overrides: Sequence[str]) -> Composed:
    cfg, choices = raw(overrides)
    return without_hydra(cfg), choices


def _at_work() -> Hydra:
    """The Hydra of this session, for which everything is kept that was composed; that of the first among `many`."""
    global _first
    current = GlobalHydra.instance().hydra
    assert current is not None
    if not _many:
        return current
    _first = _first or current
    return _first


@functools.lru_cache(maxsize=4)
def _assembly(hydra_: Hydra) -> Assembly:
    loader = hydra_.config_loader
    assert isinstance(loader, ConfigLoaderImpl)
    with as_user_errors():
        return Assembly(loader, CONFIG_NAME, _by_hydra)


@functools.lru_cache(maxsize=4096)
def _parsed(hydra_: Hydra, text: str) -> Override:
    try:
        override = OverridesParser.create(config_loader=hydra_.config_loader).parse_overrides([text])[0]
    except Exception:
        raise unparsable(text) from None
    if not override.key_or_group:
        raise unparsable(text)
    return override


@functools.lru_cache(maxsize=1024)
def _preset(hydra_: Hydra, overrides: tuple[str, ...]) -> tuple[RootConfig, dict[str, Any]]:
    return typed(overrides)


def _changed_parts(choices: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Choices inside a choice that differ from its yaml, by group: {"reward": {"schemes.icm": "icm"}}."""
    changed: dict[str, dict[str, str]] = {}
    for override in choice_overrides(choices):
        key, _, name = override.lstrip("+").partition("=")
        package = key.partition("@")[2]
        if package:
            group, _, inside = package.partition(".")
            changed.setdefault(group, {})[inside] = name
    return changed


def _without_seed(overrides: Sequence[str]) -> tuple[list[str], int | None]:
    """The overrides apart from the seed, and the seed where it is a plain number given once."""
    seeds = [item for item in overrides if item.startswith("seed=")]
    text = seeds[0].removeprefix("seed=") if len(seeds) == 1 else ""
    if re.fullmatch(r"[0-9]{1,20}", text) and int(text) <= schemas.LARGEST_SEED:
        return [item for item in overrides if item not in seeds], int(text)
    return list(overrides), None


def _with_seed(setting: Prepared, seed: int, overrides: list[str]) -> Prepared:
    config = copy.deepcopy(setting.config)
    config.seed = seed
    return _prepared(config, dict(setting.labels), setting.setting_id, overrides)


def _prepared(config: RootConfig, labels: dict[str, str], setting: str, overrides: list[str]) -> Prepared:
    resolved = dataclasses.asdict(config)
    folder = identity.folder_for(config.results_dir, labels, config.seed, setting)
    check_writable(folder, config.results_dir)
    return Prepared(config, resolved, identity.flatten(resolved), labels, setting, folder, overrides, _flags())


def _flags() -> list[str]:
    """`--config-dir DIR`, where it was given."""
    places = _at_work().config_loader.get_search_path().get_path()
    given = (each.path for each in places if each.provider == "command-line" and each.path)
    return [item for path in given for item in ("--config-dir", path.removeprefix("file://"))]


def _typed(cfg: DictConfig, choices: Mapping[str, Any]) -> RootConfig:
    return as_dataclasses(without_hydra(cfg), choices, lambda name: preset({loggers.GROUP: name}).logger.plugin)
