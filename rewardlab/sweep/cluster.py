"""A sweep on a batch system: every job is handed over at once, and what becomes of each is watched."""

import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from omegaconf import DictConfig

from rewardlab.records.continuation import decide, told
from rewardlab.records.status import read_status
from rewardlab.stopping import SIGNALS
from rewardlab.sweep.display import Display, Running
from rewardlab.sweep.job import Job, Outcome
from rewardlab.sweep.launch import do_batch
from rewardlab.sweep.pool import BAD_INPUT
from rewardlab.sweep.remote import Remote

_POLL_SECONDS = 0.5
_POLL_SECONDS_PER_JOB = 0.005  # ten thousand jobs are looked at about once a minute: their files are on a shared disk


class Cluster(Protocol):
    """A batch system. Handles are its own."""

    def submit(self, jobs: Sequence[Remote]) -> Sequence[Any]: ...

    def ended(self, handle: Any) -> Outcome | str | None:
        """What became of a job; a line where the system itself failed it; None while it waits or runs."""

    def cancel(self, handle: Any) -> None:
        """Ask a job to write its checkpoint and end."""


def launch_on(
    cluster: Cluster, config: DictConfig, job_overrides: Sequence[Sequence[str]], first: int, retries: int
) -> list[Outcome]:
    """Do the jobs of a batch on a cluster and print what became of them. Needs Hydra at work.

    Args:
        config: the sweep's, with the `hydra` node.
        job_overrides: the overrides of each job.
        first: the number of the batch's first job.
        retries: how often a failed job is handed over again.
    """

    def work(jobs: Sequence[Job], display: Display) -> tuple[dict[int, Outcome], int | None]:
        watch = _Watch(cluster, Path(config.hydra.sweep.dir).absolute(), display, retries)
        return watch.run(jobs), watch.signal_number

    return do_batch(config, job_overrides, first, slots=len(job_overrides), work=work)


class _Watch:
    def __init__(self, cluster: Cluster, log_folder: Path, display: Display, retries: int) -> None:
        self._cluster, self._log_folder, self._display, self._retries = cluster, log_folder, display, retries
        self.signal_number: int | None = None
        self._tries: Counter[int] = Counter()

    def run(self, jobs: Sequence[Job]) -> dict[int, Outcome]:
        done: dict[int, Outcome] = {}

        def handle(number: int, frame: FrameType | None) -> None:
            self.signal_number = self.signal_number or number

        before = {number: signal.signal(number, handle) for number in SIGNALS}
        try:
            waiting = []
            for job in jobs:
                outcome = _settled(job)
                if outcome is None:
                    waiting.append(job)
                else:
                    done[job.number] = outcome
                    self._display.ended(outcome)
            self._follow(waiting, done)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return done

    def _follow(self, jobs: Sequence[Job], done: dict[int, Outcome]) -> None:
        at_work = self._submit(jobs)
        cancelled = False
        while at_work:
            if self.signal_number is not None and not cancelled:
                cancelled = True
                self._display.note(f"stopping {len(at_work)} jobs")
                for handle, _, _ in at_work.values():
                    self._cluster.cancel(handle)
            for number, (handle, job, _) in list(at_work.items()):
                found = self._cluster.ended(handle)
                if found is None:
                    continue
                del at_work[number]
                outcome = found if isinstance(found, Outcome) else self._failed(job, found)
                if self._again(outcome):
                    self._display.note(f"again {number}: {job.label} ({outcome.detail})")
                    at_work |= self._submit([job])
                else:
                    done[number] = outcome
                    self._display.ended(outcome)
            moment = time.monotonic()
            seen = [Running(job, moment - began, None) for _, job, began in at_work.values() if _is_running(job)]
            self._display.refresh(seen, len(at_work) - len(seen))
            if at_work:
                time.sleep(max(_POLL_SECONDS, len(at_work) * _POLL_SECONDS_PER_JOB))

    def _submit(self, jobs: Sequence[Job]) -> dict[int, tuple[Any, Job, float]]:
        handles = self._cluster.submit([Remote(job, self._log_folder) for job in jobs]) if jobs else []
        for job in jobs:
            self._display.started(job, "handed over")
        moment = time.monotonic()
        return {job.number: (handle, job, moment) for job, handle in zip(jobs, handles, strict=True)}

    def _failed(self, job: Job, reason: str) -> Outcome:
        state = "interrupted" if self.signal_number is not None else "failed"
        return Outcome(job.number, job.label, state, job.folder, detail=reason, exit_code=1)

    def _again(self, outcome: Outcome) -> bool:
        if outcome.state != "failed" or outcome.exit_code == BAD_INPUT or self.signal_number is not None:
            return False
        self._tries[outcome.number] += 1
        return self._tries[outcome.number] <= self._retries


def _settled(job: Job) -> Outcome | None:
    """What is known already without asking the cluster; a run that somebody holds is waited for there."""
    decision = decide(job.folder, job.overwrite, pause_at=job.pause_at)
    if decision.settled is None or decision.action == "locked":
        return None
    return Outcome(job.number, job.label, decision.settled, job.folder, detail=told(decision, job.folder, job.code))


def _is_running(job: Job) -> bool:
    status = read_status(job.folder)[0]
    return status is not None and status.state == "running"
