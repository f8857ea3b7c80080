"""rewardlab: an experiment runner for sparse-reward reinforcement learning.

`rewardlab.load(folder)` hands results on as DataFrames.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rewardlab.report.load import Results

__version__ = "0.1.0"

# Raised whenever a change makes the numbers of any run differ; part of every setting id.
CORE_VERSION = 1


def load(
    *paths: str | Path, filters: Sequence[str] = (), baseline: str | None = None, paired: bool = False
) -> "Results":
    """Results folders as pandas DataFrames; see docs/loading.md and `rewardlab.report.load.load`."""
    from rewardlab.report.load import load as loaded  # pandas takes as long to import as the rest together

    return loaded(*paths, filters=filters, baseline=baseline, paired=paired)
