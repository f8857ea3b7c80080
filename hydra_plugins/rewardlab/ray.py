"""`hydra/launcher=ray`: the jobs of a sweep as tasks of a Ray cluster (pip install 'rewardlab[ray]')."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class RayConfig:
    """Which cluster, and what each job takes of it. Nodes share a file system and the path of this Python.

    address: of the cluster; auto = the one that this machine belongs to (RAY_ADDRESS); null = a new one, here only.
    cpus: of one job, as Ray counts them.
    memory_gib: what one job reserves; null = nothing.
    retries: how often a failed job is handed over again; lost nodes do not count, their jobs always go on elsewhere.
    """

    _target_: str = "hydra_plugins.rewardlab.ray.RayLauncher"
    address: str | None = "auto"
    cpus: float = 1.0
    memory_gib: float | None = None
    retries: int = 1


ConfigStore.instance().store(group="hydra/launcher", name="ray", node=RayConfig, provider="rewardlab")


class RayLauncher(Launcher):
    def __init__(self, **options: Any) -> None:
        self._options = RayConfig(**options)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from importlib.util import find_spec

        from rewardlab.errors import UserError

        if find_spec("ray") is None:
            raise UserError("hydra/launcher=ray: the package ray is not installed (pip install 'rewardlab[ray]')")
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from hydra_plugins.rewardlab.pool import completed
        from rewardlab.sweep.cluster import launch_on

        cluster = _Ray(self._options)
        try:
            outcomes = launch_on(cluster, self.config, job_overrides, initial_job_idx, self._options.retries)
        finally:
            cluster.close()
        return [completed(overrides, outcome) for overrides, outcome in zip(job_overrides, outcomes, strict=True)]


class _Ray:
    def __init__(self, options: RayConfig) -> None:
        import ray

        from rewardlab.errors import UserError

        self._ray = ray
        if not ray.is_initialized():
            try:
                ray.init(address=options.address or "local", log_to_driver=False, configure_logging=False)
            except ConnectionError as error:
                raise UserError(f"hydra.launcher.address={options.address}: no Ray cluster there ({error})") from None
        memory = {} if options.memory_gib is None else {"memory": int(options.memory_gib * 2**30)}
        # A lost node is no fault of the job's: Ray starts it elsewhere, and it goes on from its checkpoint.
        self._task = ray.remote(num_cpus=options.cpus, max_retries=-1, **memory)(_do)

    def submit(self, jobs: Sequence[Any]) -> Sequence[Any]:
        return [self._task.remote(job) for job in jobs]

    def ended(self, handle: Any) -> Any:
        ready, _ = self._ray.wait([handle], timeout=0)
        if not ready:
            return None
        try:
            return self._ray.get(handle)
        except Exception as error:  # Ray's own family and whatever a worker raised
            return f"{type(error).__name__}: {error}".splitlines()[0]

    def cancel(self, handle: Any) -> None:
        self._ray.cancel(handle)

    def close(self) -> None:
        self._ray.shutdown()


def _do(job: Any) -> Any:
    return job()
