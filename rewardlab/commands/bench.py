"""`rewardlab bench`: how fast the engine steps and every scheme trains, as ratios from one run.

What is compared takes turns, and a ratio is taken within a turn, because a machine's speed drifts; medians are shown.
"""

import statistics
import time
from argparse import Namespace
from collections.abc import Callable, Sequence

import numpy as np

from rewardlab import discovery, seeding
from rewardlab.config.composition import compose
from rewardlab.errors import UserError
from rewardlab.schemas import RootConfig
from rewardlab.threads import use_one_thread
from rewardlab.training.build import build
from rewardlab.training.environments import make_training_env
from rewardlab.training.learning.base import make_learning
from rewardlab.types import VecEnv

_ENVS = 256  # of the engine's table; training uses the config's num_envs
_SECONDS = 0.5  # of a timed stretch of the engine
_UPDATES = 10  # of a timed stretch of training: enough to forget what the scheme before it left in the caches


def main(given: Namespace) -> int:
    """Print both tables."""
    print(bench(given.overrides, given.rounds))
    return 0


def bench(overrides: Sequence[str], rounds: int) -> str:
    """Two tables as text: the backends of `env=`, and the schemes of `reward=a,b` beside `none`; `all`: that fit.

    Args:
        overrides: as of `rewardlab run`; `reward` takes several names.
        rounds: turns of each.

    Raises:
        UserError: the overrides do not compose, or a scheme that is named does not fit the rest.
    """
    use_one_thread()
    if rounds < 1:
        raise UserError(f"--rounds {rounds}: must be at least 1")
    rest = [item for item in overrides if not item.startswith("reward=")]
    given = [item.removeprefix("reward=") for item in overrides if item.startswith("reward=")]
    names = given[-1].split(",") if given else ["all"]
    every = names == ["all"]
    config = compose([*rest, "reward=none"]).config
    backends = {backend: _engine(rest, backend) for backend in _backends(config)}
    schemes: dict[str, Callable[[], float]] = {}
    plays: list[str] = []
    refusals: list[str] = []
    for name in dict.fromkeys(["none", *(discovery.choices("reward") if every else names)]):
        try:
            schemes[name], played = _training(compose([*rest, f"reward={name}"]).config)
            plays.append(played)
        except UserError as refusal:
            if not every:
                raise
            refusals.append(f"left out: {name}: {refusal}")
    lines = [f"env={config.env.name}: random actions, resets included, one thread, medians of {rounds} rounds"]
    lines += _table(_measure(backends, rounds), "steps/s")
    lines += ["", f"training with agent={config.agent.name}, {plays[0]}, evaluation left out"]
    lines += _table(_measure(schemes, rounds), "frames/s")
    lines += refusals
    return "\n".join(lines)


def _backends(config: RootConfig) -> list[str]:
    env = make_training_env(config)
    env.close()
    return ["reference", "fast"] if env.spec.backend == "fast" else ["reference"]


def _engine(overrides: Sequence[str], backend: str) -> Callable[[], float]:
    """A stretch of random play; returns steps per second. Farama's code gains nothing from more environments."""
    num_envs = _ENVS if backend == "fast" else 16
    options = [item for item in overrides if not item.startswith(("num_envs=", "env.backend="))]
    if backend == "fast":
        options.append("env.backend=fast")
    elif compose([*options, "reward=none"]).config.env.plugin == "minigrid":
        options.append("env.backend=reference")
    config = compose([*options, "reward=none", f"num_envs={num_envs}"]).config
    env = make_training_env(config)
    rng = seeding.numpy_rng(config.seed, "bench")
    env.reset(seeding.env_seeds(config.seed, "bench", num_envs))

    def stretch() -> float:
        started, steps = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - started) < _SECONDS:
            env.step(_random_actions(env, rng))
            steps += num_envs
        return steps / elapsed

    return stretch


def _random_actions(env: VecEnv, rng: np.random.Generator) -> np.ndarray:
    action = env.spec.action
    if action.n is not None:
        return rng.integers(action.n, size=env.num_envs)
    return rng.uniform(-1.0, 1.0, size=(env.num_envs, *action.shape)).astype(np.float32)


def _training(config: RootConfig) -> tuple[Callable[[], float], str]:
    """A few iterations of the training loop, which tells frames per second; and what is stepped there."""
    learning = make_learning(config, build(config))

    def stretch() -> float:
        started = time.perf_counter()
        played = sum(learning.iterate(spent=0)[0] for _ in range(_UPDATES))
        return played / (time.perf_counter() - started)

    waits, played = getattr(config.agent, "learning_starts", 0), 0  # an agent on replay only collects until then
    while played <= waits:
        played += learning.iterate(spent=0)[0]
    return stretch, learning.plays


def _measure(stretches: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in stretches}
    for _ in range(rounds):
        for name, stretch in stretches.items():
            found[name].append(stretch())
    return found


def _table(found: dict[str, list[float]], unit: str) -> list[str]:
    base = next(iter(found))
    width = max(len(name) for name in found)
    lines = []
    for name, speeds in found.items():
        ratios = [speed / first for speed, first in zip(speeds, found[base], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        beside = "" if name == base else f"   {statistics.median(ratios):.2f} x {base} ({spread})"
        lines.append(f"  {name.ljust(width)}  {statistics.median(speeds):>12,.0f} {unit}{beside}")
    return lines
