"""Maps of learned rewards beside the true potential, as figures and the page show them: ranks among cells."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from rewardlab.report.comparison import Comparison
from rewardlab.report.reading.archive_map import Map
from rewardlab.report.reading.plain import Unreadable
from rewardlab.report.reading.reward_map import read_reward_map, shares
from rewardlab.report.statistics import FloatArray

_MOST = 11  # beside the potential


@dataclass(frozen=True)
class Shown:
    """One map: its name, what is drawn, and the values that the ranks are of, [W, H]."""

    name: str
    ranks: Map
    values: FloatArray


def reward_maps(comparison: Comparison, env: str, roots: Mapping[str, Path]) -> tuple[Shown, ...]:
    """The true potential, then what each setting's first seed that tells has learned on the same level."""
    found: list[Shown] = []
    for setting in comparison.of_env(env):
        for outcome in setting.outcomes:
            run = outcome.run
            if run.folder not in roots:
                continue
            with suppress(Unreadable):
                seen = read_reward_map(roots[run.folder] / run.name, roots[run.folder])
                found = found or [_shown("true potential", seen.potential)]
                if len(found) + len(seen.learned) > _MOST + 1 or seen.potential.shape != found[0].values.shape:
                    break
                for each in seen.learned:
                    stream = f" ({each.stream})" if len(seen.learned) > 1 else ""
                    rank = f": {each.cells:.2f}" if isfinite(each.cells) else ""
                    found.append(_shown(f"{comparison.setting_name(setting)}{stream}{rank}", each.rewards))
                break
    return tuple(found)


def _shown(name: str, values: FloatArray) -> Shown:
    low, high = np.full(2, -0.5), np.array(values.shape) - 0.5
    return Shown(name, Map(shares(values), low, high, downwards=True), values)
