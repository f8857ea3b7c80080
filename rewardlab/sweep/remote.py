"""One job of a sweep on whatever machine a batch system puts it; the file system is shared with the driver."""

import os
import signal
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rewardlab.records.continuation import Decision, decide, told
from rewardlab.sweep.command import job_command
from rewardlab.sweep.job import Job, Outcome
from rewardlab.sweep.process import JobProcess

_LOCKED_SECONDS = 60.0  # what the process of a node that was lost gets to end, before the run is left to it
_POLL_SECONDS = 0.2
_CARRIED = ("PYTHONPATH", "REWARDLAB_PATH", "HYDRA_FULL_ERROR")


@dataclass
class Remote:
    """A job and where it belongs; calling it does the job and tells what became of it.

    A batch system may interrupt the call with KeyboardInterrupt, or call `checkpoint` from a signal handler
    (submitit's way): the job writes its checkpoint and ends.
    """

    job: Job
    log_folder: Path
    folder: str = field(default_factory=os.getcwd)
    environment: dict[str, str] = field(
        default_factory=lambda: {name: os.environ[name] for name in _CARRIED if name in os.environ}
    )
    _process: JobProcess | None = None

    def __call__(self) -> Outcome:
        os.chdir(self.folder)
        os.environ.update(self.environment)
        job = replace(self.job, command=tuple(job_command(self.job.arguments)))
        give_up = time.monotonic() + _LOCKED_SECONDS
        while (decision := _decision(job)).action == "locked" and time.monotonic() < give_up:
            time.sleep(_POLL_SECONDS)
        if decision.settled is not None:
            return Outcome(
                job.number, job.label, decision.settled, job.folder, detail=told(decision, job.folder, job.code)
            )
        self._process = JobProcess(job, self.log_folder, continued=decision.action == "continue")
        try:
            while not self._process.ended():
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            self._stop()
        return self._process.outcome(killed_by_us=False)

    def checkpoint(self) -> Any:
        """What to submit again when the time is up or the node is wanted by somebody else."""
        from submitit.helpers import DelayedSubmission

        self._stop()
        return DelayedSubmission(replace(self, _process=None))

    def _stop(self) -> None:
        if self._process is not None:
            self._process.ask_to_stop(signal.SIGTERM)
            while not self._process.ended():
                time.sleep(_POLL_SECONDS)


def _decision(job: Job) -> Decision:
    return decide(job.folder, job.overwrite, pause_at=job.pause_at)
