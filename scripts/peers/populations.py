"""Speed of populations beside their peers: ratios, from one run on one machine, one thread.

Lives on DoorKey-5x5 (view, 16 tanh units, actions drawn): rewardlab's generations beside a loop over individuals on
Farama's MiniGrid, with numpy's matrix products. Adding to a grid archive of 50 x 50 cells: rewardlab's beside pyribs',
where it is installed. What is compared takes turns; a ratio is taken within a turn, and the median of turns is shown.

    python scripts/peers/populations.py
    python scripts/peers/populations.py --turns 7 --individuals 4096
"""

import argparse
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402
import torch  # noqa: E402

TASK, HIDDEN, STEPS = "MiniGrid-DoorKey-5x5-v0", 16, 8_000
SIZE, CELLS = 200, 50  # numbers of an archived individual, cells of a side


def generations(individuals: int) -> Callable[[], float]:
    """Whole generations of agent=random_search on one level each: frames per CPU second."""
    from rewardlab.config.composition import compose
    from rewardlab.training.build import build
    from rewardlab.training.learning.base import make_learning

    torch.set_num_threads(1)
    agent = ["agent=random_search", f"agent.population={individuals}", "agent.episodes=1", f"agent.hidden=[{HIDDEN}]"]
    config = compose(["env=doorkey_5x5", "reward=none", *agent, "frames=1e12"]).config
    learning = make_learning(config, build(config))
    return lambda: per_second(lambda: learning.iterate(0)[0])


def one_by_one() -> Callable[[], float]:
    """One gymnasium environment, one individual after another: frames per CPU second."""
    from rewardlab.gridworld.reference import make_reference

    env, rng = make_reference(TASK), np.random.default_rng(0)

    def play() -> int:
        steps = 0
        while steps < STEPS:
            first, second = rng.standard_normal((147, HIDDEN), np.float32), rng.standard_normal((HIDDEN, 7), np.float32)
            obs, _ = env.reset(seed=int(rng.integers(2**31)))
            over = False
            while not over:
                seen = obs["image"].ravel().astype(np.float32) / 10
                logits = np.tanh(seen @ first) @ second
                chances = np.exp(logits - logits.max())
                action = int(np.searchsorted(np.cumsum(chances), rng.random() * chances.sum()))
                obs, _, terminated, truncated, _ = env.step(action)
                over, steps = terminated or truncated, steps + 1
        return steps

    return lambda: per_second(play)


def batches(batch: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What both archives are given: genomes, returns and places of 100 batches."""
    rng = np.random.default_rng(0)
    return [
        (rng.standard_normal((batch, SIZE), np.float32), rng.random(batch), rng.random((batch, 2))) for _ in range(100)
    ]


def our_archive(batch: int) -> Callable[[], float]:
    """Individuals added per CPU second, from an empty archive on."""
    from rewardlab.parts.archives.grid_archive import GridArchive

    given = batches(batch)

    def fill() -> int:
        archive = GridArchive(CELLS, 2, SIZE)
        for genomes, values, places in given:
            archive.add(genomes, values, places)
        return batch * len(given)

    return lambda: per_second(fill)


def pyribs_archive(batch: int) -> Callable[[], float]:
    """The same by pyribs."""
    from ribs.archives import GridArchive

    given = batches(batch)

    def fill() -> int:
        archive = GridArchive(
            solution_dim=SIZE, dims=[CELLS, CELLS], ranges=[(0, 1), (0, 1)], solution_dtype=np.float32
        )
        for genomes, values, places in given:
            archive.add(genomes, values, places)
        return batch * len(given)

    return lambda: per_second(fill)


def per_second(work: Callable[[], int]) -> float:
    began = time.process_time()
    count = work()
    return count / (time.process_time() - began)


def compare(title: str, peers: dict[str, Callable[[], float]], turns: int) -> None:
    """Print a line for each, the first being ours."""
    for stretch in peers.values():
        stretch()  # the first stretch compiles and warms caches
    speeds: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(turns):
        for name, stretch in peers.items():
            speeds[name].append(stretch())
    print(title)
    ours = next(iter(speeds.values()))
    for name, values in speeds.items():
        ratios = [mine / theirs for mine, theirs in zip(ours, values, strict=True)]
        spread = f"ours is {statistics.median(ratios):.1f} x ({min(ratios):.1f} to {max(ratios):.1f})"
        print(f"  {name:36s} {statistics.median(values):12,.0f} per CPU second   {spread}")


def main() -> None:
    parser = argparse.ArgumentParser(description="speed of populations beside their peers")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--individuals", type=int, default=1024)
    options = parser.parse_args()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lives = {f"generations of {options.individuals}": generations(options.individuals)}
    compare("frames of DoorKey-5x5", lives | {"a loop over individuals on MiniGrid": one_by_one()}, options.turns)
    print(f"  most memory: {(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024:,.0f} MB more")
    for batch in (36, 1000):
        try:
            peers = {"rewardlab": our_archive(batch), "pyribs": pyribs_archive(batch)}
        except ImportError:
            print("pyribs is not installed: pip install ribs")
            return
        title = f"individuals of {SIZE} numbers added to {CELLS} x {CELLS} cells, {batch} at a time"
        compare(title, peers, options.turns)


if __name__ == "__main__":
    main()
