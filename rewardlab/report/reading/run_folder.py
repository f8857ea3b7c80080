"""Reads one run's folder: plain JSON and CSV, nothing resolved, instantiated or unpickled."""

import dataclasses
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardlab.records.archive import ARCHIVE, LEVELS, REWARD_MAP
from rewardlab.records.manifest import SCHEMA_VERSION
from rewardlab.records.status import STATES
from rewardlab.report.reading import fields
from rewardlab.report.reading.plain import (
    TABLE_LIMIT,
    Table,
    Unreadable,
    clean,
    parse_table,
    read_bytes,
    read_json,
)
from rewardlab.report.reading.regret import REPLICATES, WITHIN, read_regret
from rewardlab.report.reading.suite import SUITE, read_suite
from rewardlab.report.reading.together import parse_together
from rewardlab.report.reading.written import digest

FloatArray = NDArray[np.float64]

MANIFEST, STATUS, EVALUATIONS, TRAINING, PICTURE = "manifest.json", "status.json", "eval.csv", "train.csv", "play.gif"
FILES = (MANIFEST, STATUS, EVALUATIONS, TRAINING, SUITE, REPLICATES, WITHIN, PICTURE, ARCHIVE, REWARD_MAP, LEVELS)
"""What the report reads of a run."""

COUNTED_STATES = ("finished", "diverged", "paused")
"""States of runs that ended by themselves, if only for now."""

TRAINING_POINTS = 100  # rows of train.csv are averaged down to so many
PICTURE_LIMIT = 2 * 2**20  # bytes
TOTALS = ("evaluations", "coverage", "qd_score")
FIRSTS = ("evaluations_to_reward", "frames_to_reward")
COVERED = {
    "cells_visited": "cells_mean",
    "rooms_visited": "rooms_visited_mean",
    "rooms_silenced": "rooms_silenced_mean",
}
"""What evaluations tell of how far policies get -> the column of `Evaluations`."""
_MOST_SERIES = 24


@dataclass(frozen=True)
class Evaluations:
    """The rows of `eval.csv`, each column [E]; cells that are empty or absent are NaN."""

    frames: FloatArray
    return_mean: FloatArray
    success_rate: FloatArray
    cpu_seconds: FloatArray
    wall_seconds: FloatArray
    cells_mean: FloatArray
    episodes: FloatArray
    return_std: FloatArray
    length_mean: FloatArray
    rooms_visited_mean: FloatArray
    rooms_silenced_mean: FloatArray


_EVALUATED = tuple(column.name for column in dataclasses.fields(Evaluations))


@dataclass(frozen=True)
class Training:
    """What `train.csv` says of the bonus and of exploration, averaged down to `TRAINING_POINTS` rows."""

    frames: FloatArray = field(default_factory=lambda: np.empty(0))  # training frames, [T]
    # "bonus:STREAM" (mean reward of a stream per step), "rank:STREAM" and "rank_left:STREAM" (rank correlation of a
    # learned one with the true reward, and with nearness to success) and "explore:NAME" -> [T]; NaN where empty.
    # "explore:cells_visited" and the like (`COVERED`) are from the evaluations, in between them by interpolation.
    series: dict[str, FloatArray] = field(default_factory=dict)
    # Of populations, what only grows, at `TRAINING_POINTS` rows as they are, the last one too: of `TOTALS` those that
    # there are, and `FIRSTS`, NaN until there was a reward.
    totals: dict[str, FloatArray] = field(default_factory=dict)
    score: float | None = None  # of what is unlocked in training episodes, at the end; None where nothing can be

    def total(self, name: str) -> float:
        """One of `totals` at the end; NaN where there is none."""
        column = self.totals.get(name, np.empty(0))
        return float(column[-1]) if column.size else float("nan")


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
    seed: int
    budget: int  # training frames that it was to have; of a paused run, to its pause
    state: str
    frames: int
    error: str
    assumes: tuple[str, ...]
    writer: str  # of a reward that is code
    search_frames: float | None  # that it took to find it
    model_calls: float | None  # that this took, and those of a judge while it trained; tokens likewise
    model_tokens: float | None
    random_return: float | None
    optimal_return: float | None
    optimum_kind: str
    human_random: float | None
    human_return: float | None
    distinct_levels: float | None
    seen_in_training: float | None  # share of the evaluation levels; None: unknown, as in old manifests
    evaluations: Evaluations
    written: str  # digest of an `eval.csv` whose cells may be copied; empty if they may not
    config: dict[str, Any] = field(repr=False)
    command: str
    git_sha: str
    packages: dict[str, str]
    code: dict[str, str]  # hashes of what the run was made by
    device: str
    backend: str
    resume: str
    started_at: str
    updated_at: str
    training: Training = field(repr=False)
    suite: Table = field(repr=False)  # of held-out levels, as `read_suite` has it
    replicates: Table = field(repr=False)  # of the last evaluation's problems, and
    within: Table = field(repr=False)  # of their steps, as `read_regret` has them
    picture: bool  # whether there is a `play.gif` that can be shown
    blemishes: tuple[str, ...]  # files that could not be used, though the run itself can

    @property
    def furthest(self) -> int:
        """Frames that it has trained, as far as its files tell: a run that goes on evaluates between two statuses."""
        last = int(self.evaluations.frames[-1]) if self.evaluations.frames.size else 0
        return max(self.frames, last)


@dataclass(frozen=True)
class Opened:
    """A run's folder that has been looked into: its tables are still to be parsed."""

    folder: Path
    root: Path  # the results folder
    manifest: dict[str, Any]
    status: dict[str, Any]
    state: str
    evaluations: bytes | None  # content of `eval.csv`; None if there is none yet
    training: bytes | None  # content of `train.csv`; None if there is none that can be used
    blemishes: tuple[str, ...]  # why not

    @property
    def size(self) -> int:
        """Bytes of its tables."""
        return len(self.evaluations or b"") + len(self.training or b"")


def read_run(run_folder: Path, root: Path, label: str = "") -> Run:
    """Reads one run's folder, below a results folder `root` that has a label; links that lead out of it are refused.

    Raises:
        Unreadable: with one line that says which file and why.
    """
    return finish_run(open_run(run_folder, root), (None, None), label)


def open_run(run_folder: Path, root: Path) -> Opened:
    """The first half of `read_run`, up to where tables are parsed.

    Raises:
        Unreadable: as there.
    """
    manifest = read_json(run_folder / MANIFEST, root)
    if "schema_version" not in manifest:
        raise Unreadable("manifest.json is not from rewardlab (no schema_version)")
    if manifest["schema_version"] != SCHEMA_VERSION:
        given = clean(repr(manifest["schema_version"]), 60)
        raise Unreadable(f"manifest.json has schema_version {given}, not {SCHEMA_VERSION}")
    status = read_json(run_folder / STATUS, root)
    state = status.get("state")
    if state not in STATES:
        raise Unreadable(f"status.json: unknown state {clean(repr(state), 60)}")
    fields.mapping(manifest, "labels")
    path = run_folder / EVALUATIONS
    # Only a finished run's must be there, and whole: others are cut off by nature.
    there = state == "finished" or os.path.lexists(path)
    evaluations = read_bytes(path, root, TABLE_LIMIT) if there else None
    training, blemishes = _training_content(run_folder, root)
    return Opened(run_folder, root, manifest, status, state, evaluations, training, blemishes)


def parse_tables(opened: Sequence[Opened]) -> list[tuple[Table | None, Table | None]]:
    """`eval.csv` and `train.csv` of several runs, as far as they can be parsed together."""
    evaluations = parse_together([each.evaluations or b"" for each in opened], *_OF_EVALUATIONS)
    training = parse_together([each.training or b"" for each in opened], *_OF_TRAINING)
    return list(zip(evaluations, training, strict=True))


def finish_run(opened: Opened, tables: tuple[Table | None, Table | None], label: str) -> Run:
    """The second half of `read_run`, with the tables of the run that have been parsed.

    Raises:
        Unreadable: as there.
    """
    manifest, status, state = opened.manifest, opened.status, opened.state
    labels = fields.mapping(manifest, "labels")
    task, search = (
        fields.mapping(manifest, name) if isinstance(manifest.get(name), dict) else {} for name in ("task", "search")
    )
    evaluations, written = _evaluations(opened, tables[0])
    training, asked, blemishes = _training(opened, tables[1])
    picture, hidden = _has_picture(opened.folder, opened.root)
    suite, lost = read_suite(opened.folder, opened.root)
    replicates, within, unusable = read_regret(opened.folder, opened.root)
    config = {key: value for key, value in fields.flat(manifest.get("config")).items() if key != "seed"}
    return Run(
        name=clean(opened.folder.relative_to(opened.root).as_posix(), 300),
        folder=label,
        setting_id=fields.text(manifest, "setting_id"),
        env=fields.text(labels, "env", "labels."),
        reward=fields.text(labels, "reward", "labels."),
        agent=fields.text(labels, "agent", "labels."),
        curriculum=fields.optional_text(labels, "curriculum") or "none",
        seed=fields.integer(manifest, "seed"),
        budget=_budget(manifest, config, state),
        state=state,
        frames=_frames_done(status.get("frames"), evaluations),
        error=clean(status["error"], 400) if isinstance(status.get("error"), str) else "",
        assumes=fields.texts(manifest, "assumes"),
        writer=fields.optional_text(manifest, "writer"),
        search_frames=fields.number(search, "frames"),
        model_calls=_added(fields.number(search, "calls"), asked.get("calls")),
        model_tokens=_added(fields.number(search, "tokens"), asked.get("tokens")),
        random_return=fields.number(task, "random_return"),
        optimal_return=fields.number(task, "optimal_return"),
        optimum_kind=fields.optional_text(task, "optimum_kind"),
        human_random=fields.number(task, "human_random"),
        human_return=fields.number(task, "human_return"),
        distinct_levels=fields.number(task, "distinct_levels"),
        seen_in_training=fields.number(task, "seen_in_training"),
        evaluations=evaluations,
        written=written,
        config=config,
        command=fields.optional_text(manifest, "command", 2000),
        packages=fields.short(manifest.get("packages")),
        code=fields.short(manifest.get("code")),
        started_at=fields.optional_text(manifest, "started_at", 60),
        updated_at=fields.optional_text(status, "updated_at", 60),
        training=_with_coverage(training, evaluations),
        suite=suite,
        replicates=replicates,
        within=within,
        picture=picture,
        blemishes=(*blemishes, *lost, *unusable, *hidden),
        **{name: fields.optional_text(manifest, name) for name in ("run_id", "git_sha", "device", "backend", "resume")},
    )


def read_picture(run_folder: Path, root: Path) -> bytes:
    """The bytes of a run's `play.gif`.

    Raises:
        Unreadable: there is none, or it is no GIF, too large, or linked from elsewhere.
    """
    content = read_bytes(run_folder / PICTURE, root, PICTURE_LIMIT)
    if content[:6] not in (b"GIF87a", b"GIF89a"):
        raise Unreadable(f"{PICTURE} is no GIF")
    return content


def _evaluations(opened: Opened, known: Table | None) -> tuple[Evaluations, str]:
    """What `eval.csv` says, with its digest."""
    content, whole, frames_done = opened.evaluations, opened.state == "finished", opened.status.get("frames")
    if content is None:
        return Evaluations(*(np.empty(0) for _ in _EVALUATED)), ""
    columns = known if known is not None else parse_table(content, EVALUATIONS, *_OF_EVALUATIONS, whole=whole)
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
    rest = (columns[name][usable] if name in columns else np.full(frames.size, np.nan) for name in _EVALUATED[2:])
    return Evaluations(frames, returns[usable], *rest), digest(content, columns) if usable.all() else ""


def _training_content(run_folder: Path, root: Path) -> tuple[bytes | None, tuple[str, ...]]:
    path = run_folder / TRAINING
    if not os.path.lexists(path):
        return None, ()
    try:
        return read_bytes(path, root, TABLE_LIMIT), ()
    except Unreadable as problem:
        return None, (str(problem),)


def _training(opened: Opened, known: Table | None) -> tuple[Training, dict[str, float], tuple[str, ...]]:
    """What can be had of `train.csv`: the statistics do without it, so a damaged one costs the run nothing else.

    Beside it, calls and tokens of judges that were asked, and what could not be used.
    """
    if opened.training is None:
        return Training(), {}, opened.blemishes
    try:
        columns = known if known is not None else parse_table(opened.training, TRAINING, *_OF_TRAINING, whole=False)
        frames = columns["frames"]
        if not np.isfinite(frames).all() or (frames < 0).any() or (np.diff(frames) <= 0).any():
            raise Unreadable(f"{TRAINING}: frames do not increase")
    except Unreadable as problem:
        return Training(), {}, (str(problem),)
    series = {name: column for key, column in columns.items() if (name := _series(key)) is not None}
    series = dict(sorted(series.items())[:_MOST_SERIES])
    counted = {name: column for name in (*TOTALS, *FIRSTS) if (column := columns.get(f"explore/{name}")) is not None}
    totals = {name: _picked(column) for name, column in counted.items()} if "evaluations" in counted else {}
    asked: dict[str, float] = {}
    for key in columns:
        if (found := _ASKED.fullmatch(key)) is not None and (end := _last(columns, key)) is not None:
            asked[found[1]] = asked.get(found[1], 0.0) + end
    averaged = {name: _averaged(column) for name, column in series.items()}
    return Training(_averaged(frames), averaged, totals, _last(columns, _SCORE)), asked, ()


def _last(columns: Table, name: str) -> float | None:
    """The last number of a column; None where there is none."""
    column = columns.get(name, np.empty(0))
    known = column[np.isfinite(column)]
    return float(known[-1]) if known.size else None


def _added(*numbers: float | None) -> float | None:
    """The sum of those that there are."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _with_coverage(training: Training, evaluations: Evaluations) -> Training:
    """With what evaluations tell of coverage, beside what training does."""
    told = {name: getattr(evaluations, column) for name, column in COVERED.items()}
    told = {name: column for name, column in told.items() if np.isfinite(column).any()}
    if not told:
        return training
    frames = training.frames
    if not frames.size:
        frames = evaluations.frames[np.any([np.isfinite(column) for column in told.values()], axis=0)]
    series = dict(training.series)
    for name, column in told.items():
        known = np.isfinite(column)
        series[f"explore:{name}"] = np.interp(frames, evaluations.frames[known], column[known])
    return dataclasses.replace(training, frames=frames, series=series)


def _series(column: str) -> str | None:
    """`reward/intrinsic_mean` -> "bonus:intrinsic", `explore/states` -> "explore:states", `levels/steps` ->
    "levels:steps"; None for all others.
    """
    if column in _FIRST_COLUMNS:
        return None
    if column.startswith("reward/") and column != "reward/task_mean":
        for end, kind in _OF_STREAMS.items():
            if column.endswith(end):
                return f"{kind}:{clean(column[len('reward/') : -len(end)], 60)}"
    kind, slash, name = column.partition("/")
    return f"{kind}:{clean(name, 60)}" if slash and kind in ("explore", "levels") else None


_OF_STREAMS = {"_mean": "bonus", "_rank": "rank", "_rank_left": "rank_left"}
_OF_EVALUATIONS = (_EVALUATED.__contains__, _EVALUATED[:2])
_FIRST_COLUMNS = tuple(f"explore/{name}" for name in FIRSTS)
_SCORE = "score"
_ASKED = re.compile(r"annotate/(?:[^/]*\.)?(calls|tokens)")  # with a key before it where schemes are mixed


def _is_read(column: str) -> bool:
    """Whether the report makes something of a column of `train.csv`."""
    return _series(column) is not None or column in (*_FIRST_COLUMNS, _SCORE) or _ASKED.fullmatch(column) is not None


_OF_TRAINING = (_is_read, ("frames",))


def _averaged(column: FloatArray) -> FloatArray:
    """Means over groups of neighbouring rows, [at most TRAINING_POINTS]; what is empty or infinite does not count."""
    values = np.where(np.isfinite(column), column, np.nan)
    if values.size <= TRAINING_POINTS:
        return values
    starts = np.linspace(0, values.size, TRAINING_POINTS, endpoint=False).astype(np.intp)
    known = np.add.reduceat(np.isfinite(values).astype(np.float64), starts)
    sums = np.add.reduceat(np.nan_to_num(values), starts)
    means: FloatArray = np.where(known > 0, sums / np.maximum(known, 1), np.nan)
    return means


def _picked(column: FloatArray) -> FloatArray:
    """At most `TRAINING_POINTS` rows, evenly spread, the last among them."""
    rows = np.linspace(column.size - 1, 0, min(column.size, TRAINING_POINTS)).round().astype(np.intp)[::-1]
    return column[rows]


def _has_picture(run_folder: Path, root: Path) -> tuple[bool, tuple[str, ...]]:
    if not os.path.lexists(run_folder / PICTURE):
        return False, ()
    try:
        read_picture(run_folder, root)
    except Unreadable as problem:
        return False, (str(problem),)
    return True, ()


def _budget(manifest: dict[str, Any], config: dict[str, Any], state: str) -> int:
    """What a paused run was asked for is where it was to pause: no later frame says anything of it."""
    asked, pause = fields.integer(manifest, "frames", least=1), config.get("pause_at")
    return min(asked, pause) if state == "paused" and type(pause) is int and pause > 0 else asked


def _frames_done(given: Any, evaluations: Evaluations) -> int:
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 2**63:
        return given
    return int(evaluations.frames[-1]) if evaluations.frames.size else 0
