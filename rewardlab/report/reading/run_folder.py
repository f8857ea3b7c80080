"""Reads one run's folder: plain JSON and CSV, nothing resolved, instantiated or unpickled."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rewardlab.records.archive import ARCHIVE, LEVELS, REWARD_MAP
from rewardlab.records.manifest import SCHEMA_VERSION
from rewardlab.records.status import STATES
from rewardlab.report.reading import fields
from rewardlab.report.reading.evaluations import EVALUATIONS, OF_EVALUATIONS, Evaluations, read_evaluations
from rewardlab.report.reading.plain import (
    TABLE_LIMIT,
    Table,
    Unreadable,
    clean,
    read_bytes,
    read_json,
)
from rewardlab.report.reading.regret import REPLICATES, WITHIN, read_regret
from rewardlab.report.reading.suite import SUITE, read_suite
from rewardlab.report.reading.together import parse_together
from rewardlab.report.reading.training import (
    OF_TRAINING,
    TRAINING,
    Training,
    read_training,
    training_content,
    with_coverage,
)

MANIFEST, STATUS, PICTURE = "manifest.json", "status.json", "play.gif"
FILES = (MANIFEST, STATUS, EVALUATIONS, TRAINING, SUITE, REPLICATES, WITHIN, PICTURE, ARCHIVE, REWARD_MAP, LEVELS)
"""What the report reads of a run."""

COUNTED_STATES = ("finished", "diverged", "paused")
"""States of runs that ended by themselves, if only for now."""

PICTURE_LIMIT = 2 * 2**20  # bytes


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
    training, blemishes = training_content(run_folder, root)
    return Opened(run_folder, root, manifest, status, state, evaluations, training, blemishes)


def parse_tables(opened: Sequence[Opened]) -> list[tuple[Table | None, Table | None]]:
    """`eval.csv` and `train.csv` of several runs, as far as they can be parsed together."""
    evaluations = parse_together([each.evaluations or b"" for each in opened], *OF_EVALUATIONS)
    training = parse_together([each.training or b"" for each in opened], *OF_TRAINING)
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
    evaluations, written = read_evaluations(opened.evaluations, tables[0], state == "finished", status.get("frames"))
    training, asked, unread = read_training(opened.training, tables[1])
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
        training=with_coverage(training, evaluations),
        suite=suite,
        replicates=replicates,
        within=within,
        picture=picture,
        blemishes=(*opened.blemishes, *unread, *lost, *unusable, *hidden),
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


def _added(*numbers: float | None) -> float | None:
    """The sum of those that there are."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


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
