"""Finds runs below a folder and reads them, in parallel and only those that have changed.

Other people's runs are data. Whatever is truncated, empty, binary, huge, not a number or simply something else is
named as a `Problem` and left out; nothing in a folder can stop the report.
"""

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rewardlab.report.helpers import Helpers
from rewardlab.report.reading.cache import ReadingCache, Stamp
from rewardlab.report.reading.evaluations import EVALUATIONS
from rewardlab.report.reading.plain import Unreadable, clean
from rewardlab.report.reading.run_folder import (
    COUNTED_STATES,
    FILES,
    MANIFEST,
    STATUS,
    Opened,
    Run,
    finish_run,
    open_run,
    parse_tables,
)

# A folder with one of these and no manifest was a run once: it is named, not passed over.
_TRACES = {MANIFEST, STATUS, EVALUATIONS}
UNREADABLE, DUPLICATE, CANDIDATE = "unreadable", "duplicate", "candidate"
FIRST_ROUND = "round0"  # a folder that every loop of `rewardlab write` begins with, beside its runs
_WORTH_A_HELPER = 200  # runs: below, starting processes takes longer than reading
_TOGETHER = 25  # runs, whose tables are parsed together
_HELD_AT_ONCE = 8 * 2**20  # bytes of tables that are not parsed yet
_STILL_WARM_NS = 2 * 10**9  # a file this young may change again without its time changing


@dataclass(frozen=True)
class Problem:
    """A folder that looks like a run and could not be used, or need not be, and why."""

    name: str
    folder: str
    reason: str
    state: str = UNREADABLE  # or DUPLICATE, CANDIDATE


@dataclass(frozen=True)
class Found:
    """A folder that holds (or held) a run."""

    path: Path  # where it is
    root: Path  # the results folder
    label: str  # of the results folder
    # size, time and number of each file; None where that does not tell whether it will have changed
    stamp: Stamp | None

    @property
    def name(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    @property
    def loop(self) -> Path | None:
        """Below a results folder, the folder of the `rewardlab write` that trained it."""
        inside = self.path.relative_to(self.root).parts
        ends = [at for at, part in enumerate(inside) if at and part == "runs"]
        folders = (self.root.joinpath(*inside[:at]) for at in ends)
        return next((each for each in folders if (each / FIRST_ROUND).is_dir()), None)


@dataclass(frozen=True)
class Collection:
    """Everything found below the given folders, in a stable order."""

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]


def find_runs(roots: Sequence[tuple[str, Path]]) -> list[Found]:
    """Folders of runs below (label, folder) pairs, in a stable order; one that is reached twice counts once."""
    found, seen = [], set()
    moment = time.time_ns()
    for label, root in roots:
        for path in _run_folders(root):
            if (resolved := os.path.realpath(path)) not in seen:
                seen.add(resolved)
                found.append(Found(path, root, label, _stamp(path, moment)))
    return found


def read_found(found: Sequence[Found], helpers: Helpers | None = None) -> Collection:
    """Reads folders of runs, those that have not changed since they were last read from the user's cache.

    The same setting and seed found twice below one folder counts once, and the others are named. So are the
    candidates of loops that wrote rewards, which are no methods. Where many are to be read, helpers read with this
    process.
    """
    read: dict[int, Run | Problem] = {}
    caches = {root: ReadingCache(root) for root in dict.fromkeys(each.root for each in found)}
    for place, each in enumerate(found):
        if each.stamp is not None and (known := caches[each.root].get(each.name, each.stamp)) is not None:
            read[place] = replace(known, folder=each.label)
    fresh = [place for place in range(len(found)) if place not in read]
    read |= zip(fresh, _read_all([found[place] for place in fresh], helpers), strict=True)
    for root, cache in caches.items():
        cache.keep({
            each.name: (each.stamp, run)
            for place, each in enumerate(found)
            if each.root == root and each.stamp is not None and isinstance(run := read[place], Run)
        })  # fmt: skip
    return _without_twins([_or_candidate(each, read[place]) for place, each in enumerate(found)])


def _run_folders(root: Path) -> Iterator[Path]:
    """Folders that hold (or held) a run, in a stable order; links to folders are never followed."""
    for current, folders, files in os.walk(root, followlinks=False):
        folders.sort()
        if not _TRACES.isdisjoint(files):
            folders.clear()
            yield Path(current)


def _stamp(path: Path, moment: int) -> Stamp | None:
    stamps: list[tuple[str, int, int, int]] = []
    for name in FILES:
        try:
            facts = os.lstat(path / name)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        if not stat.S_ISREG(facts.st_mode) or facts.st_mtime_ns > moment - _STILL_WARM_NS:
            return None
        stamps.append((name, facts.st_size, facts.st_mtime_ns, facts.st_ino))
    return tuple(stamps)


def _read_all(found: Sequence[Found], helpers: Helpers | None) -> list[Run | Problem]:
    pieces = [found[at : at + _TOGETHER] for at in range(0, len(found), _TOGETHER)]
    if len(found) < _WORTH_A_HELPER or helpers is None or not helpers.possible:
        read = [_read(piece) for piece in pieces]
    else:
        read = helpers.map(_read, pieces)
    return [run for piece in read for run in piece]


def _read(found: Sequence[Found]) -> list[Run | Problem]:
    """Reads a few runs, whose tables are parsed together as far as they are small."""
    read: list[Run | Problem] = []
    waiting: list[Opened | Problem] = []
    size = 0
    for each in found:
        opened = _or_problem(each, open_run, each.path, each.root)
        waiting.append(opened)
        size += opened.size if isinstance(opened, Opened) else 0
        if size > _HELD_AT_ONCE or len(read) + len(waiting) == len(found):
            read += _finished(found[len(read) :], waiting)
            waiting, size = [], 0
    return read


def _finished(found: Sequence[Found], opened: Sequence[Opened | Problem]) -> Iterator[Run | Problem]:
    tables = iter(parse_tables([each for each in opened if isinstance(each, Opened)]))
    for place, each in zip(found, opened, strict=False):
        yield each if isinstance(each, Problem) else _or_problem(place, finish_run, each, next(tables), place.label)


def _or_problem(found: Found, task: Callable[..., Any], *given: Any) -> Any:
    """What becomes of a run, or why nothing does."""
    try:
        return task(*given)
    except Unreadable as problem:
        reason = str(problem)
    except (OSError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
        reason = clean(f"{type(error).__name__}: {error}", 200)
    return Problem(clean(found.name, 300), found.label, reason)


def _or_candidate(found: Found, read: Run | Problem) -> Run | Problem:
    """A run of a loop stays where it is of what the loop found, whose code tells what the search took."""
    if not isinstance(read, Run) or read.search_frames is not None or (loop := found.loop) is None:
        return read
    name = clean(loop.relative_to(found.root).as_posix(), 300)
    return Problem(read.name, read.folder, f"one of those that {name} chose from", CANDIDATE)


def _without_twins(read: Sequence[Run | Problem]) -> Collection:
    """Of runs of one setting and seed one: rather one that ended, then the longer, then the first by name."""
    used: dict[tuple[str, str, int], Run] = {}
    for each in read:
        if isinstance(each, Run):
            key = (each.folder, each.setting_id, each.seed)
            if key not in used or _worth(each) > _worth(used[key]):
                used[key] = each
    runs: list[Run] = []
    problems: list[Problem] = []
    for each in read:
        if isinstance(each, Problem):
            problems.append(each)
        elif (twin := used[each.folder, each.setting_id, each.seed]) is each:
            runs.append(each)
        else:
            reason = f"the same setting and seed as {twin.name}, which is used: {_why(twin, each)}"
            problems.append(Problem(each.name, each.folder, reason, DUPLICATE))
    return Collection(tuple(runs), tuple(problems))


def _worth(run: Run) -> tuple[bool, int]:
    return run.state in COUNTED_STATES, run.frames


def _why(used: Run, other: Run) -> str:
    if (used.state in COUNTED_STATES) != (other.state in COUNTED_STATES):
        return f"it is {used.state}, this one {other.state}"
    if used.frames != other.frames:
        return f"it has {used.frames:,} frames, this one {other.frames:,}"
    return "both are equally long, and it comes first by name"
