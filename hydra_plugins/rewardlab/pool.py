"""`hydra/launcher=pool`: the jobs of a sweep as subprocesses, as many at once as there are cores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from rewardlab.sweep.options import PoolOptions


@dataclass
class PoolConfig(PoolOptions):
    _target_: str = "hydra_plugins.rewardlab.pool.PoolLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="pool", node=PoolConfig, provider="rewardlab")


class PoolLauncher(Launcher):
    """Hands the sweeper's jobs to rewardlab.sweep.

    Every job returns normally, with what became of it as its value: Hydra's sweeper raises at the first failed one.
    """

    def __init__(self, **options: Any) -> None:
        self.options = PoolOptions(**options)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.options.check()  # refused here, before the sweeper writes anything
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from rewardlab.sweep.launch import launch  # only a sweep pays for the import

        outcomes = launch(self.config, job_overrides, initial_job_idx, self.options)
        return [completed(overrides, outcome) for overrides, outcome in zip(job_overrides, outcomes, strict=True)]


def completed(overrides: Sequence[str], outcome: Any) -> JobReturn:
    """A job that came back, with what became of it."""
    found = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
    found.return_value = outcome
    return found
