"""`report.html`: one page that holds all it needs, opens offline, and answers the question in its first screen."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

from rewardlab import __version__
from rewardlab.report import sections
from rewardlab.report.aggregate import PROFILE_GRID, Aggregate
from rewardlab.report.curves import Band, Curve
from rewardlab.report.efficiency import EfficiencyRow
from rewardlab.report.figures import profile_band
from rewardlab.report.palette import Look
from rewardlab.report.statistics import FloatArray
from rewardlab.report.study import Study
from rewardlab.report.verdict import Verdict

MOST_POINTS = 200
_METRICS = {"normalised": "normalised return", "return": "return", "success": "success rate"}


@dataclass(frozen=True)
class Material:
    """Everything that the page shows."""

    study: Study
    efficiency: Sequence[EfficiencyRow]
    aggregated: Aggregate
    curves: dict[str, list[Curve]]
    warnings: Sequence[str]
    answer: Verdict
    look: dict[str, Look]


def render_page(material: Material) -> str:
    """Renders the whole page as one text; every name in it is escaped."""
    study, aggregated, look = material.study, material.aggregated, material.look
    places = {name: place for place, name in enumerate(look)}
    drawn = {study.name(curve.setting.scheme) for lines in material.curves.values() for curve in lines}
    chips = sections.chips([(name, place) for name, place in places.items() if name in drawn], look)
    parts = {
        "overview": ("Overview", sections.overview(study, aggregated, material.answer, look)
                     + sections.winners(study, material.efficiency, look) + sections.careful(material.warnings)),
        "curves": ("Curves", sections.curves(material.curves, chips, _metrics(material.curves)) if drawn else ""),
        "efficiency": ("Sample efficiency", sections.efficiency(study, material.efficiency, look)),
        "aggregate": ("Aggregate", sections.aggregate(aggregated, chips, look)),
        "runs": ("Runs", sections.runs(study, look)),
        "method": ("Method", sections.METHOD),
    }  # fmt: skip
    shown = {key: part for key, part in parts.items() if part[1]}
    navigation = "".join(f'<a href="#{key}">{title}</a>' for key, (title, _) in shown.items())
    body = "\n".join(f'<section id="{key}">{content}</section>' for key, (_, content) in shown.items())
    return Template(_asset("page.html")).substitute(
        title=escape(f"{material.answer.headline} – rewardlab report"),
        css=_asset("page.css"),
        navigation=navigation,
        body=body,
        footer=f"Made by rewardlab {escape(__version__)} from the files of the runs alone; the same runs give the same "
        "page, byte for byte. Tables and figures for papers lie beside it.",
        data=_for_script(_plot_data(material, places)),
        plotly=files("plotly").joinpath("package_data/plotly.min.js").read_text(encoding="utf-8"),
        script=_asset("page.js"),
    )


def thin(count: int, most: int = MOST_POINTS) -> FloatArray:
    """Indices of at most `most` of `count` points, evenly spread, both ends kept."""
    return np.unique(np.round(np.linspace(0, count - 1, min(count, most))).astype(int)) if count else np.empty(0, int)


def _plot_data(material: Material, places: dict[str, int]) -> dict[str, Any]:
    study = material.study
    envs = []
    for lines in material.curves.values():
        frames = lines[0].frames if lines else np.empty(0)
        keep = thin(frames.size)
        curves = [
            {
                "name": curve.name,
                "scheme": places[study.name(curve.setting.scheme)],
                "bands": {metric: _band(band, keep) for metric, band in curve.bands.items()},
            }
            for curve in lines
        ]
        envs.append({"frames": [int(each) for each in frames[keep]], "curves": curves})
    keep = thin(PROFILE_GRID.size)
    profile = [
        {"name": row.name, "scheme": places[row.name], **_band(profile_band(row), keep)}
        for row in material.aggregated.rows
    ]
    return {
        "schemes": [{"color": each.colour, "dash": each.plotly_dash} for each in material.look.values()],
        "metrics": list(_metrics(material.curves).items()),
        "envs": envs,
        "profile": {"x": _rounded(PROFILE_GRID), "lines": profile},
    }


def _metrics(curves: dict[str, list[Curve]]) -> dict[str, str]:
    there = {metric for lines in curves.values() for curve in lines for metric in curve.bands}
    return {metric: label for metric, label in _METRICS.items() if metric in there}


def _band(band: Band, keep: FloatArray) -> dict[str, Any]:
    result: dict[str, Any] = {"y": _rounded(band.middle[keep])}
    if np.isfinite(band.low).any():
        result |= {"low": _rounded(band.low[keep]), "high": _rounded(band.high[keep])}
    return result


def _rounded(values: FloatArray) -> list[float | None]:
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]


def _for_script(value: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(name: str) -> str:
    return files("rewardlab.report").joinpath("assets", name).read_text(encoding="utf-8")
