"""Static figures for papers: png, svg and pdf, readable in print, the same bytes for the same runs."""

import io
from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from rewardlab.report.numbers import amount
from rewardlab.report.pages.charts import Bar, BarChart, Chart, Line, LineChart, MapChart, PairChart, Panel, wrapped
from rewardlab.report.pages.fonts import cut_once

_CANVASES: dict[str, Any] = {"png": FigureCanvasAgg, "svg": FigureCanvasSVG, "pdf": FigureCanvasPdf}
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
    "axes.titlesize": 11,  # not bold: embedding a second font takes as long as drawing
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # where it would be found to be, after a look at all that stands above the axes
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e6ea",
    "grid.linewidth": 0.7,
    "xtick.color": "#565b63",
    "ytick.color": "#565b63",
    "legend.frameon": False,
    "figure.dpi": 160,
}
# viridis without its darkest end, which a dark page swallows
_SEQUENCE = LinearSegmentedColormap.from_list("sequence", ("#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"))
_FRAMES = FuncFormatter(lambda value, _: amount(value) if value else "0")
_VALUES = FuncFormatter(lambda value, _: amount(value) if abs(value) >= 1000 else f"{value:g}")


def draw(chart: Chart) -> list[tuple[str, bytes]]:
    """File names and contents of one chart."""
    files = []
    with mpl.rc_context(_STYLE), cut_once():
        figure = _figure(chart)
        # Places are found once, and every format is drawn once: `savefig` would do both twice for each.
        measured = FigureCanvasAgg(figure)
        if (layout := figure.get_layout_engine()) is not None:
            layout.execute(figure)
        figure.set_layout_engine("none")
        for form, kind in _CANVASES.items():
            buffer = io.BytesIO()
            canvas = measured if kind is FigureCanvasAgg else kind(figure)
            getattr(canvas, f"print_{form}")(buffer, metadata=_METADATA[form])
            files.append((f"{chart.stem}.{form}", buffer.getvalue()))
    return files


def _figure(chart: Chart) -> Figure:
    if isinstance(chart, MapChart):
        return _map_chart(chart)
    if isinstance(chart, PairChart):
        return _pair_chart(chart)
    return _line_chart(chart) if isinstance(chart, LineChart) else _bar_chart(chart)


def _line_chart(chart: LineChart) -> Figure:
    height = 3.4 if len(chart.panels) == 1 else 1.1 + 1.9 * len(chart.panels)
    figure = Figure(figsize=(5.4, height), layout="constrained")
    every_axes = figure.subplots(len(chart.panels), 1, squeeze=False, sharex=True)[:, 0]
    for panel, axes in zip(chart.panels, every_axes, strict=True):
        for line in panel.lines:
            _line(axes, line, log=panel.log)
        _y_axis(axes, panel)
        axes.margins(x=0.01)
    every_axes[0].set_title(_label(chart.title, 60))
    every_axes[-1].set_xlabel(chart.x_label)
    if chart.x_frames:
        every_axes[-1].xaxis.set_major_formatter(_FRAMES)
        every_axes[-1].xaxis.set_major_locator(MaxNLocator(6))
    elif chart.x_log:
        every_axes[-1].set_xscale("log")
        every_axes[-1].xaxis.set_major_formatter(_VALUES)
    else:
        every_axes[-1].set_xlim(0, 1)
    _legend_below(figure, every_axes)
    return figure


def _line(axes: Axes, line: Line, *, log: bool) -> None:
    style, where = line.style, {"step": "post"} if line.step else {}
    low, middle, high = line.band.low, line.band.middle, line.band.high
    if log:  # nothing at or below zero can be shown there
        low, middle, high = (np.where(values > 0, values, np.nan) for values in (low, middle, high))
    fill: Any = {"color": style.colour, "alpha": 0.16, "linewidth": 0, **where}
    axes.fill_between(line.x, low, high, **fill)
    drawn: Any = {"color": style.colour, "linewidth": 1.7, "label": _label(line.label)}
    if line.going:
        drawn |= {"linewidth": 1.1, "linestyle": (0, (1, 1.4))}
        axes.plot(line.x, middle, marker="o", markersize=4.5, markerfacecolor="white", markevery=[-1], **drawn)
        return
    if line.step:
        axes.step(line.x, middle, style.dash, where="post", **drawn)
        return
    every = max(1, line.x.size // 8)
    axes.plot(line.x, middle, style.dash, marker=style.marker, markersize=3.6, markevery=(every // 2, every), **drawn)


def _y_axis(axes: Axes, panel: Panel) -> None:
    axes.set_ylabel(panel.y_label)
    if panel.log and any((line.band.middle > 0).any() for line in panel.lines):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        return
    if panel.floor is not None or panel.top is not None:
        axes.set_ylim(panel.floor, panel.top)
    else:
        axes.yaxis.set_major_formatter(_VALUES)


def _map_chart(chart: MapChart) -> Figure:
    """Squares side by side; what nobody reached stays blank."""
    columns = min(len(chart.maps), 3)
    rows = -(-len(chart.maps) // columns)
    names = [_label(name, 30) for name, _ in chart.maps]
    above = 0.18 * max(name.count("\n") + 1 for name in names)
    figure = Figure(figsize=(1.3 + 2.3 * columns, 0.5 + (2.05 + above) * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    values = np.concatenate([seen.best[np.isfinite(seen.best)] for _, seen in chart.maps])
    least, most = (values.min(), values.max()) if values.size else (0.0, 1.0)
    ends: Any = {"vmin": least, "vmax": most if most > least else least + 1.0}
    for axes, name, (_, seen) in zip(grid, names, chart.maps, strict=False):
        (left, bottom), (right, top) = seen.low, seen.high
        shown: Any = {"interpolation": "nearest", "aspect": "auto", "origin": "lower", "cmap": _SEQUENCE, **ends}
        image = axes.imshow(seen.best.T, extent=(left, right, bottom, top), **shown)
        if seen.downwards:
            axes.invert_yaxis()
        axes.set_box_aspect(1)
        axes.grid(visible=False)
        axes.set_title(name, fontsize=8.5)
        whole = bool((seen.high - seen.low == seen.best.shape).all())  # then places are numbers of cells
        for place in (axes.xaxis, axes.yaxis):
            place.set_major_locator(MaxNLocator(4, integer=whole))
        axes.spines[["top", "right"]].set_visible(True)
    for axes in grid[len(chart.maps) :]:
        axes.set_visible(False)
    bar = figure.colorbar(image, ax=list(grid), shrink=0.8, label=chart.label)
    bar.outline.set_visible(False)
    figure.suptitle(_label(chart.title, 24 * columns), fontsize=11, x=0.01, ha="left")
    return figure


def _pair_chart(chart: PairChart) -> Figure:
    """Squares of cells side by side, each cell with its number where there is room for it."""
    count, columns = len(chart.names), 2 if len(chart.squares) == 4 else min(len(chart.squares), 3)
    rows, side = -(-len(chart.squares) // columns), max(1.7, 0.42 * count)
    names = [_label(name, 24) for name in chart.names]
    below = 0.2 + 0.075 * max(len(line) for name in names for line in name.split("\n"))
    figure = Figure(figsize=(1.2 + below + side * columns, 0.6 + below + (side + 0.3) * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for place, (axes, (title, square)) in enumerate(zip(grid, chart.squares, strict=False)):
        image = axes.imshow(square, cmap=_SEQUENCE, vmin=0, vmax=chart.most, interpolation="nearest")
        axes.grid(visible=False)
        axes.set_title(_label(title, 24), fontsize=9)
        axes.set_xticks(range(count), names, rotation=90, fontsize=8, linespacing=0.9)
        axes.set_yticks(range(count), names, fontsize=8, linespacing=0.9)
        axes.tick_params(length=0, labelbottom=place + columns >= len(chart.squares))
        axes.spines[["top", "right"]].set_visible(True)
        for (row, column), value in np.ndenumerate(square) if count <= 8 else ():
            ink = "#ffffff" if value < 0.55 * chart.most else "#22252a"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color=ink)
    for axes in grid[len(chart.squares) :]:
        axes.set_visible(False)
    bar = figure.colorbar(image, ax=list(grid), shrink=0.8, label=chart.label)
    bar.outline.set_visible(False)
    figure.suptitle(_label(chart.title, 30 * columns), fontsize=11, x=0.01, ha="left")
    return figure


def _bar_chart(chart: BarChart) -> Figure:
    """One bar for each row: an open hatched bar to the limit where nothing was reached."""
    heights = [len(bars) for _, bars in chart.groups]
    labels = [[_label(bar.label, 32) for bar in bars] for _, bars in chart.groups]
    # Names in several lines take the room that they need.
    row = max(0.27, max(0.14 * (label.count("\n") + 1) + 0.06 for several in labels for label in several))
    size = (6.2, 0.6 + sum(row * height + 0.62 for height in heights))
    figure = Figure(figsize=size, layout="constrained")
    every_axes = figure.subplots(len(chart.groups), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for (title, bars), names, axes in zip(chart.groups, labels, every_axes, strict=True):
        for place, bar in enumerate(bars):
            _bar(axes, place, bar)
        axes.set_yticks(range(len(bars)), names)
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlim(0, max(bar.limit for bar in bars) * 1.14)
        axes.set_title(_label(title, 60))
        axes.xaxis.set_major_formatter(_FRAMES)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
    figure.supxlabel(chart.x_label, fontsize=_STYLE["font.size"], color=_STYLE["axes.labelcolor"])
    return figure


def _bar(axes: Axes, place: int, bar: Bar) -> None:
    if bar.value is None:
        open_bar: Any = {"facecolor": "none", "edgecolor": bar.style.colour, "hatch": "////", "alpha": 0.45}
        axes.barh(place, bar.limit, 0.62, linewidth=0.8, **open_bar)
        axes.text(bar.limit / 2, place, bar.note, va="center", ha="center", fontsize=7.5, color="#33373d",
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2})  # fmt: skip
        return
    axes.barh(place, bar.value, 0.62, color=bar.style.colour, alpha=0.85, linewidth=0)
    right = bar.value
    if bar.low is not None:
        right = bar.high if bar.high is not None else bar.limit
        axes.plot([bar.low, right], [place, place], color="#22252a", linewidth=1.1, solid_capstyle="butt")
        # An interval whose end was not reached is open: no cap there.
        caps = [cap for cap in (bar.low, bar.high) if cap is not None]
        axes.plot(caps, [place] * len(caps), "|", color="#22252a", markersize=6)
    axes.annotate(bar.note, (max(right, bar.value), place), (5, 0), textcoords="offset points", va="center",
                  fontsize=7.5, color="#33373d")  # fmt: skip


def _legend_below(figure: Figure, every_axes: Iterable[Axes]) -> None:
    entries: dict[str, Any] = {}
    for axes in every_axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        widest = max(len(line) for label in entries for line in label.split("\n"))
        columns = max(1, min(len(entries), 66 // (widest + 6)))
        figure.legend(
            list(entries.values()), list(entries), loc="outside lower center", ncols=columns, handlelength=2.2,
            fontsize=8.5,
        )  # fmt: skip
        # Axes keep their height, however many rows the names take.
        rows = -(-sum(label.count("\n") + 1 for label in entries) // columns)
        figure.set_figheight(figure.get_figheight() + 0.17 * max(0, rows - 2))


def _label(text: str, width: int = 44) -> str:
    # matplotlib keeps labels that begin with an underscore out of legends.
    text = wrapped(text, width)
    return f"\u200b{text}" if text.startswith("_") else text
