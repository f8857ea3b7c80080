"""Job shop: start operations or wait, on machines that do one at a time; the makespan alone is paid, at the end

A job has one operation on each machine, in an order of its own. At each decision an action starts the next operation of
a job, or, the last action, waits for the next time that something ends. When nothing can start, time goes on by itself.
`mask` says what can be done; agents that do not keep to it are refused. The episode ends when everything has begun, and
pays -makespan / bound, where the bound is what no makespan is below: the longest job, or a machine's load with the
least that is before and after it. All schedules that can be best can be had; what never waits cannot have all of them.

| env.instance | is |
|---|---|
| random | drawn by each level: machines in random orders, durations from 1 to `env.longest` |
| ft06 | the 6 x 6 instance of Muth and Thompson 1963: the optimum is 55 |

What is seen, in shares of the bound: of each job when it can go on and, next operation first, how long each one takes
and on which machine, one-hot; of each machine when it is free and how much work is left for it. With
`env.show=candidates` each action is described besides, so that agent=ppo scores all jobs by the same weights: how long
its operation takes, how much work is left to the job, also by the most that is left to one, how much is left to the
machine, and how many jobs could start on it now; of waiting, how long it takes.

`over_optimum` is the makespan of a schedule that is complete, by the optimum that our own branch and bound finds; it is
told up to 36 operations, and 0 before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv
from rewardlab.envs.config import OwnConfig
from rewardlab.envs.levels import Levels
from rewardlab.envs.spaces import refuse_forbidden
from rewardlab.facts import MAKESPAN, OVER_OPTIMUM, PICTURE, STANDING, STATE_HASH
from rewardlab.maths import job_shop, shop_floor
from rewardlab.maths.counting import hash_rows
from rewardlab.maths.job_shop import MOST_SOLVED, Shop
from rewardlab.maths.masks import nth_allowed
from rewardlab.schemas import RootConfig, option
from rewardlab.types import CANDIDATES, MASK, ActionSpec, Array, EnvSpec, Obs, ObsSpec, TaskFacts

VERSION = 1
_FT06_OPTIMUM = 55
_LANE, _WIDTH = 24, 480  # pixels of a machine's row in a picture
_EMPTY, _NOW = (24, 26, 30), (240, 240, 240)
_PLAYED = 400  # random episodes that say what random play returns, where 20,000 have not said it already
_RANDOM = {("ft06", 6, 6, 99): -1.694, ("random", 5, 5, 99): -1.709}


@dataclass
class Config(OwnConfig):
    instance: str = option("random", "which instance", choices=("random", "ft06"))
    jobs: int = option(5, "number of jobs, of instance=random", minimum=2, maximum=30)
    machines: int = option(5, "number of machines, of instance=random", minimum=2, maximum=30)
    longest: int = option(99, "the longest that an operation takes, of instance=random", above=0, maximum=10_000)
    show: str = option(
        "vector", "candidates: what each action does is described too, for agent=ppo", choices=("vector", "candidates")
    )
    frames: int = option(200_000, "default training budget of a run on it", above=0, in_setting=False)

    def validate(self) -> None:
        super().validate()
        for name, default in (("jobs", 5), ("machines", 5), ("longest", 99)):
            if self.instance != "random" and getattr(self, name) != default:
                raise ValueError(f"{name}={getattr(self, name)}: instance={self.instance} has its own; leave it out")

    @property
    def size(self) -> tuple[int, int]:
        return (6, 6) if self.instance == "ft06" else (self.jobs, self.machines)

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """Of one instance, all levels are the same."""
        return task if self.instance == "ft06" else super().facts_on(task, levels)

    def revision(self, setting: RootConfig) -> int:
        return 0


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "JobShop":
    """N shops at a time; a level is an instance.

    Args:
        privileged: full-state facts to compute: makespan, over_optimum, state_hash, picture, standing.
    """
    jobs, machines = config.size
    told = (MAKESPAN, OVER_OPTIMUM) if jobs * machines <= MOST_SOLVED else (MAKESPAN,)
    obs = {"vector": ObsSpec((shop_floor.width(jobs, machines),), "float32"), MASK: ObsSpec((jobs + 1,), "uint8", 1)}
    if config.show == "candidates":
        obs[CANDIDATES] = ObsSpec((jobs + 1, shop_floor.FEATURES), "float32")
    spec = EnvSpec(
        id=f"JobShop-{config.instance}-{jobs}x{machines}",
        obs=obs,
        action=ActionSpec(n=jobs + 1),
        max_steps=2 * jobs * machines,
        backend="fast",
        privileged=(*told, STATE_HASH, PICTURE, STANDING),
        tells=told,
        fact_shapes={STANDING: (jobs + 1, 2 * machines + 2)},
        restorable=True,
    )
    random = _random_return(config.instance, jobs, machines, config.longest)
    task = TaskFacts(random, -1.0, "bound")
    if config.instance == "ft06":
        task = TaskFacts(random, -_FT06_OPTIMUM / job_shop.bound(job_shop.ft06()), "exact")
    return JobShop(config, replace(spec, task=task), levels, privileged)


class JobShop(ArrayEnv):
    """machine, duration, begins: int64 [N, J, M], the instance, and when operations began, -1 before. started,
    job_free: int64 [N, J], operations begun, and when the last of them ends. machine_free: int64 [N, M]. now, bound:
    int64 [N].
    """

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        self.config, count, (jobs, machines) = config, levels.num_envs, config.size
        self._jobs, self._machines = jobs, machines
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("machine", "duration", "begins"), (jobs, machines))
        shapes |= {"started": (jobs,), "job_free": (jobs,), "machine_free": (machines,), "now": (), "bound": ()}
        self.arrays = {name: np.zeros((count, *shape), dtype=np.int64) for name, shape in shapes.items()}

    def begin(self, i: int, stream: np.random.Generator) -> None:
        arrays, config = self.arrays, self.config
        for name in ("started", "job_free", "machine_free", "now"):
            arrays[name][i] = 0
        shop = job_shop.ft06() if config.instance == "ft06" else job_shop.drawn(*config.size, config.longest, stream)
        arrays["machine"][i], arrays["duration"][i] = shop
        arrays["begins"][i], arrays["bound"][i] = -1, job_shop.bound(shop)

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        refuse_forbidden(self.spec.id, shop_floor.allowed(self.arrays), action)
        arrays = self.arrays
        i = np.flatnonzero(action < self._jobs)
        arrays["begins"][i, action[i], arrays["started"][i, action[i]]] = arrays["now"][i]
        over = shop_floor.advance(arrays, action)
        reward = np.where(over, -arrays["job_free"].max(axis=1) / arrays["bound"], 0.0)
        return reward, over, np.zeros(self.num_envs, dtype=bool)

    def observe(self) -> Obs:
        return shop_floor.shown(self.arrays, self.arrays["bound"], self.config.show == "candidates")

    def fact(self, name: str) -> Array:
        arrays = self.arrays
        if name == MAKESPAN:
            ends: Array = arrays["job_free"].max(axis=1)
            return ends
        if name == OVER_OPTIMUM:
            found = np.zeros(self.num_envs)
            for i in np.flatnonzero(shop_floor.over(arrays)):
                shop = arrays["machine"][i].tobytes(), arrays["duration"][i].tobytes()
                found[i] = arrays["job_free"][i].max() / _optimum(*shop, self._jobs)
            return found
        if name == STANDING:
            return shop_floor.table(arrays)
        if name == STATE_HASH:
            flat = [arrays[key].reshape(self.num_envs, -1) for key in ("machine", "duration", "begins", "now")]
            return hash_rows(np.concatenate(flat, axis=1))
        return self._charts()

    def _charts(self) -> Array:
        """A row for each machine, time to the right up to twice the bound, a colour for each job."""
        arrays = self.arrays
        pixels = np.full((self.num_envs, self._machines * _LANE, _WIDTH, 3), _EMPTY, dtype=np.uint8)
        for i in range(self.num_envs):
            scale = _WIDTH / (2 * arrays["bound"][i])
            for j, k in zip(*np.nonzero(arrays["begins"][i] >= 0), strict=True):
                begins, row = arrays["begins"][i, j, k], arrays["machine"][i, j, k] * _LANE
                left, right = int(begins * scale), int((begins + arrays["duration"][i, j, k]) * scale)
                pixels[i, row + 2 : row + _LANE - 2, left : max(right - 1, left + 1)] = _colour(j, self._jobs)
            now = min(int(arrays["now"][i] * scale), _WIDTH - 1)
            pixels[i, :, now] = _NOW
        return pixels


def _colour(job: int, jobs: int) -> tuple[int, int, int]:
    """One of so many hues."""
    import colorsys

    red, green, blue = colorsys.hsv_to_rgb(job / jobs, 0.55, 0.85)
    return int(255 * red), int(255 * green), int(255 * blue)


@lru_cache(maxsize=4096)
def _optimum(machine: bytes, duration: bytes, jobs: int) -> int:
    """Evaluations play the same instances again and again."""
    shop = (np.frombuffer(each, dtype=np.int64).reshape(jobs, -1) for each in (machine, duration))
    return job_shop.completed(Shop(*shop))[0]


@lru_cache
def _random_return(instance: str, jobs: int, machines: int, longest: int) -> float:
    """The mean return of random play, by playing: its standard error is half a percent."""
    if (instance, jobs, machines, longest) in _RANDOM:
        return _RANDOM[instance, jobs, machines, longest]
    config = Config(plugin="jobshop", instance=instance, jobs=jobs, machines=machines, longest=longest)
    if instance == "ft06":
        config = Config(plugin="jobshop", instance=instance)
    spec = EnvSpec("random play", {}, ActionSpec(n=jobs + 1), 2 * jobs * machines, restorable=True)
    env, rng = JobShop(config, spec, Levels(_PLAYED), ()), np.random.default_rng(0)
    env.reset(range(_PLAYED))
    returns, running = np.zeros(_PLAYED), np.ones(_PLAYED, dtype=bool)
    while running.any():  # without observations, which take most of the time of large shops
        wish = nth_allowed(shop_floor.allowed(env.arrays), rng.integers(2**40, size=_PLAYED))
        reward, over, _ = env.advance(np.where(running, wish, jobs))  # what is over waits
        returns += reward * running
        running &= ~over
    return float(returns.mean())
