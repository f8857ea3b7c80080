"""`runs` and `evaluations`: every run that could be read, whatever became of it, and what was measured of it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rewardlab.records.summary import THRESHOLDS, summarise
from rewardlab.report.comparison import Comparison
from rewardlab.report.outcomes import Outcome
from rewardlab.report.reading.evaluations import EVALUATIONS as EVALUATIONS_FILE
from rewardlab.report.reading.evaluations import Evaluations
from rewardlab.report.reading.fields import written
from rewardlab.report.reading.run_folder import COUNTED_STATES, Run
from rewardlab.report.reading.written import Texts, as_floats, as_integers
from rewardlab.report.reading.written import cells as written_cells
from rewardlab.report.setting import NO_SETTING, Setting
from rewardlab.report.tables.columns import Column, Filled, Kind, Table
from rewardlab.report.tables.labels import SCORE, SEARCHED, label_columns, setting_id_column

_COPIED = ("return_mean", "return_std", "success_rate", "length_mean", "cells_mean", "episodes", "wall_seconds",
           "cpu_seconds")  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """A run among the others: what a row, or a stretch of rows, stands for."""

    comparison: Comparison
    setting: Setting
    run: Run

    @property
    def method(self) -> str:
        """The scheme's name; with the budget where another one stands for it, so that no groupby pools two."""
        other = self.setting.rung and not self.comparison.stands(self.setting)
        return self.comparison.setting_name(self.setting) if other else self.comparison.name(self.setting.method)

    @property
    def evaluations(self) -> Evaluations:
        return self.run.evaluations

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What `summary.json` says of a finished run, of the evaluations that there are."""
        run, known = self.run, self.evaluations
        wall, cpu = (float(times[-1]) if times.size else None for times in (known.wall_seconds, known.cpu_seconds))
        curve = (known.frames, known.return_mean, known.success_rate)
        budget = run.budget if run.state in COUNTED_STATES else None
        return summarise(*curve, run.random_return, run.optimal_return, None, wall, cpu, budget)

    def ready(self, roots: Mapping[str, Path]) -> Texts:
        """Cells of `EVALUATIONS` as the run wrote them, where they are those that the report would write."""
        run = self.run
        root = roots.get(run.folder)
        if root is None or not run.written:
            return {}
        texts = written_cells(root / run.name / EVALUATIONS_FILE, root, run.written)
        found = {name: as_floats(texts[name]) for name in _COPIED if name in texts}
        if "frames" in texts:
            found["frames"] = as_integers(texts["frames"])
        if (run.random_return, run.optimal_return) == (0.0, 1.0):  # normalised is the return itself
            found["normalised_return"] = found.get("return_mean")
        return {name: column for name, column in found.items() if column is not None}

    def normalised(self) -> Any:
        """Normalised returns of the evaluations, [E]; None if the task's anchors are not known."""
        return Outcome(self.run).normalised

    def human(self) -> Any:
        """The same as shares of a human's, [E]; None where nothing is published."""
        return Outcome(self.run).human


def listed(comparison: Comparison) -> Iterator[Listed]:
    """Every run, in the order of the settings."""
    return (Listed(comparison, setting, run) for setting in comparison.settings for run in setting.runs)


def _summary(name: str, definition: str, unit: str = "") -> Column:
    return Column(name, Kind.NUMBER, lambda row: row.summary[name], definition, unit=unit)


def _measured(name: str, definition: str, unit: str = "") -> Column:
    return Column(name, Kind.NUMBER, lambda row: getattr(row.evaluations, name), definition, unit=unit)


def _told(name: str, definition: str) -> Column:
    """One that only some environments have."""

    def column(row: Listed) -> Any:
        told = getattr(row.evaluations, name)
        return told if np.isfinite(told).any() else None

    return Column(name, Kind.NUMBER, column, definition, optional=True)


def _searched(name: str, _: str, what: str) -> Column:
    return Column(
        name, Kind.NUMBER, lambda row: getattr(row.run, name), what, unit=name.rpartition("_")[2], optional=True
    )


KEYS = (
    Column("run", Kind.TEXT, lambda row: row.run.name, "the run's folder, below the results folder"),
    Column("env", Kind.TEXT, lambda row: row.setting.env, "label of the environment"),
    *label_columns(lambda row: row.setting.method, agent=lambda row: row.comparison.agent_name(row.setting)),
    Column("method", Kind.TEXT, lambda row: row.method,
           "the name of what is compared across environments: what differs of reward, agent, curriculum and "
           "options; with the budget where that is not the one that stands for the scheme in its environment"),
    Column("setting", Kind.TEXT, lambda row: row.comparison.setting_name(row.setting),
           "the full name of the setting: runs of one environment with equal names differ in the seed only"),
    Column("seed", Kind.COUNT, lambda row: row.run.seed, "the run's seed"),
    Column("state", Kind.TEXT, lambda row: row.run.state, "finished, diverged, running, paused, interrupted or failed"),
)  # fmt: skip

RUNS = Table(
    "runs",
    "a row per run, whatever became of it; the options of its config follow, a column each (`agent.gamma`)",
    (
        *KEYS,
        setting_id_column(lambda row: row.setting.setting_id),
        Column("run_id", Kind.TEXT, lambda row: row.run.run_id, "what names the run"),
        Column("assumes", Kind.TEXT, lambda row: " ".join(row.run.assumes), "what the scheme uses that others do not"),
        Column("writer", Kind.TEXT, lambda row: row.run.writer, "who wrote a reward that is code", optional=True),
        *(_searched(*each) for each in SEARCHED),
        Column("budget", Kind.COUNT, lambda row: row.run.budget, "training frames that were asked for", unit="frames"),
        Column("frames", Kind.COUNT, lambda row: row.run.frames, "training frames so far", unit="frames"),
        _summary("final_return", "the task's own return in one evaluation, the last"),
        _summary("final_success", "share of successful episodes in it"),
        _summary("final_normalised", "its return between 0, a random policy, and 1, the optimum"),
        _summary("late_return", "mean return of the last evaluations, as many as `late_evaluations` says"),
        Column("score", Kind.NUMBER, lambda row: row.run.training.score, SCORE, unit="%", optional=True),
        _summary("late_success", "share of successful episodes in them"),
        _summary("late_normalised", "their return between 0 and 1"),
        _summary("late_evaluations", "a tenth of the run's evaluations, at least one"),
        *(_summary(f"frames_to_{suffix}", f"training frames to the normalised return {threshold}; empty where it was "
                   "never reached in two evaluations in a row", "frames") for suffix, threshold in THRESHOLDS.items()),
        _summary("auc", "area: mean height of the normalised learning curve, of a run that has ended over its budget"),
        _summary("wall_seconds", "time spent on the run until its last evaluation", "seconds"),
        _summary("cpu_seconds", "processor time until then", "seconds"),
        Column("random_return", Kind.NUMBER, lambda row: row.run.random_return, "return of a random policy"),
        Column("optimal_return", Kind.NUMBER, lambda row: row.run.optimal_return, "return of an optimal policy"),
        Column("device", Kind.TEXT, lambda row: row.run.device, "where the run trained"),
        Column("backend", Kind.TEXT, lambda row: row.run.backend, "which implementation of the environment"),
        Column("git_sha", Kind.TEXT, lambda row: row.run.git_sha, "commit of the code"),
        Column("error", Kind.TEXT, lambda row: row.run.error, "why the run did not finish"),
    ),
)  # fmt: skip

EVALUATIONS = Table(
    "evaluations",
    "a row per evaluation of every run",
    (
        *KEYS,
        Column("frames", Kind.COUNT, lambda row: row.evaluations.frames.astype(np.int64), "training frames so far",
               unit="frames"),
        _measured("return_mean", "the task's own return, mean over the episodes of the evaluation"),
        Column("normalised_return", Kind.NUMBER, lambda row: row.normalised(),
               "the same between 0, a random policy, and 1, the optimum"),
        Column("human_normalised_return", Kind.NUMBER, lambda row: row.human(),
               "the same, of a game whose scores are published, between 0, random play, and 1, a human", optional=True),
        _measured("return_std", "standard deviation of the return over the episodes"),
        _measured("success_rate", "share of successful episodes"),
        _measured("length_mean", "mean length of the episodes", "steps"),
        _measured("cells_mean", "distinct cells that the agent stood on in an episode"),
        _told("rooms_visited_mean", "rooms that it was in, where the environment tells"),
        _told("rooms_silenced_mean", "rooms in which it put an end to noise, likewise"),
        _measured("episodes", "episodes of the evaluation"),
        _measured("wall_seconds", "time spent on the run so far", "seconds"),
        _measured("cpu_seconds", "processor time so far", "seconds"),
    ),
    rows=lambda row: int(row.evaluations.frames.size),
)  # fmt: skip


def runs(comparison: Comparison) -> Filled:
    """One row per run, with the options of the flat config as further columns; facts win where names are equal."""
    filled = RUNS.fill(listed(comparison))
    configs = [row.run.config for row in filled.sources]
    names = sorted({name for config in configs for name in config} - set(filled.frame.columns))
    options = {name: _option([config.get(name) for config in configs]) for name in names}
    frame = pd.concat([filled.frame, pd.DataFrame(options, index=filled.frame.index)], axis=1)
    return Filled(RUNS, filled.sources, frame)


def differing(comparison: Comparison) -> pd.DataFrame:
    """Options in which runs of the same choices differ, a row for each run in the order of `listed`.

    They are what a comparison of hyperparameters is about. Those that only come with another scheme, say, are left out.
    """
    configs = [row.run.config for row in listed(comparison)]
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in listed(comparison):
        run, labels = row.run, row.setting.method
        usual = {"env": run.env, "reward": labels.reward, "agent": labels.agent, "curriculum": labels.curriculum}
        groups[tuple(str(run.config.get(f"{group}.name", label)) for group, label in usual.items())].append(run.config)
    found: set[str] = set()
    for first, *others in groups.values():
        for name in dict.fromkeys(name for config in (first, *others) for name in config):
            value = first.get(name)
            if name not in found and not NO_SETTING.match(name) and any(config.get(name) != value for config in others):
                found.add(name)
    return pd.DataFrame({name: _option([config.get(name) for config in configs]) for name in sorted(found)})


def _option(values: list[Any]) -> Any:
    """The values of one option in the narrowest type that holds them all; None is a missing value."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {bool}:
        return pd.array(values, dtype="boolean")
    if kinds == {int} and all(value is None or abs(value) < 2**63 for value in values):
        return pd.array(values, dtype="Int64")
    if kinds and kinds <= {int, float}:
        return pd.array([np.nan if value is None else float(value) for value in values], dtype="float64")
    return pd.array([None if value is None else written(value) for value in values], dtype="str")
