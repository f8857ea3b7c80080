"""rewardlab: an experiment runner for sparse-reward reinforcement learning.

`rewardlab.load(folder)` hands results on as DataFrames; `rewardlab.load_archive(run)` the individuals of a population.
"""

# Imported before anything can be done about Ctrl-C, so it imports nothing itself.
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

__version__ = "0.1.0"

# Raised whenever a change makes the numbers of any run differ; part of every setting id.
CORE_VERSION = 1


def load(
    *paths: str | Path,
    filters: str | Sequence[str] = (),
    baseline: str | None = None,
    paired: bool = False,
    scale: str | Sequence[str] = (),
    thresholds: str | None = None,
) -> Any:
    """Results folders as pandas DataFrames: a `rewardlab.report.load.Results`; see there, and docs/loading.md."""
    from importlib import import_module

    # By name: pandas takes long to import, and all that imports this package should not depend on the report.
    return import_module("rewardlab.report.load").load(
        *paths, filters=filters, baseline=baseline, paired=paired, scale=scale, thresholds=thresholds
    )


def load_archive(run: str | Path) -> Any:
    """What a population's run found, arrays by name: see `rewardlab.trained.archive_of`, docs/populations.md."""
    from importlib import import_module

    return import_module("rewardlab.trained").archive_of(run)


def load_individual(run: str | Path, number: int | None = None) -> Any:
    """The agent as one of a run's individuals: see `rewardlab.trained.individual`, docs/populations.md."""
    from importlib import import_module

    return import_module("rewardlab.trained").individual(run, number)
