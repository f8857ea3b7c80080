"""Typed fields out of a mapping that anybody may have written."""

import json
from typing import Any

import numpy as np

from rewardlab.report.reading.plain import Unreadable, clean

_MOST_KEYS = 400
_LONGEST_VALUE = 300  # characters


def mapping(source: dict[str, Any], key: str) -> dict[str, Any]:
    """Raises: Unreadable if it is not one."""
    value = source.get(key)
    if not isinstance(value, dict):
        raise Unreadable(f"manifest.json: {key} is missing or not a mapping")
    return value


def text(source: dict[str, Any], key: str, prefix: str = "") -> str:
    """Raises: Unreadable if there is none."""
    found = optional_text(source, key)
    if not found:
        raise Unreadable(f"manifest.json: {prefix}{key} is missing or not a text")
    return found


def optional_text(source: dict[str, Any], key: str, limit: int = 200) -> str:
    value = source.get(key)
    return clean(value, limit) if isinstance(value, str) else ""


def texts(source: dict[str, Any], key: str) -> tuple[str, ...]:
    """Raises: Unreadable if it is something else than a list of texts."""
    value = source.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Unreadable(f"manifest.json: {key} is not a list of names")
    return tuple(sorted({clean(item, 60) for item in value}))


def integer(source: dict[str, Any], key: str, least: int = 0) -> int:
    """Raises: Unreadable if it is no integer, or too small or large for one of a computer's."""
    value = source.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
        raise Unreadable(f"manifest.json: {key} is not an integer of at least {least}")
    return value


def number(source: dict[str, Any], key: str) -> float | None:
    """Raises: Unreadable if it is there and no finite number."""
    value = source.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(float(value)):
        raise Unreadable(f"manifest.json: task.{key} is not a number")
    return float(value)


def short(value: Any) -> dict[str, str]:
    """A flat mapping with sorted names and short texts; empty if it is none."""
    return (
        dict(sorted((clean(str(k), 60), clean(str(v), 60)) for k, v in value.items()))
        if isinstance(value, dict)
        else {}
    )


def flat(value: Any) -> dict[str, Any]:
    """A flat config: numbers, truth values and None as they are, everything else as short text."""
    if not isinstance(value, dict):
        return {}
    return {clean(str(key), 100): _plain(item) for key, item in list(value.items())[:_MOST_KEYS]}


def written(value: Any) -> str:
    """A plain value as it is written on the command line: null, true, 0.5, a text as it is."""
    return value if isinstance(value, str) else json.dumps(value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else str(value)
    return clean(written(value), _LONGEST_VALUE)
