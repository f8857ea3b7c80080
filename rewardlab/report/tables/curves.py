"""`curves` and `aggregate_curves`: the points of learning curves."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rewardlab.report.curves import Band
from rewardlab.report.tables.columns import Column, Kind, Table
from rewardlab.report.tables.labels import label_columns, setting_id_column


def _band(prefix: str, band: Callable[[Any], Band | None], what: str) -> list[Column]:
    """The middle and both ends of a band, at every point."""

    def part(name: str) -> Callable[[Any], Any]:
        return lambda curve: None if (found := band(curve)) is None else getattr(found, name)

    return [
        Column(f"{prefix}iqm", Kind.NUMBER, part("middle"), f"interquartile mean over seeds of {what}"),
        Column(f"{prefix}low", Kind.NUMBER, part("low"), f"lower end of the 95 % interval of `{prefix}iqm`"),
        Column(f"{prefix}high", Kind.NUMBER, part("high"), "the upper end"),
    ]


CURVES = Table(
    "curves",
    "learning curves per setting: a row per point of a grid of frames",
    (
        Column("env", Kind.TEXT, lambda curve: curve.setting.env, "label of the environment"),
        *label_columns(lambda curve: curve.setting.method, variant=False),
        setting_id_column(lambda curve: curve.setting.setting_id),
        Column("frames", Kind.COUNT, lambda curve: curve.frames.astype(np.int64), "training frames", unit="frames"),
        *_band("", lambda curve: curve.bands.get("return"), "the task's own return"),
        *_band("normalised_", lambda curve: curve.bands.get("normalised"), "the normalised return"),
        *_band("success_", lambda curve: curve.bands.get("success"), "the share of successful episodes"),
        Column("n_seeds", Kind.COUNT, lambda curve: curve.n_seeds.astype(np.int64),
               "runs behind the point; a run with a smaller budget counts up to its own end"),
    ),
    rows=lambda curve: int(curve.frames.size),
)  # fmt: skip

AGGREGATE_CURVES = Table(
    "aggregate_curves",
    "learning curves per scheme over the shared environments",
    (
        *label_columns(lambda curve: curve.method),
        Column("budget_share", Kind.NUMBER, lambda curve: curve.share, "share of each environment's common budget"),
        *(_band("", lambda curve: curve.band, "the normalised return over all shared environments")[place]
          for place in (1, 2, 0)),
    ),
    rows=lambda curve: int(curve.share.size),
)  # fmt: skip
