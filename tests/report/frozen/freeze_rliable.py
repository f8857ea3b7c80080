"""Computes rliable.json with rliable itself, in an environment of its own: see the README beside it."""

import json
import sys
from pathlib import Path

import arch
import numpy as np
import scipy
from rliable import library, metrics

CASES = (("five_seeds", 5, 4), ("ten_seeds", 10, 6), ("one_task", 12, 1))  # name, runs, tasks
# Sizes of the intervals: an end of a 95 % interval from 2,000 resamples is the quantile 0.025 give or take 0.0035, so
# within four of those it lies between the ends of the other two.
SIZES = {"95": 0.95, "inner": 1 - 2 * 0.039, "outer": 1 - 2 * 0.011}
THRESHOLDS = np.linspace(0, 1, 21)
AGGREGATES = {
    "iqm": metrics.aggregate_iqm,
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "optimality_gap": metrics.aggregate_optimality_gap,
}


def draw(rng, runs, tasks, shift):
    """Scores [runs, tasks] of learners that either solve a task or don't."""
    solved = rng.random((runs, tasks)) < np.linspace(0.25, 0.95, tasks) + shift
    high, low = rng.normal(0.93, 0.04, (runs, tasks)), np.abs(rng.normal(0.05, 0.05, (runs, tasks)))
    return np.round(np.where(solved, high, low), 6)


def freeze(x, y):
    """What rliable says of scores x, and of x against y."""
    intervals, improvement_intervals = {}, {}
    for name, size in SIZES.items():
        points, ends = library.get_interval_estimates(
            {"x": x},
            lambda scores: np.array([f(scores) for f in AGGREGATES.values()]),
            reps=50_000,
            confidence_interval_size=size,
            random_state=np.random.RandomState(1),
        )
        intervals[name] = {key: ends["x"][:, place].tolist() for place, key in enumerate(AGGREGATES)}
        improvement, ends = library.get_interval_estimates(
            {"xy": (x, y)},
            metrics.probability_of_improvement,
            reps=5_000,
            confidence_interval_size=size,
            random_state=np.random.RandomState(1),
        )
        improvement_intervals[name] = np.ravel(ends["xy"]).tolist()
    profile, profile_interval = library.create_performance_profile({"x": x}, THRESHOLDS, reps=20_000)
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "point": {name: float(value) for name, value in zip(AGGREGATES, points["x"], strict=True)},
        "intervals": intervals,
        "probability_of_improvement": float(np.ravel(improvement["xy"])[0]),
        "probability_of_improvement_intervals": improvement_intervals,
        "profile": profile["x"].tolist(),
        "profile_interval": profile_interval["x"].tolist(),
    }


def main():
    rng = np.random.default_rng(20211031)
    frozen = {
        name: freeze(draw(rng, runs, tasks, 0.05), draw(rng, max(3, runs - 2), tasks, -0.15))
        for name, runs, tasks in CASES
    }
    versions = {"rliable": "1.2.0", "numpy": np.__version__, "arch": arch.__version__, "scipy": scipy.__version__}
    content = {"made_with": versions, "thresholds": THRESHOLDS.tolist(), "cases": frozen}
    Path(sys.argv[1]).write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
