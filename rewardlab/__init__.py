"""rewardlab: an experiment runner for sparse-reward reinforcement learning.

`rewardlab.load(folder)` hands results on as DataFrames.
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
