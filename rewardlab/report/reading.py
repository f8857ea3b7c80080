"""Finds runs below a folder and reads them: plain JSON and CSV, nothing resolved, instantiated or unpickled.

Other people's runs are data. Whatever is truncated, empty, binary, huge, not a number or simply something else is
named as a `Problem` and left out; nothing in a folder can stop the report.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardlab.records.manifest import SCHEMA_VERSION
from rewardlab.records.status import STATES
from rewardlab.report.plain import Unreadable, clean, read_json, read_table

# A folder with one of these but no manifest was a run once: it is named, not passed over.
TRACES = ("status.json", "eval.csv")

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluations:
    """The rows of `eval.csv`, each column [E]; cells that are empty or absent are NaN."""

    frames: FloatArray
    return_mean: FloatArray
    success_rate: FloatArray
    cpu_seconds: FloatArray
    wall_seconds: FloatArray


@dataclass(frozen=True)
class Run:
    """One run's folder, as far as the report needs it. Every text is cleaned of control characters."""

    name: str  # the folder, relative to the results folder
    folder: str  # label of the results folder; empty if there is only one
    run_id: str
    setting_id: str
    env: str
    reward: str
    agent: str
    curriculum: str
    reward_choice: str
    seed: int
    budget: int
    state: str
    frames: int
    error: str
    assumes: tuple[str, ...]
    random_return: float | None
    optimal_return: float | None
    optimum_kind: str
    evaluations: Evaluations
    config: dict[str, Any] = field(repr=False)
    command: str = ""
    git_sha: str = ""
    packages: tuple[tuple[str, str], ...] = ()
    device: str = ""
    backend: str = ""
    resume: str = ""


@dataclass(frozen=True)
class Problem:
    """A folder that looks like a run and could not be used, and why."""

    name: str
    folder: str
    reason: str


@dataclass(frozen=True)
class Collection:
    """Everything found below the given folders, in a stable order."""

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]


def read_collection(roots: Sequence[tuple[str, Path]]) -> Collection:
    """Reads every run below the given folders.

    Args:
        roots: (label, folder) pairs; the label is empty if there is only one folder.

    Returns:
        Runs and problems, sorted by folder. A folder reached twice counts once; the same setting and seed found twice
        below one folder counts once too, and the second is named.
    """
    runs: list[Run] = []
    problems: list[Problem] = []
    seen_folders: set[Path] = set()
    seen_runs: dict[tuple[str, str, int], str] = {}
    for label, root in roots:
        for run_folder in _run_folders(root):
            if (resolved := run_folder.resolve()) in seen_folders:
                continue
            seen_folders.add(resolved)
            name = clean(run_folder.relative_to(root).as_posix(), 300)
            try:
                run = read_run(run_folder, root, label)
                twin = seen_runs.setdefault((label, run.setting_id, run.seed), name)
                if twin != name:
                    raise Unreadable(f"the same setting and seed as {twin}")
                runs.append(run)
            except Unreadable as problem:
                problems.append(Problem(name, label, str(problem)))
            except (OSError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
                problems.append(Problem(name, label, clean(f"{type(error).__name__}: {error}", 200)))
    return Collection(tuple(runs), tuple(problems))


def read_run(run_folder: Path, root: Path, label: str = "") -> Run:
    """Reads one run's folder.

    Args:
        run_folder: the folder that holds `manifest.json`.
        root: the results folder; links that lead out of it are refused.
        label: label of the results folder.

    Raises:
        Unreadable: with one line that says which file and why.
    """
    manifest = read_json(run_folder / "manifest.json", root)
    if "schema_version" not in manifest:
        raise Unreadable("manifest.json is not from rewardlab (no schema_version)")
    if manifest["schema_version"] != SCHEMA_VERSION:
        raise Unreadable(f"manifest.json has schema_version {_shown(manifest['schema_version'])}, not {SCHEMA_VERSION}")
    status = read_json(run_folder / "status.json", root)
    state = status.get("state")
    if state not in STATES:
        raise Unreadable(f"status.json: unknown state {_shown(state)}")
    labels = _mapping(manifest, "labels")
    task = manifest.get("task") if isinstance(manifest.get("task"), dict) else {}
    assert isinstance(task, dict)
    evaluations = _read_evaluations(run_folder, root, state, status.get("frames"))
    return Run(
        name=clean(run_folder.relative_to(root).as_posix(), 300),
        folder=label,
        run_id=_optional_text(manifest, "run_id"),
        setting_id=_text(manifest, "setting_id"),
        env=_text(labels, "env", "labels."),
        reward=_text(labels, "reward", "labels."),
        agent=_text(labels, "agent", "labels."),
        curriculum=_optional_text(labels, "curriculum") or "none",
        reward_choice=_optional_text(manifest, "reward"),
        seed=_integer(manifest, "seed"),
        budget=_integer(manifest, "frames", least=1),
        state=state,
        frames=_frames_done(status.get("frames"), evaluations),
        error=clean(status["error"], 400) if isinstance(status.get("error"), str) else "",
        assumes=_texts(manifest, "assumes"),
        random_return=_number(task, "random_return"),
        optimal_return=_number(task, "optimal_return"),
        optimum_kind=_optional_text(task, "optimum_kind"),
        evaluations=evaluations,
        config=manifest["config"] if isinstance(manifest.get("config"), dict) else {},
        command=_optional_text(manifest, "command", 2000),
        git_sha=_optional_text(manifest, "git_sha"),
        packages=_pairs(manifest.get("packages")),
        device=_optional_text(manifest, "device"),
        backend=_optional_text(manifest, "backend"),
        resume=_optional_text(manifest, "resume"),
    )


def _run_folders(root: Path) -> Iterator[Path]:
    """Folders that hold (or held) a run, in a stable order; links to folders are never followed."""
    for current, folders, files in os.walk(root, followlinks=False):
        folders.sort()
        if "manifest.json" in files or any(trace in files for trace in TRACES):
            folders.clear()
            yield Path(current)


def _read_evaluations(run_folder: Path, root: Path, state: str, frames_done: Any) -> Evaluations:
    """Reads `eval.csv`; only a finished run's must be whole, for the others are cut off by their nature."""
    path = run_folder / "eval.csv"
    whole = state == "finished"
    if not whole and not os.path.lexists(path):
        return Evaluations(*(np.empty(0) for _ in range(5)))
    columns = read_table(
        path, root, ("frames", "return_mean"), ("success_rate", "cpu_seconds", "wall_seconds"), whole=whole
    )
    frames, returns = columns["frames"], columns["return_mean"]
    if whole and not np.isfinite(returns).all():
        raise Unreadable("eval.csv: return_mean is empty or not a number in a finished run")
    usable = np.isfinite(frames) & np.isfinite(returns)
    frames = frames[usable]
    if not np.isfinite(columns["frames"]).all() or (frames < 0).any() or (np.diff(frames) <= 0).any():
        raise Unreadable("eval.csv: frames do not increase")
    if whole and frames.size == 0:
        raise Unreadable("eval.csv has no rows, though the run is finished")
    if whole and isinstance(frames_done, int) and frames[-1] < frames_done:
        raise Unreadable(f"eval.csv ends at frame {frames[-1]:.0f}, though the run finished {frames_done}")
    rest = (columns[name][usable] for name in ("success_rate", "cpu_seconds", "wall_seconds"))
    return Evaluations(frames, returns[usable], *rest)


def _frames_done(given: Any, evaluations: Evaluations) -> int:
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    return int(evaluations.frames[-1]) if evaluations.frames.size else 0


def _shown(value: Any) -> str:
    return clean(repr(value), 60)


def _mapping(source: dict[str, Any], key: str) -> dict[str, Any]:
    value = source.get(key)
    if not isinstance(value, dict):
        raise Unreadable(f"manifest.json: {key} is missing or not a mapping")
    return value


def _text(source: dict[str, Any], key: str, prefix: str = "") -> str:
    text = _optional_text(source, key)
    if not text:
        raise Unreadable(f"manifest.json: {prefix}{key} is missing or not a text")
    return text


def _optional_text(source: dict[str, Any], key: str, limit: int = 200) -> str:
    value = source.get(key)
    return clean(value, limit) if isinstance(value, str) else ""


def _texts(source: dict[str, Any], key: str) -> tuple[str, ...]:
    value = source.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Unreadable(f"manifest.json: {key} is not a list of names")
    return tuple(sorted({clean(item, 60) for item in value}))


def _integer(source: dict[str, Any], key: str, least: int = 0) -> int:
    value = source.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
        raise Unreadable(f"manifest.json: {key} is not an integer of at least {least}")
    return value


def _number(source: dict[str, Any], key: str) -> float | None:
    value = source.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(float(value)):
        raise Unreadable(f"manifest.json: task.{key} is not a number")
    return float(value)


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        return ()
    return tuple(sorted((clean(str(name), 60), clean(str(version), 60)) for name, version in value.items()))
