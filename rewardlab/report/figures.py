"""Static figures for papers: png, svg and pdf, readable in print, the same bytes for the same runs."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rewardlab.report.aggregate import PROFILE_GRID, Aggregate, AggregateRow
from rewardlab.report.curves import Band, Curve
from rewardlab.report.efficiency import EfficiencyRow
from rewardlab.report.numbers import amount
from rewardlab.report.palette import Look
from rewardlab.report.statistics import generator, interval, performance_profile, resample
from rewardlab.report.study import Study

FORMATS = ("png", "svg", "pdf")
# Dates and program names would make two reports of the same runs differ.
_METADATA: dict[str, Any] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None},
}
_STYLE: Any = {
    "svg.hashsalt": "rewardlab",
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,  # a label with $ is a label, not a formula
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.linewidth": 0.8,
    "axes.labelcolor": "#33373d",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e6ea",
    "grid.linewidth": 0.7,
    "xtick.color": "#565b63",
    "ytick.color": "#565b63",
    "legend.frameon": False,
    "savefig.dpi": 160,
}
_FRAMES = FuncFormatter(lambda value, _: amount(value) if value else "0")


def draw_figures(
    study: Study,
    curves: dict[str, list[Curve]],
    efficiency: Sequence[EfficiencyRow],
    aggregated: Aggregate,
    look: dict[str, Look],
    folder: Path,
) -> list[Path]:
    """Draws every figure that the runs allow.

    Args:
        study: names of the schemes.
        curves: learning curves by environment.
        efficiency: rows of the sample-efficiency table.
        aggregated: the aggregate over environments.
        look: scheme name -> how it is drawn.
        folder: where the files go; it exists.

    Returns:
        The files written.
    """
    written: list[Path] = []
    stems = file_stems(list(curves))
    with mpl.rc_context(_STYLE):
        for env, lines in curves.items():
            if lines:
                written += _save(_learning_curves(study, env, lines, look), folder, f"learning_curves_{stems[env]}")
        if aggregated.rows:
            written += _save(_profiles(aggregated.rows, aggregated.envs, look), folder, "performance_profile")
        rows = [row for row in efficiency if row.n_seeds and row.speed["90"].n_reached is not None]
        if rows:
            written += _save(_efficiency(study, rows, look), folder, "sample_efficiency")
    return written


def profile_band(row: AggregateRow) -> Band:
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


def _learning_curves(study: Study, env: str, lines: list[Curve], look: dict[str, Look]) -> Figure:
    metric = "normalised" if all("normalised" in line.bands for line in lines) else "return"
    with _figure(5.4, 3.4) as (figure, axes):
        for line in lines:
            style = look[study.name(line.setting.scheme)]
            band = line.bands[metric]
            axes.fill_between(line.frames, band.low, band.high, color=style.colour, alpha=0.16, linewidth=0)
            every = max(1, line.frames.size // 8)
            axes.plot(
                line.frames, band.middle, style.dash, color=style.colour, linewidth=1.7, label=_short(line.name),
                marker=style.marker, markersize=3.6, markevery=(every // 2, every),
            )  # fmt: skip
        axes.set_title(_short(env, 60))
        axes.set_xlabel("training frames")
        axes.set_ylabel("normalised return" if metric == "normalised" else "return")
        axes.xaxis.set_major_formatter(_FRAMES)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        if metric == "normalised":
            axes.set_ylim(min(-0.03, *(float(np.nanmin(line.bands[metric].middle)) - 0.03 for line in lines)), 1.04)
        axes.margins(x=0.01)
        _legend_below(figure, axes)
    return figure


def _profiles(rows: list[AggregateRow], envs: list[str], look: dict[str, Look]) -> Figure:
    with _figure(5.4, 3.4) as (figure, axes):
        for row in rows:
            style, band = look[row.name], profile_band(row)
            axes.fill_between(
                PROFILE_GRID, band.low, band.high, color=style.colour, alpha=0.14, linewidth=0, step="post"
            )
            axes.step(
                PROFILE_GRID, band.middle, style.dash, color=style.colour, linewidth=1.7, label=_short(row.name),
                where="post",
            )  # fmt: skip
        axes.set_title(f"Performance profile, {len(envs)} environment{'s' if len(envs) > 1 else ''}")
        axes.set_xlabel("final normalised score τ")
        axes.set_ylabel("share of runs above τ")
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.02, 1.04)
        _legend_below(figure, axes)
    return figure


def _efficiency(study: Study, rows: list[EfficiencyRow], look: dict[str, Look]) -> Figure:
    """One bar per setting: frames to 90 % of the optimum, an open hatched bar to the budget where not reached."""
    envs = list(dict.fromkeys(row.setting.env for row in rows))
    heights = [sum(row.setting.env == env for row in rows) for env in envs]
    figure = Figure(figsize=(6.2, 0.6 + sum(0.27 * height + 0.62 for height in heights)), layout="constrained")
    FigureCanvasAgg(figure)
    every_axes = figure.subplots(len(envs), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for env, axes in zip(envs, every_axes, strict=True):
        own = [row for row in rows if row.setting.env == env]
        for place, row in enumerate(own):
            _bar(axes, place, row, look[study.name(row.setting.scheme)])
        axes.set_yticks(range(len(own)), [_short(row.name) for row in own])
        axes.set_ylim(len(own) - 0.4, -0.6)
        axes.set_xlim(0, max(row.setting.budget for row in own) * 1.14)
        axes.set_title(_short(env, 60))
        axes.xaxis.set_major_formatter(_FRAMES)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
    every_axes[-1].set_xlabel("training frames to 90 % of the optimum (median over seeds, 95 % interval)")
    return figure


def _bar(axes: Axes, place: int, row: EfficiencyRow, style: Look) -> None:
    speed, budget = row.speed["90"], row.setting.budget
    end = speed.frames.value
    if end is None:
        open_bar: Any = {
            "facecolor": "none",
            "edgecolor": style.colour,
            "hatch": "////",
            "alpha": 0.45,
            "linewidth": 0.8,
        }
        axes.barh(place, budget, 0.62, **open_bar)
        label = f"not reached ({speed.n_reached}/{row.n_seeds})"
        axes.text(budget / 2, place, label, va="center", ha="center", fontsize=7.5, color="#33373d",
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2})  # fmt: skip
        return
    axes.barh(place, end, 0.62, color=style.colour, alpha=0.85, linewidth=0)
    right = end
    if speed.frames.low is not None:
        right = speed.frames.high if speed.frames.high is not None else float(budget)
        axes.plot([speed.frames.low, right], [place, place], color="#22252a", linewidth=1.1, solid_capstyle="butt")
        # An interval whose end was not reached is open: no cap there.
        caps = [speed.frames.low, speed.frames.high]
        axes.plot([cap for cap in caps if cap is not None], [place] * sum(cap is not None for cap in caps), "|",
                  color="#22252a", markersize=6)  # fmt: skip
    axes.annotate(f"{amount(end)}  ({speed.n_reached}/{row.n_seeds})", (max(right, end), place), (5, 0),
                  textcoords="offset points", va="center", fontsize=7.5, color="#33373d")  # fmt: skip


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    yield figure, figure.subplots()


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    columns = max(1, min(len(labels), 66 // max(len(label) + 6 for label in labels)))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=2.2, fontsize=8.5)


def _short(text: str, limit: int = 40) -> str:
    # matplotlib keeps labels that begin with an underscore out of legends.
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return f"\u200b{text}" if text.startswith("_") else text


def _save(figure: Figure, folder: Path, stem: str) -> list[Path]:
    paths = [folder / f"{stem}.{form}" for form in FORMATS]
    for path in paths:
        figure.savefig(path, metadata=_METADATA[path.suffix[1:]])
    return paths
