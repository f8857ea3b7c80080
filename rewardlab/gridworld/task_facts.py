"""What each task's returns mean: the optimum that the solver finds, the return of uniformly random actions, and how
many levels there are.

`task_facts.csv` beside this file keeps them for all ids; it is made by

    python -m rewardlab.gridworld.task_facts --out rewardlab/gridworld/task_facts.csv
"""

import argparse
import csv
import sys
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np

from rewardlab.gridworld.catalogue import TASKS, find_task, registered_id
from rewardlab.gridworld.distinct_levels import LevelCounts, count_levels

TABLE = Path(__file__).with_name("task_facts.csv")
_COSTLY = ("dynamicobstacles",)  # families that may end an episode with -1; the others never pay less than nothing
_HOPELESS = 3  # levels without an answer, after which an id counts as unavailable
# Level seeds of the table, far from those of training and evaluation.
_FIRST_LEVEL = 7_000_000


@dataclass(frozen=True)
class TaskFacts:
    """The scale of one task.

    Attributes:
        env_id: of the task.
        optimum_kind: "exact"; "bound" where some ways may not be the shortest (Memory: where they know too much);
            "unavailable" where some levels have no answer.
        optimal_steps: mean over solvable levels; None where unavailable.
        optimal_return: mean over levels, 0 for those without a solution; None where unavailable.
        levels: that the solver looked at.
        unsolvable: how many of them have no solution.
        random_return: mean of uniformly random actions.
        random_success: share of their episodes that ended in success.
        random_episodes: how many.
        success: what success is, in words; empty where the task has none.
        counts: of its levels; columns of their own in the table.
    """

    env_id: str
    optimum_kind: str
    optimal_steps: float | None
    optimal_return: float | None
    levels: int
    unsolvable: int
    random_return: float
    random_success: float
    random_episodes: int
    success: str
    counts: LevelCounts


def lowest_return(env_id: str) -> float:
    """What no episode of a task falls below."""
    return -1.0 if find_task(env_id).family in _COSTLY else 0.0


def random_floor(env_id: str, episodes: int = 2000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns, float64 [episodes], and successes, bool [episodes], of uniformly random actions.

    Every environment plays the same number of whole episodes: taking the first to finish would favour short ones.
    """
    from rewardlab.gridworld.vector import make_vec

    num_envs = min(episodes, 250)
    each = -(-episodes // num_envs)
    envs = make_vec(env_id, num_envs)
    envs.reset(seed=seed)
    rng = np.random.default_rng([seed, 1])
    played = np.zeros(num_envs, dtype=np.int64)
    totals, returns, successes = np.zeros(num_envs), [], []
    while (played < each).any():
        actions = rng.integers(0, envs.num_actions, num_envs)
        _, rewards, terminated, truncated, _ = envs.step(actions)
        totals += rewards
        over = terminated | truncated
        counted = over & (played < each)
        returns.append(totals[counted])
        successes.append(terminated[counted] & (rewards[counted] > 0))
        totals[over] = 0.0
        played += over
    return np.concatenate(returns), np.concatenate(successes)


def optimum(env_id: str, levels: int, budget: int) -> tuple[str, float | None, float | None, int, int]:
    """Kind, mean steps, mean return, levels looked at, unsolvable ones, over the first levels of the table's seeds."""
    from rewardlab.gridworld.solver import solve
    from rewardlab.gridworld.vector import make_vec

    envs = make_vec(env_id, levels)
    envs.reset(seed=_FIRST_LEVEL)
    states = envs.get_state()
    solutions, unknown = [], 0
    for i in range(levels):
        solution = solve(env_id, states, i, budget)
        solutions.append(solution)
        unknown += solution.kind == "unavailable"
        if unknown == _HOPELESS:
            break
    unsolvable = sum(solution.solvable is False for solution in solutions)
    if unknown:
        return "unavailable", None, None, len(solutions), unsolvable
    kind = "exact" if all(solution.kind == "exact" for solution in solutions) else "bound"
    steps = [solution.steps for solution in solutions if solution.steps is not None]
    returns = [solution.episode_return for solution in solutions if solution.episode_return is not None]
    return kind, float(np.mean(steps)) if steps else None, float(np.mean(returns)), levels, unsolvable


def measure(
    env_id: str, levels: int = 40, episodes: int = 2000, budget: int = 1_000_000, in_own_time: TaskFacts | None = None
) -> TaskFacts:
    """Measures one task anew; `in_own_time` has what another time limit leaves as it is: levels, and whether the solver
    can do them.
    """
    from rewardlab.gridworld.batch import family_of

    if in_own_time is not None and in_own_time.optimum_kind == "unavailable":
        kind, steps, paid, looked_at, unsolvable = "unavailable", None, None, 0, 0
    else:
        kind, steps, paid, looked_at, unsolvable = optimum(env_id, levels, budget)
    counts = count_levels(env_id) if in_own_time is None else in_own_time.counts
    returns, successes = random_floor(env_id, episodes)
    success = family_of(find_task(env_id)).SUCCESS or ""
    floor = float(returns.mean()), float(successes.mean()), len(returns)
    return TaskFacts(env_id, kind, steps, paid, looked_at, unsolvable, *floor, success, counts)


@lru_cache
def _table() -> dict[str, TaskFacts]:
    def number(text: str) -> float | None:
        return float(text) if text else None

    def whole(text: str) -> int | None:
        return int(text) if text else None

    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["env_id"]: TaskFacts(
            env_id=row["env_id"],
            optimum_kind=row["optimum_kind"],
            optimal_steps=number(row["optimal_steps"]),
            optimal_return=number(row["optimal_return"]),
            levels=int(row["levels"]),
            unsolvable=int(row["unsolvable"]),
            random_return=float(row["random_return"]),
            random_success=float(row["random_success"]),
            random_episodes=int(row["random_episodes"]),
            success=row["success"],
            counts=LevelCounts(
                distinct_levels=whole(row["distinct_levels"]),
                seen_in_training=number(row["seen_in_training"]),
                first_repeat=whole(row["first_repeat"]),
                distinct_candidates=whole(row["distinct_candidates"]),
            ),
        )
        for row in rows
    }


@lru_cache
def task_facts(env_id: str) -> TaskFacts:
    """The kept facts of a task; measured anew where the table lacks it, as it does tasks in other time."""
    find_task(env_id)
    kept = _table() if TABLE.exists() else {}
    if env_id in kept:
        return kept[env_id]
    own = registered_id(env_id)
    return measure(env_id, in_own_time=None if own == env_id else task_facts(own))


def main(arguments: list[str] | None = None) -> None:
    """The command line: measures tasks and writes the table."""
    parser = argparse.ArgumentParser(description="optimum and random floor of the engine's tasks")
    parser.add_argument("--ids", nargs="*", default=None, help="environment ids, or parts of them (default: all)")
    parser.add_argument("--levels", type=int, default=40)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--budget", type=int, default=1_000_000, help="states that one search may look at")
    parser.add_argument("--out", type=Path, default=None, help="table to write; standard output without")
    options = parser.parse_args(arguments)
    chosen = [one for one in sorted(TASKS) if options.ids is None or any(part in one for part in options.ids)]
    file = options.out.open("w", newline="") if options.out else sys.stdout
    columns = [field.name for field in (*fields(TaskFacts), *fields(LevelCounts)) if field.name != "counts"]
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    for env_id in chosen:
        row = asdict(measure(env_id, options.levels, options.episodes, options.budget))
        row |= row.pop("counts")
        writer.writerow({name: "" if value is None else value for name, value in row.items()})
        file.flush()
    if options.out:
        file.close()


if __name__ == "__main__":
    main()
