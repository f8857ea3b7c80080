"""Which level seeds make the same level, and how many levels a task has.

Two seeds make the same level where the whole state after the reset is equal: the grid with what boxes contain, the
agent, what it carries, and the mission. All that follows is then up to the actions, but where obstacles move at random:
there a level is more than its first state, and nothing here is known of it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rewardlab.gridworld.catalogue import find_task

EVALUATED = 100  # levels of an evaluation by default
CANDIDATES = 10_000  # level seeds of evaluation, among which distinct levels are looked for
TRAINED = 40_000  # levels of a training, as the shares of the table have it
_COUNTED, _TOO_MANY = 100_000, 10_000  # levels drawn to count them; distinct ones among TRAINED that end the counting
_FIRST_LEVEL = 8_000_000  # level seeds of the counting, far from those of evaluation
_TOGETHER = 256


@dataclass(frozen=True)
class LevelCounts:
    """What `task_facts` tells of a task's levels; all None where its levels are more than their first states.

    Attributes:
        distinct_levels: how many there are; None: too many to be counted, which they are unless every level that is
            met in 100,000 draws is met twice.
        seen_in_training: share of the standard 100 evaluation levels that are among 40,000 of training.
        first_repeat: place in the list of evaluation seeds of the first that makes a level once more; None: none of
            10,000.
        distinct_candidates: how many levels these 10,000 make.
    """

    distinct_levels: int | None = None
    seen_in_training: float | None = None
    first_repeat: int | None = None
    distinct_candidates: int | None = None

    def plays_distinct(self, episodes: int) -> bool:
        """Whether an evaluation of so many episodes leaves out seeds that make a level once more.

        It does where there are any among its first, and levels enough to take their places.
        """
        if self.first_repeat is None or self.distinct_candidates is None:
            return False
        return self.first_repeat < episodes <= self.distinct_candidates


def level_keys(env_id: str, seeds: Sequence[int]) -> list[bytes] | None:
    """What is equal for equal levels, of each seed; None where levels are more than their first states."""
    from rewardlab.gridworld.vector import make_vec

    if find_task(env_id).family == "dynamicobstacles":
        return None
    envs = make_vec(env_id, min(_TOGETHER, len(seeds)))
    keys: list[bytes] = []
    for start in range(0, len(seeds), envs.num_envs):
        chosen = list(seeds[start : start + envs.num_envs])
        envs.reset(seed=chosen + [0] * (envs.num_envs - len(chosen)))
        states = envs.get_state(np.arange(len(chosen)))
        parts = [np.ascontiguousarray(states[name]).view(np.uint8) for name in ("cells", "agent", "carried", "mission")]
        keys += [row.tobytes() for row in np.concatenate([part.reshape(len(chosen), -1) for part in parts], axis=1)]
    return keys


@lru_cache(maxsize=64)
def distinct_seeds(env_id: str, episodes: int) -> tuple[int, ...]:
    """The first seeds of evaluation that make so many distinct levels.

    Raises:
        ValueError: the first 10,000 seeds do not; see `LevelCounts.plays_distinct`.
    """
    from rewardlab.seeding import evaluation_seeds

    seeds = evaluation_seeds(CANDIDATES)
    found: dict[bytes, int] = {}
    for start in range(0, CANDIDATES, _TOGETHER):
        some = seeds[start : start + _TOGETHER]
        for key, seed in zip(level_keys(env_id, some) or (), some, strict=True):
            found.setdefault(key, seed)
            if len(found) == episodes:
                return tuple(found.values())
    raise ValueError(f"{env_id}: fewer than {episodes} distinct levels")


def count_levels(env_id: str) -> LevelCounts:
    """Counts anew what the table keeps."""
    from rewardlab.seeding import evaluation_seeds

    candidates = level_keys(env_id, evaluation_seeds(CANDIDATES))
    trained = level_keys(env_id, range(_FIRST_LEVEL, _FIRST_LEVEL + TRAINED))
    if candidates is None or trained is None:
        return LevelCounts()
    first_repeat = _first_repeat(candidates)
    known = LevelCounts(None, None, first_repeat, len(set(candidates)))
    played = list(dict.fromkeys(candidates)) if known.plays_distinct(EVALUATED) else candidates
    there = set(trained)
    seen = float(np.mean([key in there for key in played[:EVALUATED]]))
    distinct = None
    if len(there) <= _TOO_MANY:
        further = level_keys(env_id, range(_FIRST_LEVEL + TRAINED, _FIRST_LEVEL + _COUNTED)) or []
        times = Counter([*trained, *further])
        distinct = len(times) if min(times.values()) > 1 else None
    return LevelCounts(distinct, seen, first_repeat, len(set(candidates)))


def _first_repeat(keys: Iterable[bytes]) -> int | None:
    met: set[bytes] = set()
    for place, key in enumerate(keys):
        if key in met:
            return place
        met.add(key)
    return None
