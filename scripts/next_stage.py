"""Says who goes on after a stage of a study: `python scripts/next_stage.py STUDY RESULTS`, see docs/tuning.md.

A scheme goes on on a task where some seed got anywhere and not every seed has solved it. Printed are the commands, one
for each task, and who is left out, why.
"""

import shlex
import sys
from collections import Counter
from pathlib import Path

from rewardlab.errors import UserError
from rewardlab.records.summary import first_reached
from rewardlab.report.gather import comparison_of
from rewardlab.report.setting import Setting

ANYWHERE = 0.05  # of the way from random play to the optimum, in two evaluations in a row
SOLVED = 0.9


def main(study: str, results: str) -> int:
    try:
        comparison = comparison_of(Path(results))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    for env in comparison.envs:
        told: dict[str, list[str]] = {"goes on": [], "solved by every seed": [], "nowhere yet": []}
        for setting in comparison.of_env(env):
            if setting.outcomes:
                told[verdict(setting)].append(name_of(setting.method.reward))
        schemes = Counter(who for each in told.values() for who in each)
        if twice := [who for who, count in schemes.items() if count > 1]:
            print(f"{env}: {', '.join(twice)} in several settings: say yourself which of them go on", file=sys.stderr)
            return 2
        if not any(told.values()):
            print(f"# {env}: no run has ended or paused yet")
            continue
        going = told.pop("goes on")
        print(
            f"# {env}: {'; '.join(f'{what}: {chr(44).join(who)}' for what, who in told.items() if who) or 'all go on'}"
        )
        if going:
            place = shlex.quote(f"results_dir={results}")
            print(f"rewardlab run -m +study={study} env={name_of(env)} reward={','.join(going)} {place}")
    return 0


def name_of(label: str) -> str:
    """Without the options, which the study has: those of `multiroom_n7_s8-levels=200` are no name."""
    return label.partition("-")[0]


def verdict(setting: Setting) -> str:
    """What becomes of a scheme on a task.

    Raises:
        SystemExit: the task's optimum is not known.
    """
    curves = [outcome.normalised for outcome in setting.outcomes]
    known = [curve for curve in curves if curve is not None]
    if len(known) < len(curves):
        raise SystemExit(f"{setting.env}: its optimum is not known, so nothing tells what is solved")
    if all(first_reached(curve, SOLVED) is not None for curve in known):
        return "solved by every seed"
    return "goes on" if any(first_reached(curve, ANYWHERE) is not None for curve in known) else "nowhere yet"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
