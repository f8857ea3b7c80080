"""How often the report's 95 % intervals hold the true value: `python scripts/interval_coverage.py`.

Draws scores of known distributions, asks for the interval of their interquartile mean, and counts how often the true
one is inside. The table in results/README.md is what this prints.
"""

import numpy as np

from rewardlab.report.statistics import generator, interval, pooled_interquartile_mean, resample

# Learners of even quality, of skewed quality, and those of sparse rewards: most solve the task, some never do.
DISTRIBUTIONS = {
    "normal": lambda rng, size: rng.normal(0.5, 0.1, size),
    "skewed": lambda rng, size: rng.beta(2, 5, size),
    "solved or not": lambda rng, size: np.where(
        rng.random(size) < 0.7, rng.normal(0.9, 0.05, size), rng.normal(0.1, 0.05, size)
    ),
}


def covered(kind: str, seeds: int, tasks: int, repetitions: int) -> float:
    """Share of simulated studies whose interval of the IQM holds the true IQM.

    Args:
        kind: key of DISTRIBUTIONS; every task has it.
        seeds: runs of each task.
        tasks: number of tasks.
        repetitions: number of simulated studies.
    """
    draw = DISTRIBUTIONS[kind]
    truth = float(pooled_interquartile_mean([draw(generator(kind, "truth"), 1_000_000)]))
    rng = generator(kind, "studies", str(seeds), str(tasks))
    hits = 0
    for _ in range(repetitions):
        scores = [draw(rng, seeds) for _ in range(tasks)]
        low, high = interval(pooled_interquartile_mean(resample(scores, rng, 1000)))
        hits += bool(low <= truth <= high)
    return hits / repetitions


def main() -> None:
    print("| scores | tasks | 3 seeds | 5 seeds | 10 seeds | 20 seeds |\n|---|---:|---:|---:|---:|---:|")
    for kind in DISTRIBUTIONS:
        for tasks in (1, 4):
            shares = [covered(kind, seeds, tasks, 4000) for seeds in (3, 5, 10, 20)]
            print(f"| {kind} | {tasks} | {' | '.join(f'{share:.1%}'.replace('%', ' %') for share in shares)} |")


if __name__ == "__main__":
    main()
