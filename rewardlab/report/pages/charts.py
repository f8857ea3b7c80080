"""What the static figures show, as plain data: lines and bars with their looks, nothing drawn yet."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import TextWrapper
from zlib import crc32

import numpy as np

from rewardlab.report.comparison import Comparison
from rewardlab.report.numbers import amount, plural
from rewardlab.report.pages.reward_maps import reward_maps
from rewardlab.report.pages.styles import Style
from rewardlab.report.reading.archive_map import Map, read_map
from rewardlab.report.reading.plain import Unreadable
from rewardlab.report.reading.training import TOTALS
from rewardlab.report.statistics import Band, FloatArray
from rewardlab.report.tables.aggregate import PROFILE_GRID, SHARES, Pooled
from rewardlab.report.tables.columns import Row
from rewardlab.report.tables.curves import Curve
from rewardlab.report.tables.numbers import Numbers
from rewardlab.report.tables.regret import regret_curves

_COVERED = re.compile(r"states|cells|visited|coverage|rooms|positions", re.IGNORECASE)
RANKED = {"rank": "rank correlation\nwith the true reward", "rank_left": "rank correlation\nwith nearness to success"}
"""What learned rewards are held against, by the kind of its bands."""
OF_LEVELS = {
    "levels:regret": "exact regret",
    "levels:solvable": "share with a way to the goal",
    "levels:steps": "fewest steps to the goal",
    "levels:rank_pvl": "pvl: rank correlation\nwith exact regret",
    "levels:rank_l1": "l1: rank correlation\nwith exact regret",
    "levels:rank_max_mc": "max_mc: rank correlation\nwith exact regret",
    "levels:rank_learnability": "learnability: rank correlation\nwith exact regret",
}
"""What is drawn of designed levels."""
_MOST_BARS = 60  # in one figure
_MOST_LINES = 12  # in one figure: more can't be told apart in print; the page and the tables have all


@dataclass(frozen=True)
class Line:
    label: str
    style: Style
    x: FloatArray
    band: Band
    step: bool = False
    going: bool = False  # of runs that still go: thin, dotted, open at its end


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
    x_log: bool = False


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


@dataclass(frozen=True)
class MapChart:
    """Maps of places side by side, one scale of colours for all."""

    stem: str
    title: str
    label: str  # of the colours
    maps: tuple[tuple[str, Map], ...]  # each with the name above it


@dataclass(frozen=True)
class PairChart:
    """Numbers of all pairs of some things, a square of cells each, side by side; one scale of colours for all."""

    stem: str
    title: str
    label: str  # of the colours
    most: float  # the end of their scale, which begins at 0
    names: tuple[str, ...]
    squares: tuple[tuple[str, FloatArray], ...]  # [K, K] each, with the name above it


Chart = LineChart | BarChart | MapChart | PairChart


def charts(numbers: Numbers, styles: dict[str, Style], roots: Mapping[str, Path]) -> Iterator[Chart]:
    """Every figure that the runs allow, each as soon as its numbers are there; `roots` are the results folders."""
    stems = file_stems(numbers.comparison.envs)
    efficiency = list(numbers.efficiency)
    for env in numbers.comparison.envs:
        every, going = numbers.curves_in(env), numbers.going[env]
        if not every and not going:
            continue
        best = [row["setting_id"] for row in efficiency if row["env"] == env][:_MOST_LINES]
        curves = [curve for curve in every if curve.setting.setting_id in best]
        recorded = [curve for curve in numbers.training_in(env) if curve.setting.setting_id in best]
        title = env + _left_out(len(curves), len(every))
        shown = [*curves, *going[: max(0, _MOST_LINES - len(curves))]]
        yield LineChart(f"learning_curves_{stems[env]}", title, "training frames", (_returns(shown, styles),))
        if not every:
            continue
        yield from _bonus(title, curves, recorded, styles, stems[env])
        yield from _learned(title, recorded, styles, stems[env])
        if len(shown_maps := reward_maps(numbers.comparison, env, roots)) > 1:
            pairs = tuple((each.name, each.ranks) for each in shown_maps)
            named = f"{env}: learned reward by cell, with its rank correlation"
            yield MapChart(f"reward_map_{stems[env]}", named, "rank among cells", pairs)
        yield from _designed(title, recorded, styles, stems[env])
        yield from _coverage(title, recorded, styles, stems[env])
        yield from _regret(numbers.comparison, env, styles, stems[env])
        diverse = [curve for curve in numbers.diversity_curves.get(env, []) if curve.setting.setting_id in best]
        yield from _diversity(title, diverse, styles, stems[env])
        if maps := maps_of(numbers.comparison, env, roots):
            yield MapChart(
                f"archive_{stems[env]}", f"{env}: best return by where lives ended, first seeds", "best return", maps
            )
    aggregated = numbers.aggregated
    over = plural(len(aggregated.envs), "environment") + _left_out(_MOST_LINES, len(aggregated.rows))
    best_pools: Sequence[Pooled] = aggregated.filled.sources[:_MOST_LINES]
    if len(aggregated.envs) > 1:
        yield _shared(best_pools, over, styles)
    if best_pools:
        steps = tuple(Line(each.name, styles[each.name], PROFILE_GRID, each.profile, step=True) for each in best_pools)
        panel = Panel("share of runs above τ", steps, floor=-0.02, top=1.04)
        title = f"Performance profile, {over}"
        yield LineChart("performance_profile", title, "late normalised score τ", (panel,), x_frames=False)
    highest = numbers.comparison.highest
    if rows := [row for row in efficiency if row[f"n_reached_{highest}"] is not None]:
        yield from _efficiency(rows, styles, highest)


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


def _returns(curves: list[Curve], styles: dict[str, Style]) -> Panel:
    metric = "normalised" if all("normalised" in curve.bands for curve in curves) else "return"
    lines = _lines(curves, metric, styles)
    if metric == "return":
        return Panel("return", lines)
    lowest = min(float(np.nanmin(line.band.middle)) for line in lines)
    return Panel("normalised return", lines, floor=min(-0.03, lowest - 0.03), top=1.04)


def _bonus(
    env: str, curves: list[Curve], recorded: list[Curve], styles: dict[str, Style], stem: str
) -> Iterator[LineChart]:
    """The task's return above, the bonus below: does it fade once the task is learned, or does it distract?"""
    if lines := _lines(recorded, "bonus:", styles):
        paid = {curve.setting.setting_id for curve in recorded if _lines([curve], "bonus:", styles)}
        above = _returns([curve for curve in curves if curve.setting.setting_id in paid], styles)
        below = Panel("bonus per step", lines, log=True)
        yield LineChart(f"bonus_{stem}", f"{env}: return and bonus", "training frames", (above, below))


def _learned(env: str, recorded: list[Curve], styles: dict[str, Style], stem: str) -> Iterator[LineChart]:
    """How a learned reward orders steps, beside the true one."""
    panels = tuple(
        Panel(label, lines, floor=-1.05, top=1.05)
        for kind, label in RANKED.items()
        if (lines := _lines(recorded, f"{kind}:", styles))
    )
    if panels:
        yield LineChart(f"learned_{stem}", f"{env}: learned against true reward", "training frames", panels)


def _designed(env: str, recorded: list[Curve], styles: dict[str, Style], stem: str) -> Iterator[LineChart]:
    """How hard designed levels are, and whether scores know it."""
    panels = tuple(Panel(label, lines) for key, label in OF_LEVELS.items() if (lines := _lines(recorded, key, styles)))
    if panels:
        yield LineChart(f"levels_{stem}", f"{env}: designed levels", "training frames", panels)


def _regret(comparison: Comparison, env: str, styles: dict[str, Style], stem: str) -> Iterator[LineChart]:
    """What problems cost up to a step, and how many fail from there on; the bands hold the seeds."""
    found = regret_curves(comparison, env)[:_MOST_LINES]
    drawn = (
        ("regret", "regret", "mean regret"),
        ("suffix_failure", "suffix failure", "share without a best step after"),
    )
    for which, (name, title, label) in enumerate(drawn):
        lines = tuple(
            Line(comparison.setting_name(setting), styles[comparison.name(setting.method)], step, bands[which])
            for setting, step, *bands in found
        )
        if lines:
            bounds = (-0.02, 1.04) if which else (None, None)
            panel = Panel(label, lines, floor=bounds[0], top=bounds[1])
            yield LineChart(f"{name}_{stem}", f"{env}: {title}", "step", (panel,), x_frames=False, x_log=True)


def _diversity(env: str, curves: list[Curve], styles: dict[str, Style], stem: str) -> Iterator[LineChart]:
    named = {"coverage": "coverage", "qd_score": "QD score"}
    panels = [
        (label, _lines([curve for curve in curves if key in curve.bands], key, styles)) for key, label in named.items()
    ]
    if any(lines for _, lines in panels):
        there = tuple(Panel(label, lines) for label, lines in panels if lines)
        yield LineChart(f"diversity_{stem}", f"{env}: diversity", "individuals that lived", there)


def maps_of(comparison: Comparison, env: str, roots: Mapping[str, Path]) -> tuple[tuple[str, Map], ...]:
    """What populations found in one environment, of each setting the first seed that tells; at most a dozen."""
    found: list[tuple[str, Map]] = []
    for setting in comparison.of_env(env):
        for outcome in setting.outcomes:
            run = outcome.run
            if len(found) == _MOST_LINES or not run.training.totals or run.folder not in roots:
                break
            with suppress(Unreadable):
                if (seen := read_map(roots[run.folder] / run.name, roots[run.folder])) is not None:
                    found.append((comparison.setting_name(setting), seen))
                    break
    return tuple(found)


def _coverage(env: str, recorded: list[Curve], styles: dict[str, Style], stem: str) -> Iterator[LineChart]:
    every = dict.fromkeys(key for curve in recorded for key in curve.bands if key.startswith("explore:"))
    names = {key: key.removeprefix("explore:") for key in every}
    panels = [
        Panel(short(name.replace("_", " "), 30), _lines([c for c in recorded if key in c.bands], key, styles))
        for key, name in names.items()
        if _COVERED.search(name) and name not in TOTALS  # of populations, against individuals: `_diversity`
    ]
    if panels:
        yield LineChart(f"coverage_{stem}", f"{env}: coverage", "training frames", tuple(panels[:4]))


def _lines(curves: list[Curve], start: str, styles: dict[str, Style]) -> tuple[Line, ...]:
    """The bands of curves whose key starts so."""
    return tuple(
        Line(curve.label(key), styles[curve.method].turned(curve.place), curve.frames, band, going=curve.going > 0)
        for curve in curves
        for key, band in curve.bands.items()
        if key.startswith(start)
    )


def _shared(pools: Sequence[Pooled], over: str, styles: dict[str, Style]) -> LineChart:
    in_frames = all(pooled.frames is not None for pooled in pools)
    lines = tuple(
        Line(each.name, styles[each.name], SHARES if each.frames is None else each.frames, each.curve) for each in pools
    )
    panel = Panel("normalised return", lines, floor=-0.03, top=1.04)
    x_label = "training frames" if in_frames else "share of each environment's budget"
    return LineChart("aggregate_curves", f"Interquartile mean, {over}", x_label, (panel,), x_frames=in_frames)


def _efficiency(rows: Sequence[Row], styles: dict[str, Style], highest: str) -> list[BarChart]:
    """One chart for all environments, or one for each where that would be too long to read."""
    groups = []
    for env in dict.fromkeys(row["env"] for row in rows):
        own = [row for row in rows if row["env"] == env]
        groups.append((env, tuple(_bar(row, styles[row["method"]], highest) for row in own)))
    x_label = f"training frames to {highest} % of the optimum (median over seeds, 95 % interval)"
    if len(rows) <= _MOST_BARS:
        return [BarChart("sample_efficiency", x_label, tuple(groups))]
    stems = file_stems([env for env, _ in groups])
    return [BarChart(f"sample_efficiency_{stems[env]}", x_label, ((env, bars),)) for env, bars in groups]


def _bar(row: Row, style: Style, highest: str) -> Bar:
    value, low, high = row.estimate(f"frames_to_{highest}")
    count = f"({row[f'n_reached_{highest}']}/{row['n_seeds']})"
    note = f"not reached {count}" if value is None else f"{amount(value)}  {count}"
    return Bar(row["setting"], style, value, low, high, float(row["budget"]), note)


class _Wrapper(TextWrapper):
    """Lines end at blanks, after commas and before an option of a label, as in `ga-sigma=0.3-hidden=10`."""

    wordsep_simple_re = re.compile(r"(\s+|(?<=,)|(?=-[A-Za-z_][\w.]*=))")


def wrapped(text: str, width: int = 44, most: int = 3) -> str:
    """A text in lines of about `width` characters, at most so many; what is longer ends with an ellipsis."""
    lines = _Wrapper(width, break_on_hyphens=False).wrap(text) or [text]
    return "\n".join(lines if len(lines) <= most else [*lines[: most - 1], short(" ".join(lines[most - 1 :]), width)])


def short(text: str, limit: int = 40) -> str:
    """At most so many characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
