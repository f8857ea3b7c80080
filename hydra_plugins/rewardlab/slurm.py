"""`hydra/launcher=slurm`: the jobs of a sweep as arrays of SLURM jobs, by submitit (pip install 'rewardlab[slurm]')."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

_REQUEUED = 1000  # times that a job may go on after its time limit


@dataclass
class SlurmConfig:
    """What each job asks SLURM for.

    minutes: the time limit. Shortly before it, and when it is preempted, a job writes its checkpoint and is requeued.
    warning_seconds: how long before.
    memory_gib: of one job.
    partition, account: as of sbatch; null = the cluster's own.
    array_size: jobs of one array at most; larger sweeps become several (SLURM's own limit is MaxArraySize).
    at_once: jobs of one array at work at once, at most.
    retries: how often a failed job is handed over again.
    parameters: further options of sbatch, as {gres: "gpu:1"}.
    cluster: slurm; local = processes on this machine, to try it out.
    """

    _target_: str = "hydra_plugins.rewardlab.slurm.SlurmLauncher"
    minutes: int = 24 * 60
    warning_seconds: int = 60
    memory_gib: float = 2.0
    partition: str | None = None
    account: str | None = None
    array_size: int = 1000
    at_once: int = 256
    retries: int = 1
    parameters: dict[str, Any] = field(default_factory=dict)
    cluster: str = "slurm"


ConfigStore.instance().store(group="hydra/launcher", name="slurm", node=SlurmConfig, provider="rewardlab")


class SlurmLauncher(Launcher):
    def __init__(self, **options: Any) -> None:
        self._options = SlurmConfig(**options)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from importlib.util import find_spec

        from rewardlab.errors import UserError, unknown

        if find_spec("submitit") is None:
            raise UserError("hydra/launcher=slurm: submitit is not installed (pip install 'rewardlab[slurm]')")
        if self._options.cluster not in ("slurm", "local"):
            raise unknown("hydra.launcher.cluster", self._options.cluster, ("slurm", "local"), "cluster")
        for name in ("minutes", "array_size", "at_once"):
            if getattr(self._options, name) < 1:
                raise UserError(f"hydra.launcher.{name}={getattr(self._options, name)}: must be at least 1")
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from hydra_plugins.rewardlab.pool import completed
        from rewardlab.sweep.cluster import launch_on

        folder = f"{self.config.hydra.sweep.dir}/submitit"
        cluster = _Submitit(self._options, folder)
        outcomes = launch_on(cluster, self.config, job_overrides, initial_job_idx, self._options.retries)
        return [completed(overrides, outcome) for overrides, outcome in zip(job_overrides, outcomes, strict=True)]


class _Submitit:
    def __init__(self, options: SlurmConfig, folder: str) -> None:
        import submitit

        self._options = options
        self._executor = submitit.AutoExecutor(folder=folder, cluster=options.cluster, slurm_max_num_timeout=_REQUEUED)
        self._executor.update_parameters(
            name="rewardlab",
            timeout_min=options.minutes,
            cpus_per_task=1,
            mem_gb=options.memory_gib,
            slurm_array_parallelism=options.at_once,
            slurm_signal_delay_s=options.warning_seconds,
        )
        asked = {"partition": options.partition, "account": options.account}
        given = {f"slurm_{name}": value for name, value in asked.items() if value is not None}
        further = OmegaConf.to_container(options.parameters) if OmegaConf.is_config(options.parameters) else {}
        self._executor.update_parameters(**given, slurm_additional_parameters=further)

    def submit(self, jobs: Sequence[Any]) -> Sequence[Any]:
        handles: list[Any] = []
        size = self._options.array_size
        for start in range(0, len(jobs), size):
            with self._executor.batch():
                handles += [self._executor.submit(job) for job in jobs[start : start + size]]
        return handles

    def ended(self, handle: Any) -> Any:
        if not handle.done():
            return None
        error = handle.exception()
        return handle.result() if error is None else _reason(str(error))

    def cancel(self, handle: Any) -> None:
        handle.cancel(check=False)


def _reason(report: str) -> str:
    """One line out of submitit's text: the last of a traceback (which stands between dashes), else the first of all."""
    _, _, trace = report.partition("failed during processing with trace:\n")
    lines = [line for line in trace.split("\nYou can check")[0].splitlines() if line.strip("- ")]
    return lines[-1] if lines else report.splitlines()[0]
