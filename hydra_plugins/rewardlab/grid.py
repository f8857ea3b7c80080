"""`hydra/sweeper=grid`: Hydra's basic sweeper over the jobs that the driver has validated.

It differs in three ways: invalid combinations may have been dropped, jobs are not composed a second time, and a
failed job does not end the sweep: launchers report what became of each.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins import basic_sweeper
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf, read_write

from rewardlab import starting


@dataclass
class GridConfig:
    """What to sweep over unless the command line says otherwise.

    `params`: as in Hydra's basic sweeper. `grids`: several sweeps in one, each `params` with some keys more or other
    values, as where every environment has a budget of its own.
    """

    _target_: str = "hydra_plugins.rewardlab.grid.GridSweeper"
    max_batch_size: int | None = None
    params: dict[str, str] | None = None
    grids: list[dict[str, Any]] | None = None


class GridSweeper(basic_sweeper.BasicSweeper):
    def __init__(
        self,
        max_batch_size: int | None,
        params: dict[str, str] | None = None,
        grids: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(max_batch_size, params)
        self.grids = grids

    def sweep(self, arguments: list[str]) -> Any:
        from rewardlab.config import expansion

        assert self.config is not None and self.launcher is not None
        plan = expansion.planned()
        if plan is None:
            jobs = expansion.expand_grids(self.params, self.grids, arguments)
        else:
            jobs = plan.jobs
            with read_write(self.config):  # Hydra was given the first job
                self.config.hydra.overrides.task = plan.asked
        folder = Path(self.config.hydra.sweep.dir)
        starting.undo_folder(str(folder))
        starting.undo(lambda: _remove_lone(folder / "multirun.yaml"))
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        results, start = [], 0
        for batch in self.split_overrides_to_chunks(jobs, self.max_batch_size):
            results.append(self.launcher.launch(batch, initial_job_idx=start))
            start += len(batch)
        return results


def _remove_lone(file: Path) -> None:
    """As long as no job has been started."""
    if [found.name for found in file.parent.iterdir()] == [file.name]:
        file.unlink()


ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=GridConfig, provider="rewardlab")
