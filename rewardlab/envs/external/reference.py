"""The reference backend: environments stepped one after another by their own code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rewardlab.envs.batched import BatchedEnv, copied
from rewardlab.envs.external.replayed import Replayed, can_be_replayed
from rewardlab.envs.levels import Levels
from rewardlab.envs.spaces import ActionCodec
from rewardlab.types import Array, EnvSpec, Obs

Fact = Callable[[], Any]
View = Callable[[Mapping[str, Any]], Obs]


@dataclass(frozen=True)
class Together:
    """Environments as one: what steps them, what measures their facts, and what keeps their state, where it can."""

    vector: Any
    facts: "_EachItsOwn | None"
    keeper: Replayed | None


def together(
    worlds: Sequence[gymnasium.Env[Any, Any]],
    facts: Mapping[str, Sequence[Fact]] | None = None,
    replayable: bool = True,
) -> Together:
    """See `reference_env`."""
    makers = [lambda world=world: world for world in worlds]
    vector = SyncVectorEnv(makers, copy=False, autoreset_mode=AutoresetMode.DISABLED)
    measured = _EachItsOwn(facts) if facts else None
    if not (replayable and can_be_replayed(worlds[0])):
        return Together(vector, measured, None)
    replayed = Replayed(vector)
    return Together(replayed, measured, replayed)


def reference_env(
    worlds: Sequence[gymnasium.Env[Any, Any]],
    spec: EnvSpec,
    codec: ActionCodec,
    levels: Levels,
    facts: Mapping[str, Sequence[Fact]] | None = None,
    reward_is_success: bool = False,
    tells_success: bool = False,
    replayable: bool = True,
    view: View = copied,
) -> BatchedEnv:
    """N gymnasium environments, whose observations are dicts of arrays in our names, as one.

    Args:
        worlds: the environments, all alike.
        levels: the seeds of resets.
        facts: for each full-state fact, what computes it for each environment's current state.
        reward_is_success, tells_success: see `BatchedEnv`.
        replayable: whether nothing around an environment that can be replayed is in the way.
        view: what makes our entries of theirs, in arrays of their own.
    """
    held = together(worlds, facts, replayable)
    return BatchedEnv(
        held.vector, spec, codec, view, levels, held.facts, reward_is_success, tells_success, keeper=held.keeper
    )


class _EachItsOwn:
    """Facts computed environment by environment."""

    def __init__(self, facts: Mapping[str, Sequence[Fact]]) -> None:
        self._facts = facts

    def measure(self) -> Obs:
        return {name: _stacked([fact() for fact in facts]) for name, facts in self._facts.items()}

    def remeasure(self, before: Obs, changed: Array) -> Obs:
        after = copied(before)
        for name, facts in self._facts.items():
            for index in np.flatnonzero(changed).tolist():
                after[name][index] = facts[index]()
        return after


def _stacked(facts: list[Any]) -> Array:
    """Images stay bytes; whatever else is counted or hashed is int64."""
    found = np.array(facts)
    return found if found.dtype == np.uint8 else found.astype(np.int64)
