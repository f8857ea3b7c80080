"""What reward schemes and agents are held to alike: their state, their weights, their randomness."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import nn

from rewardlab import seeding
from rewardlab.contracts.result import Broken, require
from rewardlab.contracts.worlds import goal_outcome
from rewardlab.parts.random_state import load_random_state, random_state
from rewardlab.types import BuildContext, EnvSpec, Rollout, State

SEED = 3
NUM_ENVS = 4
GAMMA = 0.97  # unusual, so that a scheme that assumes the usual one is found out


def new_context(spec: EnvSpec, seed: int = SEED) -> BuildContext:
    rngs = seeding.torch_rng(seed, "law"), seeding.numpy_rng(seed, "law")
    outcome = goal_outcome if spec.goals else None
    return BuildContext(spec, NUM_ENVS, torch.device("cpu"), *rngs, GAMMA, outcome)


@contextlib.contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Global random state set to `seed` for a while: nothing may depend on it."""
    numpy_state = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)


def saved(thing: Any, context: BuildContext) -> State:
    """What a checkpoint keeps of a scheme or an agent and its generators, written and read as one is.

    Raises:
        Broken: the state holds what `torch.load(weights_only=True)` does not read, or other than plain types.
    """
    state = {"thing": thing.state_dict(), "random": random_state(context)}
    _require_plain(state["thing"], "state_dict()")
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: State = torch.load(file, weights_only=True)
    return loaded


def restore(thing: Any, context: BuildContext, state: State) -> None:
    load_random_state(context, state["random"])
    thing.load_state_dict(state["thing"])


def learned_weights(thing: Any) -> list[torch.Tensor]:
    """Copies of every parameter and buffer that can be reached from a scheme or an agent."""
    found: dict[int, torch.Tensor] = {}
    _collect(thing, found, set())
    return [tensor.detach().clone() for tensor in found.values()]


def contents(rollout: Rollout) -> dict[str, Any]:
    """What it was made of, without what was found in it since."""
    return {field.name: getattr(rollout, field.name) for field in fields(rollout) if field.init}


def require_equal(left: Any, right: Any, what: str) -> None:
    """Bit for bit.

    Raises:
        Broken: names the first difference.
    """
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        same = left.dtype == right.dtype and left.shape == right.shape and torch.equal(left, right)
        require(same, f"{what} differs")
    elif isinstance(left, dict) and isinstance(right, dict):
        require(set(left) == set(right), f"{what} has other entries: {sorted(map(str, set(left) ^ set(right)))}")
        for key, value in left.items():
            require_equal(value, right[key], f"{what}.{key}")
    elif isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        require(len(left) == len(right), f"{what} has {len(right)} entries instead of {len(left)}")
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            require_equal(one, other, f"{what}[{index}]")
    else:
        require(left == right, f"{what} is {right} instead of {left}")


def _require_plain(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _require_plain(item, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _require_plain(item, f"{where}[{index}]")
    elif not (value is None or isinstance(value, torch.Tensor) or type(value) in (int, float, str, bool)):
        allowed = "dict, list, tuple, tensor, int, float, str, bool, None"
        raise Broken(f"{where} is a {type(value).__name__}; allowed: {allowed}")


def _collect(thing: Any, found: dict[int, torch.Tensor], seen: set[int]) -> None:
    if id(thing) in seen or isinstance(thing, (str, int, float, type)):
        return
    seen.add(id(thing))
    if isinstance(thing, nn.Module):
        for tensor in (*thing.parameters(), *thing.buffers()):
            found[id(tensor)] = tensor
    elif isinstance(thing, nn.Parameter):
        found[id(thing)] = thing
    elif isinstance(thing, dict):
        for item in thing.values():
            _collect(item, found, seen)
    elif isinstance(thing, (list, tuple)):
        for item in thing:
            _collect(item, found, seen)
    elif type(thing).__module__.split(".")[0] not in ("torch", "numpy") and hasattr(thing, "__dict__"):
        _collect(vars(thing), found, seen)
