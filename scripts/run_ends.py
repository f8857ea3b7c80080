"""How runs ended, one row a task, scheme and number of frames: `python scripts/run_ends.py RESULTS [FRAMES]`.

With FRAMES only runs that were evaluated beyond them. Up to three runs are told one by one, of more the lowest and the
highest value. "0.9 from": million frames at the first of two evaluations in a row with that success. "cells": distinct
cells of the grid that the agent stood on in an episode, the mean of the evaluations in the second half; the median of
the runs, the lowest and the highest. Seconds are of the processor.
"""

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rewardlab.errors import UserError
from rewardlab.records.summary import frames_to
from rewardlab.report.gather import comparison_of
from rewardlab.report.outcomes import Outcome

HIGH = 0.9


def told(values: Sequence[float], form: str) -> str:
    if len(values) > 3:
        return f"{min(values):{form}} to {max(values):{form}}"
    return ", ".join(f"{value:{form}}" for value in values)


def cells(outcome: Outcome) -> float:
    """Of the evaluations in the second half; NaN where cells are not counted."""
    late = outcome.evaluated >= outcome.evaluated[-1] / 2
    return float(outcome.run.evaluations.cells_mean[late].mean())


def row(outcomes: Sequence[Outcome]) -> list[str]:
    times = [frames_to(outcome.evaluated, outcome.success, HIGH) for outcome in outcomes]
    reached = [time / 1e6 for time in times if time is not None]
    never = [str(outcome.run.seed) for outcome, time in zip(outcomes, times, strict=True) if time is None]
    late = [told(reached, ".1f")] if reached else []
    late += [f"never: {', '.join(never)}"] if never else []
    seen = [cells(outcome) for outcome in outcomes]
    seconds = [float(outcome.run.evaluations.cpu_seconds[-1]) for outcome in outcomes]
    return [
        ", ".join(str(outcome.run.seed) for outcome in outcomes),
        f"{max(outcome.evaluated[-1] for outcome in outcomes) / 1e6:.1f}",
        told([float(outcome.success[-1]) for outcome in outcomes], ".2f"),
        "; ".join(late),
        "" if np.isnan(seen).any() else f"{np.median(seen):.1f} ({min(seen):.1f} to {max(seen):.1f})",
        told(seconds, ".0f"),
    ]


def main(results: str, beyond: str = "0") -> int:
    try:
        comparison = comparison_of(Path(results))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    rows = []
    for env in comparison.envs:
        for setting in comparison.of_env(env):
            by_length: dict[int, list[Outcome]] = defaultdict(list)
            for outcome in setting.outcomes:
                if outcome.evaluated[-1] > int(beyond):
                    by_length[round(outcome.evaluated[-1] / 1e5)].append(outcome)
            for outcomes in by_length.values():
                rows.append(f"| {env} | `{comparison.setting_name(setting)}` | {' | '.join(row(outcomes))} |")
    if not rows:
        print(f"{results}: no run was evaluated beyond {beyond} frames", file=sys.stderr)
        return 2
    print(f"| task | scheme | seeds | M frames | success at the end | {HIGH} from | cells | seconds |\n|{'---|' * 8}")
    print(*rows, sep="\n")
    return 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or not all(text.replace("_", "").isdecimal() for text in sys.argv[2:]):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
