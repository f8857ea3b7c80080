"""Whether the spaces of a dataset are those of an environment, and what is said where they are not."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from rewardlab.errors import one_line
from rewardlab.types import ActionSpec, EnvSpec, ObsSpec


def other_actions(space: Any, spec: EnvSpec) -> str | None:
    """Why actions of `space` are not those of an environment; None: they are."""
    action = spec.action
    if action.n is not None:
        fits = hasattr(space, "start") and np.ndim(space.n) == 0 and int(space.n) == action.n
    else:
        fits = hasattr(space, "low") and _same(space.low, action.low) and _same(space.high, action.high)
    return None if fits else f"its actions are {_text(space)}, those of {spec.id} are {_text_of(action)}"


def other_observations(space: Any, spec: EnvSpec) -> str | None:
    """Why observations of `space`, in our names, are not those of an environment; None: they are."""
    found = named(space)
    for name, entry in spec.obs.items():
        if name not in found:
            return f"its observations hold {', '.join(map(str, found))}; {spec.id} shows {name}"
        reason = _other_entry(name, found[name], entry, spec.id)
        if reason is not None:
            return reason
    return None


def other_world(metadata: Mapping[str, Any], spec: EnvSpec) -> str | None:
    """The environment that a dataset says it was recorded in, if it is another one; None: the same, or it says none.

    Versions of gymnasium's ids are not compared, such as the -v4 of AntMaze_UMaze-v4.
    """
    ours = metadata.get("rewardlab")
    told = ours.get("world") if isinstance(ours, Mapping) else None
    if told is None and isinstance(made := metadata.get("env_spec"), str):
        with contextlib.suppress(ValueError, RecursionError):
            read = json.loads(made)
            told = read.get("id") if isinstance(read, dict) else None
    return told if isinstance(told, str) and _unversioned(told) != _unversioned(spec.id) else None


def named(space: Any) -> Mapping[Any, Any]:
    """The parts of a space by name."""
    parts = getattr(space, "spaces", None)
    return parts if isinstance(parts, Mapping) else {"vector": space}


def unlike(theirs: Any, ours: Any, env_id: str, place: str = "observations") -> str | None:
    """In what one of gymnasium's spaces differs from another one, of an environment; None: in nothing that matters."""
    parts, own = (getattr(space, "spaces", None) for space in (theirs, ours))
    if isinstance(parts, Mapping) and isinstance(own, Mapping) and set(parts) == set(own):
        found = (unlike(parts[key], own[key], env_id, f"{place}.{key}") for key in own)
        return next((reason for reason in found if reason is not None), None)
    if isinstance(parts, tuple) and isinstance(own, tuple) and len(parts) == len(own):
        found = (unlike(part, own[i], env_id, f"{place}.{i}") for i, part in enumerate(parts))
        return next((reason for reason in found if reason is not None), None)
    return None if _alike(theirs, ours) else f"its {place}: {_text(theirs)}, those of {env_id}: {_text(ours)}"


def _unversioned(env_id: str) -> str:
    return re.sub(r"-v\d+$", "", env_id.rpartition(":")[2])


def _alike(theirs: Any, ours: Any) -> bool:
    if type(theirs) is not type(ours):
        return False
    if not hasattr(ours, "low"):
        return bool(theirs == ours)
    kinds = [np.dtype(space.dtype).kind == "f" for space in (theirs, ours)]
    return kinds[0] == kinds[1] and theirs.shape == ours.shape and _agree(theirs, (ours.low, ours.high))


def _other_entry(name: str, space: Any, entry: ObsSpec, env_id: str) -> str | None:
    shape = tuple(space.shape or ())
    if shape != entry.shape:
        return f"its {name} has shape {shape}, that of {env_id} has {entry.shape}"
    if not hasattr(space, "low"):
        return None
    if entry.high and int(space.high.max()) < entry.high:
        return f"its {name} has values up to {int(space.high.max())}, that of {env_id} up to {entry.high}"
    if entry.bounds is not None and not _agree(space, entry.bounds):
        low, high = (np.array(bound, np.float32).reshape(shape) for bound in entry.bounds)
        return f"its {name} is {_text(space)}, that of {env_id} is {_text_of_box(low, high)}"
    return None


def _agree(space: Any, bounds: tuple[Any, Any]) -> bool:
    """Whether bounds are the same wherever there are two to compare."""
    for theirs, ours in zip((space.low, space.high), bounds, strict=True):
        one, other = np.ravel(theirs).astype(np.float64), np.ravel(ours).astype(np.float64)
        both = np.isfinite(one) & np.isfinite(other)
        if not np.allclose(one[both], other[both], rtol=1e-5, atol=1e-8):
            return False
    return True


def _same(theirs: Any, ours: tuple[float, ...]) -> bool:
    one, other = np.ravel(theirs).astype(np.float32), np.array(ours, np.float32)
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=1e-5, atol=1e-8))


def _text(space: Any) -> str:
    return one_line(space, 160)


def _text_of(action: ActionSpec) -> str:
    if action.n is not None:
        return f"Discrete({action.n})"
    return _text_of_box(np.array(action.low, np.float32), np.array(action.high, np.float32))


def _text_of_box(low: Any, high: Any) -> str:
    from gymnasium.spaces import Box

    return _text(Box(low, high))
