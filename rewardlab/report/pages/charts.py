"""What the static figures show, as plain data: lines and bars with their looks, nothing drawn yet."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from rewardlab.report.numbers import amount
from rewardlab.report.pages.styles import Style
from rewardlab.report.statistics import FloatArray, generator, interval, performance_profile, resample
from rewardlab.report.tables.aggregate import PROFILE_GRID, Aggregate, Pooled
from rewardlab.report.tables.columns import Row
from rewardlab.report.tables.curves import Band, Curve, SharedCurve, TrainingCurve

_COVERED = re.compile(r"states|cells|visited|coverage|rooms|positions", re.IGNORECASE)
_MOST_BARS = 60  # in one figure
_MOST_LINES = 12  # in one figure: more can't be told apart in print; the page and the tables have all


@dataclass(frozen=True)
class Line:
    label: str
    style: Style
    x: FloatArray
    band: Band
    step: bool = False


@dataclass(frozen=True)
class Panel:
    """One pair of axes. `floor` and `top` bound the y axis; None leaves that to the data."""

    y_label: str
    lines: tuple[Line, ...]
    log: bool = False
    floor: float | None = None
    top: float | None = None


@dataclass(frozen=True)
class LineChart:
    """Panels above each other with one x axis, which counts frames or is a share."""

    stem: str
    title: str
    x_label: str
    panels: tuple[Panel, ...]
    x_frames: bool = True


@dataclass(frozen=True)
class Bar:
    """A value with its interval; `value` None is not reached within `limit`, `high` None beyond it."""

    label: str
    style: Style
    value: float | None
    low: float | None
    high: float | None
    limit: float
    note: str


@dataclass(frozen=True)
class BarChart:
    """Groups of horizontal bars, each with a title."""

    stem: str
    x_label: str
    groups: tuple[tuple[str, tuple[Bar, ...]], ...]


Chart = LineChart | BarChart


def charts(
    curves: dict[str, list[Curve]],
    training: dict[str, list[TrainingCurve]],
    shared: Sequence[SharedCurve],
    efficiency: Sequence[Row],
    aggregated: Aggregate,
    profiles: dict[str, Band],
    styles: dict[str, Style],
) -> list[Chart]:
    """Every figure that the runs allow."""
    found: list[Chart] = []
    stems = file_stems(list(curves))
    for env, every_line in curves.items():
        if not every_line:
            continue
        best = [row["setting_id"] for row in efficiency if row["env"] == env][:_MOST_LINES]
        lines = [curve for curve in every_line if curve.setting.setting_id in best]
        recorded = [curve for curve in training.get(env, []) if curve.setting.setting_id in best]
        title = env + _left_out(len(lines), len(every_line))
        found.append(_learning_curves(title, lines, styles, stems[env]))
        bonuses = [curve for curve in recorded if curve.kind == "bonus"]
        if bonuses:
            found.append(_bonus(title, lines, bonuses, styles, stems[env]))
        covered = [curve for curve in recorded if curve.kind == "explore" and _COVERED.search(curve.series)]
        if covered:
            found.append(_coverage(title, covered, styles, stems[env]))
    over = f"{len(aggregated.envs)} environment{'' if len(aggregated.envs) == 1 else 's'}"
    over += _left_out(_MOST_LINES, len(aggregated.rows))
    if len(aggregated.envs) > 1:
        found.append(_shared(shared[:_MOST_LINES], over, styles))
    if aggregated.rows:
        best = [row["method"] for row in aggregated.rows[:_MOST_LINES]]
        steps = tuple(Line(name, styles[name], PROFILE_GRID, profiles[name], step=True) for name in best)
        panel = Panel("share of runs above τ", steps, floor=-0.02, top=1.04)
        title = f"Performance profile, {over}"
        found.append(LineChart("performance_profile", title, "final normalised score τ", (panel,), x_frames=False))
    if rows := [row for row in efficiency if row["n_reached_90"] is not None]:
        found += _efficiency(rows, styles)
    return found


def profile_band(row: Pooled) -> Band:
    """Performance profile of one scheme over `PROFILE_GRID`, with its stratified-bootstrap band."""
    middle = performance_profile(row.scores, PROFILE_GRID)
    if max(score.size for score in row.scores) < 2:
        empty = np.full_like(middle, np.nan)
        return Band(middle, empty, empty)
    resamples = resample(row.scores, generator(row.name, "profile"), 500)
    return Band(middle, *interval(performance_profile(resamples, PROFILE_GRID)))


def file_stems(names: Sequence[str]) -> dict[str, str]:
    """File names from labels that may hold anything: safe letters only, and still all different."""
    stems: dict[str, str] = {}
    for name in names:
        safe = re.sub(r"[^A-Za-z0-9_.=-]+", "_", name).strip("._")[:80]
        if safe != name or safe.lower() in {stem.lower() for stem in stems.values()}:
            safe = f"{safe}_{crc32(name.encode()):08x}".strip("_")
        stems[name] = safe
    return stems


def _left_out(shown: int, there: int) -> str:
    return f" (the first {shown} of {there})" if shown < there else ""


def _learning_curves(env: str, lines: list[Curve], styles: dict[str, Style], stem: str) -> LineChart:
    return LineChart(f"learning_curves_{stem}", env, "training frames", (_returns(lines, styles),))


def _returns(curves: list[Curve], styles: dict[str, Style]) -> Panel:
    metric = "normalised" if all("normalised" in curve.bands for curve in curves) else "return"
    lines = tuple(Line(curve.name, styles[curve.method], curve.frames, curve.bands[metric]) for curve in curves)
    if metric == "return":
        return Panel("return", lines)
    lowest = min(float(np.nanmin(line.band.middle)) for line in lines)
    return Panel("normalised return", lines, floor=min(-0.03, lowest - 0.03), top=1.04)


def _bonus(
    env: str,
    curves: list[Curve],
    bonuses: list[TrainingCurve],
    styles: dict[str, Style],
    stem: str,
) -> LineChart:
    """The task's return above, the bonus below: does it fade once the task is learned, or does it distract?"""
    paid = {curve.setting.setting_id for curve in bonuses}
    above = _returns([curve for curve in curves if curve.setting.setting_id in paid], styles)
    below = Panel("bonus per step", _training_lines(bonuses, styles), log=True)
    return LineChart(f"bonus_{stem}", f"{env}: return and bonus", "training frames", (above, below))


def _coverage(env: str, covered: list[TrainingCurve], styles: dict[str, Style], stem: str) -> LineChart:
    kinds = list(dict.fromkeys(curve.series for curve in covered))
    panels = tuple(
        Panel(
            _short(kind.replace("_", " "), 30),
            _training_lines([c for c in covered if c.series == kind], styles),
        )
        for kind in kinds[:4]
    )
    return LineChart(f"coverage_{stem}", f"{env}: coverage", "training frames", panels)


def _training_lines(curves: list[TrainingCurve], styles: dict[str, Style]) -> tuple[Line, ...]:
    return tuple(Line(training_name(curve, curves), styles[curve.method], curve.frames, curve.band) for curve in curves)


def training_name(curve: TrainingCurve, curves: Sequence[TrainingCurve]) -> str:
    """The setting's name, and the stream's where the setting has several."""
    several = len({each.series for each in curves if each.setting is curve.setting}) > 1
    return f"{curve.name} ({curve.series})" if several else curve.name


def _shared(shared: Sequence[SharedCurve], over: str, styles: dict[str, Style]) -> LineChart:
    in_frames = all(curve.frames is not None for curve in shared)
    lines = tuple(
        Line(curve.name, styles[curve.name], curve.share if curve.frames is None else curve.frames, curve.band)
        for curve in shared
    )
    panel = Panel("normalised return", lines, floor=-0.03, top=1.04)
    x_label = "training frames" if in_frames else "share of each environment's budget"
    return LineChart("aggregate_curves", f"Interquartile mean, {over}", x_label, (panel,), x_frames=in_frames)


def _efficiency(rows: Sequence[Row], styles: dict[str, Style]) -> list[BarChart]:
    """One chart for all environments, or one for each where that would be too long to read."""
    groups = []
    for env in dict.fromkeys(row["env"] for row in rows):
        own = [row for row in rows if row["env"] == env]
        groups.append((env, tuple(_bar(row, styles[row["method"]]) for row in own)))
    x_label = "training frames to 90 % of the optimum (median over seeds, 95 % interval)"
    if len(rows) <= _MOST_BARS:
        return [BarChart("sample_efficiency", x_label, tuple(groups))]
    stems = file_stems([env for env, _ in groups])
    return [BarChart(f"sample_efficiency_{stems[env]}", x_label, ((env, bars),)) for env, bars in groups]


def _bar(row: Row, style: Style) -> Bar:
    value, low, high = row.estimate("frames_to_90")
    count = f"({row['n_reached_90']}/{row['n_seeds']})"
    note = f"not reached {count}" if value is None else f"{amount(value)}  {count}"
    return Bar(row["setting"], style, value, low, high, float(row["budget"]), note)


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
