"""A sweep's driver over fake jobs: `fake_driver.py ROOT GRACE BEHAVIOUR...`; prints the table."""

import sys
from pathlib import Path

from rewardlab.sweep.display import make_display
from rewardlab.sweep.job import Job
from rewardlab.sweep.pool import Pool
from rewardlab.sweep.result import SweepResult
from rewardlab.sweep.table import outcome_table

FAKE_JOB = Path(__file__).with_name("fake_job.py")


def fake_jobs(root: Path, behaviours: list[str]) -> list[Job]:
    return [
        Job(
            number=number,
            label=f"world scheme seed{number}",
            folder=root / "runs" / f"seed{number}",
            frames=100,
            command=(sys.executable, str(FAKE_JOB), str(root / "runs" / f"seed{number}"), behaviour),
            shown=f"fake {behaviour}",
        )
        for number, behaviour in enumerate(behaviours)
    ]


def main() -> None:
    root, grace, behaviours = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    slots = max(1, len(behaviours) - 1)  # the last one waits for a place
    pool = Pool(slots, root / "logs", make_display(len(behaviours), slots), grace=grace)
    result = SweepResult(tuple(pool.run(fake_jobs(root, behaviours))), pool.signal_number)
    print(outcome_table(result, 1.0))
    sys.exit(result.exit_code)


if __name__ == "__main__":
    main()
