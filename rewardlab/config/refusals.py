"""Hydra's and OmegaConf's complaints in our form: one line that says what is wrong, what is allowed, what is near."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import create_functions
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from rewardlab import discovery
from rewardlab.errors import NoSuchKey, UserError, one_line, unknown

FILLED_IN = ("name", "plugin")  # fields of a choice that composition fills in
# Hydra's own settings that we have set: no job moves, and nothing is written but a run's own files.
_HYDRAS_FILES = (
    "hydra.run",
    "hydra.sweep",
    "hydra.output",
    "hydra.output_subdir",
    "hydra.job.chdir",
    "hydra.job_logging",
    "hydra.hydra_logging",
)
_TYPES = {
    "Integer": "a whole number",
    "Float": "a number",
    "String": "text",
    "StringNode": "text",
}


@contextmanager
def as_user_errors() -> Iterator[None]:
    """Turn whatever composing raises about the user's input into a UserError."""
    try:
        yield
    except UserError:
        raise
    except OverrideParseException as error:
        raise unparsable(error.override) from None
    except MissingConfigException as error:
        raise _no_such_choice(error) from None
    except (HydraException, OmegaConfBaseException) as error:
        raise _wrong_value(error) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.name}:{mark.line + 1}: " if mark is not None else ""
        raise UserError(f"{place}not valid yaml: {one_line(error.problem or error)}") from None
    except yaml.YAMLError as error:
        raise UserError(f"not valid yaml: {one_line(error)}") from None
    except OSError as error:  # a yaml that can't be read, or holds neither keys nor a list
        raise UserError(f"can't load a config: {one_line(error)}") from None


def unparsable(override: str) -> UserError:
    if "=" not in override and not override.startswith("~"):
        return UserError(f"{override!r}: not an override; write key=value")
    called = re.match(r"[^=]+=(\w+)\(", override)
    functions = sorted(create_functions().functions)
    if called is not None and called[1] not in functions:
        close = get_close_matches(called[1], functions, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]}?" if close else ""
        return UserError(f"{override}: no such function{hint} (allowed: {', '.join(functions)})")
    return UserError(f"{override}: can't be parsed as key=value; put special characters in quotes, as in \"key='a=b'\"")


def refuse_unknown_keys(node: Any, path: str, beside: Sequence[str] = ()) -> None:
    """A `+` writes keys that the schema does not have; Hydra lets it. `beside`: keys that are known all the same."""
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing() or node._is_interpolation():
        return
    kind = OmegaConf.get_type(node)
    known = [spec.name for spec in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else None
    for key in node:
        if known is not None and key not in (*known, *beside):
            raise no_such_key(f"{path}{key!s}", known)
        refuse_unknown_keys(node._get_node(key), f"{path}{key!s}.")


def refuse_hydras_files(override: Override) -> None:
    """Refuse Hydra's own ways of saying where files go: results_dir is the one way.

    Raises:
        UserError: it is one of them.
    """
    key = override.key_or_group.replace("/", ".")
    if any(f"{key}.".startswith(f"{ours}.") for ours in _HYDRAS_FILES):
        raise UserError(f"{override.input_line}: not to be set; results_dir=DIR says where all files go")
    if key == "hydra":
        raise UserError(f"{override.input_line}: set one of hydra's keys at a time, as in hydra.launcher.jobs=2")


def no_such_key(key: str, allowed: Iterable[str], elsewhere: Iterable[str] = ()) -> UserError:
    """The refusal of a misspelt key, at any depth.

    Args:
        allowed: its siblings.
        elsewhere: dotted keys of the whole config, for a key that stands in the wrong place.
    """
    parent, _, given = key.rpartition(".")
    names = sorted(name for name in map(str, allowed) if name not in (*FILLED_IN, "hydra") and name[0] != "_")
    close = get_close_matches(given, names, n=1, cutoff=0.5)
    moved = [name for name in elsewhere if name.rpartition(".")[2] == given and name != key]
    suggestion = moved[0] if moved else close[0] if close else "" if parent else _owned(given)
    hint = f"; did you mean {suggestion}?" if suggestion else ""
    known = f" (allowed: {', '.join(names)})" if names else f" ({parent} has no keys)" if parent else ""
    return NoSuchKey(f"{key}: no such key{hint}{known}", key)


def _owned(name: str) -> str:
    """`reward.key (of reward=agac, count, ...)`, where choices that were not made have an option of this name."""
    for group in discovery.FOLDERS:
        owners = []
        for stem in discovery.plugins(group):
            with suppress(UserError):  # another choice's fault is not this one's
                if name in discovery.config_class(group, stem).__dataclass_fields__:
                    owners.append(stem)
        if owners and name not in FILLED_IN:
            return f"{group}.{name} (of {group}={', '.join(owners)})"
    return ""


def _no_such_choice(error: MissingConfigException) -> UserError:
    missing = error.missing_cfg_file or ""
    group, _, name = missing.rpartition("/")
    options = error.options or (discovery.choices(group) if group in discovery.FOLDERS else ())  # of a list: not told
    if not options:
        return UserError(f"{missing}: no such config file")
    where = re.match(r"In '([^']+)'", str(error))
    source = where.group(1) if where else "config"
    place = "" if source in ("config", "hydra/config") else f"{source}.yaml: "
    if group in discovery.FOLDERS:
        return UserError(f"{place}{discovery.no_such(group, name, options)}")
    return UserError(f"{place}{unknown(group, name, options, discovery.KINDS.get(group, 'choice'))}")


def _wrong_value(error: Exception) -> UserError:
    cause = next(
        (e for e in (error, error.__cause__, error.__context__) if isinstance(e, OmegaConfBaseException)), None
    )
    where = re.match(r"In '([^']+)'", str(error))
    place = f"{where.group(1)}.yaml: " if where and not where.group(1).endswith("_schema") else ""
    if "No match in the defaults list" in str(error):
        override = re.search(r"use (\+\S+)", str(error))
        return UserError(
            f"{override.group(1)[1:]}: not a group that every run has; add it as {override.group(1)}"
            if override
            else _shortened(error)
        )
    if cause is None:
        return UserError(_shortened(error))
    key = cause.full_key or str(cause.key or "")
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)):
        refusal = _unknown_key(key, cause.parent_node)
        return UserError(f"{place}{refusal}") if place else refusal
    if isinstance(cause, MissingMandatoryValue):
        return UserError(f"{place}{key}: needs a value; give {key}=...")
    if isinstance(cause, InterpolationResolutionError):
        return UserError(f"{place}{key}: {str(cause).splitlines()[0]}")
    if isinstance(cause, ValidationError):
        return UserError(f"{place}{_wrong_type(key, cause, error)}")
    return UserError(f"{place}{key}: {str(cause).splitlines()[0]}" if key else _shortened(cause))


def _unknown_key(key: str, parent: Any) -> UserError:
    if not isinstance(parent, DictConfig) or parent._is_none():
        return no_such_key(key, ())
    names = [str(name) for name in parent]
    if parent._get_parent() is not None:
        return no_such_key(key, names)
    tree = OmegaConf.to_container(parent, resolve=False, throw_on_missing=False)
    assert isinstance(tree, dict)
    return no_such_key(key, names, _dotted({k: v for k, v in tree.items() if k != "hydra"}))


def _wrong_type(key: str, cause: OmegaConfBaseException, error: Exception) -> str:
    text = str(cause).splitlines()[0]
    override = re.match(r"Error merging override \+*(.+)", str(error))
    shown = override.group(1).splitlines()[0] if override else key
    converted = re.search(r"^Value '(.*)' of type '\w+' could not be converted to (\w+)", text)
    if converted:
        shown = shown if override else f"{key}={converted.group(1)}"
        several = re.fullmatch(r"(\d+)\s*(?:\.\.\.?|-|:)\s*(\d+)", converted.group(1))
        hint = ""
        if several is not None and int(several[2]) > int(several[1]):
            begin, end = int(several[1]), int(several[2])
            hint = f"; several need -m, as in -m '{key}=range({begin},{end})', which ends with {end - 1}"
        return f"{shown}: must be {_TYPES.get(converted.group(2), converted.group(2))}{hint}"
    if "is not a valid bool" in text:
        return f"{shown}: must be true or false"
    if "is not Optional" in text:
        return f"{shown}: must have a value"
    if "is not a ListConfig" in text:
        return f"{shown}: must be a list, as in {key}=[1,2]"
    if "is not a subclass of" in text or "Cannot assign" in text:
        return f"{shown}: {key} is a group of keys; set one of them, as in {key}.KEY=VALUE"
    return f"{shown}: {text}"


def _shortened(error: Exception) -> str:
    """A message of Hydra's without its advice to force things."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith(("To append", "See http", "\t"))]
    return " ".join(lines) or type(error).__name__


def _dotted(tree: dict[Any, Any], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for key, value in tree.items():
        keys.extend(_dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"])
    return keys
