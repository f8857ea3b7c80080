"""Success after so many frames, one row a scheme and one column a task: `python scripts/success_at.py RESULTS FRAMES`.

A cell holds the values of one or two seeds, else their mean, the lowest and the highest, with their number where it
is not five. Counted are the runs evaluated there, whether they have gone on since or not.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from rewardlab.errors import UserError
from rewardlab.report.gather import comparison_of
from rewardlab.report.outcomes import Outcome

NEAR = 0.01  # an evaluation comes at the end of an iteration, which may be this share of the frames earlier or later


def success(outcome: Outcome, frames: int) -> float | None:
    """Of the evaluation at that frame; None where there is none."""
    nearest = int(np.argmin(np.abs(outcome.evaluated - frames)))
    away = abs(float(outcome.evaluated[nearest]) - frames)
    return float(outcome.success[nearest]) if away <= NEAR * frames else None


def cell(values: list[float]) -> str:
    if len(values) < 3:
        return ", ".join(f"{value:.2f}" for value in values)
    seeds = "" if len(values) == 5 else f", {len(values)} seeds"
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f}{seeds})"


def main(results: str, at: str) -> int:
    try:
        comparison = comparison_of(Path(results))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    frames = int(at)
    found: dict[str, dict[str, list[float]]] = defaultdict(dict)  # scheme -> task -> by seed
    for env in comparison.envs:
        for setting in comparison.of_env(env):
            values = [value for outcome in setting.outcomes if (value := success(outcome, frames)) is not None]
            if values:
                found[comparison.setting_name(setting)][env] = values
    if not found:
        print(f"{results}: no run was evaluated at {frames} frames", file=sys.stderr)
        return 2
    envs = [env for env in comparison.envs if any(env in tasks for tasks in found.values())]
    print(f"| scheme | {' | '.join(envs)} |\n|{'---|' * (len(envs) + 1)}")
    for scheme, tasks in sorted(found.items(), key=lambda item: -sum(np.mean(each) for each in item[1].values())):
        print(f"| `{scheme}` | {' | '.join(cell(tasks.get(env, [])) for env in envs)} |")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3 or not sys.argv[2].replace("_", "").isdecimal():
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
