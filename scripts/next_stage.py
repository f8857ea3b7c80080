"""Says who goes on after a stage of a study: `python scripts/next_stage.py STUDY RESULTS`, see docs/tuning.md.

A scheme goes on on a task where some seed got anywhere and not every seed has solved it. Printed are the commands, one
for each task, and who is left out, why.
"""

import sys
from pathlib import Path

from rewardlab.errors import UserError
from rewardlab.records.summary import first_reached
from rewardlab.report.gather import compare, find
from rewardlab.report.setting import Setting

ANYWHERE = 0.05  # of the way from random play to the optimum, in two evaluations in a row
SOLVED = 0.9


def main(study: str, results: str) -> int:
    roots = [("", Path(results))]
    try:
        comparison, _ = compare(find(roots), roots, ())
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    for env in comparison.envs:
        told: dict[str, list[str]] = {"goes on": [], "solved by every seed": [], "nowhere yet": []}
        for setting in comparison.of_env(env):
            if setting.outcomes:
                told[verdict(setting)].append(setting.method.reward)
        if not any(told.values()):
            print(f"# {env}: no run has ended or paused yet")
            continue
        going = told.pop("goes on")
        print(
            f"# {env}: {'; '.join(f'{what}: {chr(44).join(who)}' for what, who in told.items() if who) or 'all go on'}"
        )
        if going:
            print(f"rewardlab run -m +study={study} env={env} reward={','.join(going)}")
    return 0


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
