"""BitFlip: n bits and n more to match; an action flips one bit; nothing is paid until all are right.

Paper: Andrychowicz et al. 2017, Hindsight experience replay

Both bit strings are drawn uniformly at the start of an episode, but never equal. Action i flips bit i. A step costs -1
unless it makes the strings equal, which costs nothing and ends the episode; after n steps time is up.
`env.pays=goal` pays 1 for the last step and nothing before instead. Chance finds one of 2^n strings too
rarely to learn from: the paper's DQN without hindsight solves n up to 13, with it n up to 50.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv, pictured
from rewardlab.envs.config import OwnConfig
from rewardlab.envs.levels import Levels
from rewardlab.facts import PICTURE, STATE_HASH
from rewardlab.maths.counting import hash_rows
from rewardlab.schemas import option
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, ObsSpec, TaskFacts

VERSION = 1
SUCCESS = "all bits match"
_SQUARE = 24  # pixels of a bit's side in a picture


@dataclass
class Config(OwnConfig):
    HAS_GOALS = True

    n: int = option(15, "number of bits, and steps in an episode", minimum=2, maximum=50)
    pays: str = option("steps", "steps: -1 for each before the last; goal: 1 for the last", choices=("steps", "goal"))
    frames: int = option(150_000, "default training budget of a run on it", above=0, in_setting=False)

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """Exact: a level's bits to flip are all that matters."""
        env = make(self, Levels(len(levels), lists=[[level] for level in levels]))
        env.reset(range(len(levels)))
        to_flip = (env.arrays["bits"] != env.arrays["goal"]).sum(axis=1)
        random_return, optimal_return = returns(self.n, self.pays, np.bincount(to_flip, minlength=self.n + 1))
        return replace(task, random_return=random_return, optimal_return=optimal_return)


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "BitFlip":
    """N copies; a level is a pair of bit strings.

    Args:
        privileged: full-state facts to compute: state_hash (of both strings), picture.
    """
    random_return, optimal_return = returns(config.n, config.pays)
    bits = ObsSpec((config.n,), "float32")
    spec = EnvSpec(
        id=f"BitFlip-{config.n}",
        obs={"vector": bits, "goal": bits, "achieved": bits},
        action=ActionSpec(n=config.n),
        max_steps=config.n,
        task=TaskFacts(random_return, optimal_return, "exact", SUCCESS),
        backend="fast",
        privileged=(STATE_HASH, PICTURE),
        restorable=True,
        goals=True,
    )
    return BitFlip(config, spec, levels, privileged)


class BitFlip(ArrayEnv):
    """vector, goal, achieved: the bits as 0 and 1, float32 [N, n]; what is achieved are the bits themselves."""

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        self._n, self._pays = config.n, config.pays
        self.arrays = {name: np.zeros((levels.num_envs, config.n), dtype=np.uint8) for name in ("bits", "goal")}

    def begin(self, i: int, stream: np.random.Generator) -> None:
        bits, goal = stream.integers(2, size=(2, self._n), dtype=np.uint8)
        while np.array_equal(bits, goal):
            goal = stream.integers(2, size=self._n, dtype=np.uint8)
        self.arrays["bits"][i], self.arrays["goal"][i] = bits, goal

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        bits = self.arrays["bits"]
        bits[np.arange(self.num_envs), action] ^= 1
        reward, reached = self.goal_outcome(bits, self.arrays["goal"])
        return reward, reached, reached

    def observe(self) -> Obs:
        bits = self.arrays["bits"].astype(np.float32)
        return {"vector": bits, "goal": self.arrays["goal"].astype(np.float32), "achieved": bits}

    def fact(self, name: str) -> Array:
        strings = np.stack([self.arrays["bits"], self.arrays["goal"]], axis=1)
        if name == STATE_HASH:
            return hash_rows(strings.reshape(self.num_envs, -1))
        return pictured((255 * strings[..., None]).repeat(3, axis=-1), _SQUARE)

    def goal_outcome(self, achieved: Array, desired: Array) -> tuple[Array, Array]:
        """See `GoalVecEnv`."""
        reached = (achieved == desired).all(axis=-1)
        reward = reached - 1.0 if self._pays == "steps" else reached * 1.0
        return reward.astype(np.float32), reached


def returns(n: int, pays: str, counts: Array | None = None) -> tuple[float, float]:
    """The mean returns of uniformly random actions and of the best policy, exactly.

    The Hamming distance d of the two strings is all that matters: it begins binomial, 0 left out; a random action
    lowers it with probability d / n and raises it else; the best policy needs d steps.

    Args:
        counts: [n + 1], of how many levels each first distance is; None: of all pairs of strings.
    """
    distance = np.arange(n + 1)
    if counts is None:
        counts = np.ones(n + 1)
        for d in range(1, n + 1):
            counts[d] = counts[d - 1] * (n - d + 1) / d
        counts[0] = 0.0
    chance = counts / counts.sum()
    best = -float(chance @ (distance - 1)) if pays == "steps" else 1.0
    cost, reached = 0.0, 0.0
    for _ in range(n):
        lower, higher = np.zeros(n + 1), np.zeros(n + 1)
        lower[:-1] = (chance * distance / n)[1:]
        higher[1:] = (chance * (1.0 - distance / n))[:-1]
        chance = lower + higher
        reached += float(chance[0])
        chance[0] = 0.0
        cost += float(chance.sum())
    return (-cost if pays == "steps" else reached), best
