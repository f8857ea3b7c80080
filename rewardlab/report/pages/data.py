"""What the page's script draws: curves thinned to what a screen can show, and every run."""

import shlex
from base64 import b64encode
from collections.abc import Sequence
from itertools import chain, zip_longest
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardlab.report.comparison import Comparison
from rewardlab.report.pages.charts import maps_of
from rewardlab.report.pages.reward_maps import reward_maps
from rewardlab.report.pages.styles import Style
from rewardlab.report.reading.plain import Unreadable
from rewardlab.report.reading.run_folder import Run, read_picture
from rewardlab.report.statistics import Band, FloatArray
from rewardlab.report.tables.aggregate import PROFILE_GRID, SHARES, Pooled
from rewardlab.report.tables.curves import OF_STREAMS, TRAINING_GRID_POINTS, Curve
from rewardlab.report.tables.numbers import Numbers

MOST_POINTS = 200
_POINTS_OF_ALL_RUNS = 400_000
_PICTURES = 6 * 2**20  # bytes of GIFs in one page
Places = NDArray[np.intp]
_NAMES_MODULES = ("env.id=", "env.wrappers=")
_METRICS = {
    "normalised": "normalised return",
    "return": "return",
    "success": "success rate",
    "bonus": "bonus per step",
    "rank": "learned reward: rank correlation with the true one",
    "rank_left": "learned reward: rank correlation with nearness to success",
}


def page_data(numbers: Numbers, styles: dict[str, Style], roots: dict[str, Path]) -> dict[str, Any]:
    """The data of the page's script, ready for JSON; `styles` by the names of methods, `roots` by their labels."""
    places = {name: place for place, name in enumerate(styles)}
    pools: Sequence[Pooled] = numbers.aggregated.filled.sources
    frames = pools[0].frames if pools else None
    x = ([] if not pools else rounded(SHARES)) if frames is None else [int(each) for each in frames]

    def line(pooled: Pooled, band: Band) -> dict[str, Any]:
        return {"name": pooled.name, "scheme": places[pooled.name], **_band(band)}

    return {
        "schemes": [{"name": name, "color": each.colour, "dash": each.plotly_dash} for name, each in styles.items()],
        "metrics": list(metrics(numbers).items()),
        "envs": [
            _env(lines, numbers.training[env], numbers.going[env], styles, places)
            for env, lines in numbers.curves.items()
        ],
        "profile": {"x": rounded(PROFILE_GRID), "lines": [line(pooled, pooled.profile) for pooled in pools]},
        "shared": {"x": x, "lines": [line(pooled, pooled.curve) for pooled in pools], "frames": frames is not None},
        **_runs(numbers.comparison, places, roots),
        **_diversity(numbers, styles, places, roots),
        **_rewards(numbers.comparison, roots),
    }


def metrics(numbers: Numbers) -> dict[str, str]:
    """What learning curves can show: key -> label. The page opens on the first: one that no environment lacks."""
    of_env = [
        {_metric(key) for curve in (*numbers.curves[env], *numbers.training[env]) for key in curve.bands}
        for env in numbers.curves
    ]
    there, everywhere = set().union(*of_env), set.intersection(*filter(None, of_env)) if any(of_env) else set()
    found = {metric: label for metric, label in _METRICS.items() if metric in there}
    found |= {key: key.replace(":", "/", 1) for key in sorted(there - set(_METRICS))}
    return dict(sorted(found.items(), key=lambda each: each[0] not in everywhere))


def run_places(comparison: Comparison) -> dict[int, int]:
    """id of a run -> its place in the page's data."""
    return {id(run): place for place, run in enumerate(comparison.runs)}


def thin(count: int, most: int = MOST_POINTS) -> Places:
    """Indices of at most `most` of `count` points, evenly spread, both ends kept."""
    return np.unique(np.round(np.linspace(0, max(0, count - 1), min(count, most))).astype(np.intp))


def rounded(values: FloatArray) -> list[float | None]:
    if np.isfinite(values).all():  # asked once: of every value it would take as long as the rest
        return [float(f"{value:.4g}") for value in values.tolist()]
    return [float(f"{value:.4g}") if isfinite(value) else None for value in values.tolist()]


def _env(
    evaluated: list[Curve], trained: list[Curve], going: list[Curve], styles: dict[str, Style], places: dict[str, int]
) -> dict[str, Any]:
    grids: list[list[int]] = []
    curves = []
    # Curves of runs that still go have a grid each.
    for lines, most in (
        (evaluated, MOST_POINTS),
        (trained, TRAINING_GRID_POINTS),
        *(([c], MOST_POINTS) for c in going),
    ):
        if lines or not grids:
            keep = thin(lines[0].frames.size if lines else 0, most)
            grids.append([int(each) for each in lines[0].frames[keep]] if lines else [])
        for curve in lines:
            for key, band in curve.bands.items():
                names = {"metric": _metric(key), "name": curve.label(key), "scheme": places[curve.method]}
                names |= {"going": True} if curve.going else {}
                names |= {"dash": styles[curve.method].turned(curve.place).plotly_dash} if curve.place else {}
                curves.append({**names, "grid": len(grids) - 1, **_band(band, keep)})
    return {"grids": grids, "curves": curves}


def _diversity(
    numbers: Numbers, styles: dict[str, Style], places: dict[str, int], roots: dict[str, Path]
) -> dict[str, Any]:
    """Of populations; nothing where there are none."""
    if not numbers.diversity_curves:
        return {}
    envs, maps = numbers.comparison.envs, []
    for env in numbers.diversity_curves:
        for name, seen in maps_of(numbers.comparison, env, roots):
            ends = [rounded(np.stack([seen.low, seen.high])[:, axis]) for axis in (0, 1)]
            rows = [rounded(row) for row in seen.best.T]
            maps.append({"env": env, "name": name, "x": ends[0], "y": ends[1], "z": rows, "down": seen.downwards})
    curves = {env: _env(found, [], [], styles, places) for env, found in numbers.diversity_curves.items()}
    return {"diversity": [curves.get(env) for env in envs], "maps": maps}


def _rewards(comparison: Comparison, roots: dict[str, Path]) -> dict[str, Any]:
    """Maps of learned rewards beside the true potential; nothing where there are none."""
    maps = [
        {
            "env": env, "name": each.name, "down": True,
            "x": [float(each.ranks.low[0]), float(each.ranks.high[0])],
            "y": [float(each.ranks.low[1]), float(each.ranks.high[1])],
            "z": [rounded(row) for row in each.ranks.best.T], "values": [rounded(row) for row in each.values.T],
        }
        for env in comparison.envs
        for each in reward_maps(comparison, env, roots)
    ]  # fmt: skip
    return {"rewards": maps} if maps else {}


def _metric(key: str) -> str:
    kind = key.partition(":")[0]
    return kind if kind in OF_STREAMS else key


def _runs(comparison: Comparison, places: dict[str, int], roots: dict[str, Path]) -> dict[str, Any]:
    """Every run, with what many share (grids of frames, configs, versions) written once."""
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
                "command": run.command, "repeat": _repeat(roots.get(run.folder), run),
                "git": run.git_sha, "versions": versions.setdefault(packages, len(versions)),
                "where": " · ".join(filter(None, (run.device, run.backend))), "started": run.started_at,
                "updated": run.updated_at, "resume": "" if run.resume == "exact" else run.resume,
                "notes": list(run.blemishes),
            }  # fmt: skip
            runs.append({key: value for key, value in found.items() if value not in ("", [])})
    problems = [
        {"name": each.name, "folder": each.folder, "state": each.state, "reason": each.reason}
        for each in comparison.problems
    ]
    return {
        "settings": settings, "runs": runs, "problems": problems, "versions": list(versions),
        "grids": [list(grid) for grid in grids], "pictures": _pictures(comparison, roots),
    }  # fmt: skip


def _repeat(root: Path | None, run: Run) -> str:
    """The command that trains the run again from its own config.yaml.

    Modules that its environment names are imported only where the command itself names them.
    """
    path = f"{root}/{run.name}/config.yaml" if root is not None else f"{run.name}/config.yaml"
    try:
        given = shlex.split(run.command)
    except ValueError:  # cut where it was too long
        given = []
    named = [text for text in given if text.startswith(_NAMES_MODULES) and ":" in text]
    return f"rewardlab run --config {shlex.join([path, *named])} results_dir=again"


def _pictures(comparison: Comparison, roots: dict[str, Path]) -> dict[int, str]:
    """GIFs of policies by the place of their run, the first of each setting first, until the page is full."""
    places = run_places(comparison)
    pictured = [[run for run in setting.runs if run.picture] for setting in comparison.settings]
    found: dict[int, str] = {}
    left = _PICTURES
    for run in filter(None, chain.from_iterable(zip_longest(*pictured))):
        root = roots.get(run.folder)
        if root is None:
            continue
        try:
            content = read_picture(root / run.name, root)
        except Unreadable:
            continue  # it went away, or its name was not fit to be shown
        if len(content) <= left:
            left -= len(content)
            found[places[id(run)]] = b64encode(content).decode()
    return found


def _band(band: Band, keep: Places | slice = slice(None)) -> dict[str, Any]:
    result: dict[str, Any] = {"y": rounded(band.middle[keep])}
    if np.isfinite(band.low).any():
        result |= {"low": rounded(band.low[keep]), "high": rounded(band.high[keep])}
    return result
