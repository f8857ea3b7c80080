"""What the page's script draws: curves thinned to what a screen can show, and every run."""

import shlex
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardlab.report.comparison import Comparison
from rewardlab.report.pages.charts import training_name
from rewardlab.report.pages.styles import Style
from rewardlab.report.reading.plain import Unreadable
from rewardlab.report.reading.run_folder import Run, read_picture
from rewardlab.report.statistics import FloatArray
from rewardlab.report.tables.aggregate import PROFILE_GRID, Aggregate
from rewardlab.report.tables.columns import Filled
from rewardlab.report.tables.curves import Band, Curve, SharedCurve, TrainingCurve
from rewardlab.report.verdict import Verdict

MOST_POINTS = 200
_POINTS_OF_ALL_RUNS = 400_000
_PICTURES = 6 * 2**20  # bytes of GIFs in one page
Places = NDArray[np.intp]
_METRICS = {"normalised": "normalised return", "return": "return", "success": "success rate", "bonus": "bonus per step"}


@dataclass(frozen=True)
class Material:
    """Everything that the page shows."""

    comparison: Comparison
    efficiency: Filled
    aggregated: Aggregate
    differences: Filled
    curves: dict[str, list[Curve]]
    training: dict[str, list[TrainingCurve]]
    shared: Sequence[SharedCurve]
    profiles: dict[str, Band]
    warnings: Sequence[str]
    answer: Verdict
    styles: dict[str, Style]
    roots: dict[str, Path]
    filters: Sequence[str]


def page_data(material: Material) -> dict[str, Any]:
    """The data of the page's script, ready for JSON."""
    places = {name: place for place, name in enumerate(material.styles)}
    return {
        "schemes": [
            {"name": name, "color": each.colour, "dash": each.plotly_dash} for name, each in material.styles.items()
        ],
        "metrics": list(metrics(material).items()),
        "envs": [_env(lines, material.training.get(env, []), places) for env, lines in material.curves.items()],
        "profile": {
            "x": rounded(PROFILE_GRID),
            "lines": [
                {"name": name, "scheme": places[name], **_band(band, np.arange(PROFILE_GRID.size))}
                for name, band in material.profiles.items()
            ],
        },
        "shared": _shared(material.shared, places),
        **_runs(material, places),
    }


def metrics(material: Material) -> dict[str, str]:
    """What learning curves can show: key -> label."""
    there = {metric for lines in material.curves.values() for curve in lines for metric in curve.bands}
    recorded = [curve for curves in material.training.values() for curve in curves]
    there |= {"bonus"} if any(curve.kind == "bonus" for curve in recorded) else set()
    found = {metric: label for metric, label in _METRICS.items() if metric in there}
    explored = sorted({curve.series for curve in recorded if curve.kind == "explore"})
    return found | {f"explore:{name}": f"explore/{name}" for name in explored}


def run_places(comparison: Comparison) -> dict[int, int]:
    """id of a run -> its place in the page's data."""
    return {id(run): place for place, run in enumerate(comparison.runs)}


def thin(count: int, most: int = MOST_POINTS) -> Places:
    """Indices of at most `most` of `count` points, evenly spread, both ends kept."""
    return (
        np.unique(np.round(np.linspace(0, count - 1, min(count, most))).astype(np.intp))
        if count
        else np.empty(0, np.intp)
    )


def rounded(values: FloatArray) -> list[float | None]:
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values.tolist()]


def _env(lines: list[Curve], training: list[TrainingCurve], places: dict[str, int]) -> dict[str, Any]:
    keep = thin(lines[0].frames.size) if lines else np.empty(0, np.intp)
    grids = [[int(each) for each in lines[0].frames[keep]] if lines else []]
    grids += [[int(each) for each in training[0].frames]] if training else []
    curves = [
        {"metric": metric, "name": curve.name, "scheme": places[curve.method], "grid": 0,
         **_band(band, keep)}
        for curve in lines for metric, band in curve.bands.items()
    ]  # fmt: skip
    for curve in training:
        alike = [each for each in training if each.kind == curve.kind]
        metric = "bonus" if curve.kind == "bonus" else f"explore:{curve.series}"
        name = training_name(curve, alike) if curve.kind == "bonus" else curve.name
        method = places[curve.method]
        band = _band(curve.band, np.arange(curve.frames.size))
        curves.append({"metric": metric, "name": name, "scheme": method, "grid": 1, **band})
    return {"grids": grids, "curves": curves}


def _shared(shared: Sequence[SharedCurve], places: dict[str, int]) -> dict[str, Any]:
    if not shared:
        return {"x": [], "lines": [], "frames": False}
    frames = shared[0].frames
    x = rounded(shared[0].share) if frames is None else [int(each) for each in frames]
    lines = [
        {"name": curve.name, "scheme": places[curve.name], **_band(curve.band, np.arange(len(x)))} for curve in shared
    ]
    return {"x": x, "lines": lines, "frames": frames is not None}


def _runs(material: Material, places: dict[str, int]) -> dict[str, Any]:
    """Every run, with what many share (grids of frames, configs, versions) written once."""
    comparison = material.comparison
    most = int(np.clip(_POINTS_OF_ALL_RUNS // max(1, len(comparison.runs)), 20, MOST_POINTS))
    grids: dict[tuple[int, ...], int] = {}
    versions: dict[str, int] = {}
    settings, runs = [], []
    for setting in comparison.settings:
        own = setting.runs[0].config
        settings.append({
            "id": setting.setting_id, "name": comparison.setting_name(setting), "env": setting.env,
            "scheme": places[comparison.name(setting.method)], "agent": setting.method.agent,
            "config": {key: str(value) if value is not None else "null" for key, value in own.items()},
        })  # fmt: skip
        for run in setting.runs:
            keep = thin(run.evaluations.frames.size, most)
            grid = tuple(int(each) for each in run.evaluations.frames[keep])
            packages = " ".join(f"{name} {version}" for name, version in run.packages.items())
            found = {
                "name": run.name, "folder": run.folder, "setting": len(settings) - 1, "seed": run.seed,
                "state": run.state, "frames": run.frames, "budget": run.budget, "error": run.error,
                "grid": grids.setdefault(grid, len(grids)), "y": rounded(run.evaluations.return_mean[keep]),
                "command": run.command, "repeat": _repeat(material.roots.get(run.folder), run),
                "git": run.git_sha, "versions": versions.setdefault(packages, len(versions)),
                "where": " · ".join(filter(None, (run.device, run.backend))), "started": run.started_at,
                "updated": run.updated_at, "resume": "" if run.resume == "exact" else run.resume,
                "notes": list(run.blemishes),
            }  # fmt: skip
            runs.append({key: value for key, value in found.items() if value not in ("", [])})
    problems = [{"name": each.name, "folder": each.folder, "reason": each.reason} for each in comparison.problems]
    return {
        "settings": settings, "runs": runs, "problems": problems, "versions": list(versions),
        "grids": [list(grid) for grid in grids], "pictures": _pictures(material),
    }  # fmt: skip


def _repeat(root: Path | None, run: Run) -> str:
    """The command that trains the run again from its own config.yaml."""
    path = f"{root}/{run.name}/config.yaml" if root is not None else f"{run.name}/config.yaml"
    return f"rewardlab run --config {shlex.quote(path)} results_dir=again"


def _pictures(material: Material) -> dict[int, str]:
    """GIFs of policies by the place of their run, the first of each setting first, until the page is full."""
    places = run_places(material.comparison)
    candidates = [
        (at, places[id(run)], run)
        for setting in material.comparison.settings
        for at, run in enumerate(run for run in setting.runs if run.picture)
    ]
    found: dict[int, str] = {}
    left = _PICTURES
    for _, place, run in sorted(candidates, key=lambda each: each[:2]):
        root = material.roots.get(run.folder)
        if root is None:
            continue
        try:
            content = read_picture(root / run.name, root)
        except Unreadable:
            continue  # it went away, or its name was not fit to be shown
        if len(content) <= left:
            left -= len(content)
            found[place] = b64encode(content).decode()
    return found


def _band(band: Band, keep: Places) -> dict[str, Any]:
    result: dict[str, Any] = {"y": rounded(band.middle[keep])}
    if np.isfinite(band.low).any():
        result |= {"low": rounded(band.low[keep]), "high": rounded(band.high[keep])}
    return result
