"""`rewardlab run ... --dry-run`: what would be done, and about how long and large it would be. Nothing is written."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rewardlab.commands import screen
from rewardlab.config.composition import Prepared
from rewardlab.records.continuation import decide
from rewardlab.records.status import read_status
from rewardlab.report.numbers import amount, duration, plural
from rewardlab.sweep.launch import setting_label
from rewardlab.sweep.past import Past, folder_size, together

_MOST_ROWS = 13  # with what surrounds them, twenty lines
_SHORTEST_NAME = 20
_UNKNOWN = "unknown"
_WORDS = {
    "start": "new",
    "continue": "continues",
    "skip": "finished",
    "paused": "paused",
    "diverged": "diverged",
    "locked": "at work",
    "damaged": "damaged",
}  # in the order in which they are told
_TO_DO = ("new", "continues")


@dataclass(frozen=True)
class Task:
    """A job of the sweep, as it would go now.

    state: one of `_WORDS`.
    frames: that are still to be done.
    seconds, size: that it would take, and bytes that it would add to the disk; None where nothing is known.
    """

    number: int
    setting: str
    label: str
    seed: int
    state: str
    frames: int = 0
    seconds: float | None = 0.0
    size: int | None = 0


def preview(jobs: Sequence[Prepared], at_once: int | None, columns: int | None, in_full: bool) -> str:
    """What to print.

    Args:
        jobs: of the sweep, in its order.
        at_once: how many run at the same time; None where a cluster decides.
        columns: of the terminal; None: nothing is cut.
        in_full: a line for each job, however many there are.
    """
    tasks = _tasks(jobs)
    rows = _each(tasks) if in_full else _by_setting(tasks)
    head, *found = _table(rows, columns)
    more = len(found) - _MOST_ROWS
    if not in_full and more > 1:
        found = [*found[:_MOST_ROWS], f"and {more} settings more; --long lists every job"]
    results = dict.fromkeys(job.config.results_dir for job in jobs)
    text = [_counts(tasks), *_sums(tasks, at_once, next(iter(results)))]
    return "\n".join([*(line for each in text for line in screen.wrapped(each, columns, 2)), "", head, *found])


def _tasks(jobs: Sequence[Prepared]) -> list[Task]:
    """The jobs, by the rule that a sweep goes by (`decide`)."""
    past = Past(Path(folder) for folder in dict.fromkeys(job.config.results_dir for job in jobs))
    common = set(jobs[0].overrides).intersection(*(job.overrides for job in jobs))
    tasks = []
    for number, job in enumerate(jobs):
        label = setting_label(job, [item for item in job.overrides if item not in common])
        state = _WORDS[decide(job.folder, job.config.overwrite, pause_at=job.config.pause_at).action]
        frames, seconds, size = 0, 0.0, 0
        task = Task(number, job.setting_id, label, job.config.seed, state, frames, seconds, size)
        tasks.append(_to_do(task, job, past) if state in _TO_DO else task)
    return tasks


def _to_do(task: Task, job: Prepared, past: Past) -> Task:
    begun = read_status(job.folder)[0] if task.state == "continues" else None
    frames = max(0, job.config.frames_for_now - (begun.frames if begun is not None else 0))
    known = past.expected(job.flat)
    seconds = None if known is None else frames / known.frames_per_second
    size = None if known is None else max(0, known.size - folder_size(job.folder))
    return Task(task.number, task.setting, task.label, task.seed, task.state, frames, seconds, size)


def _counts(tasks: Sequence[Task]) -> str:
    """`30 jobs: 16 new, 2 continue, 12 finished`."""
    return f"{plural(len(tasks), 'job')}: {_states(tasks)}. Nothing is started or written."


def _states(tasks: Sequence[Task]) -> str:
    counts = Counter(task.state for task in tasks)
    told = [(counts[state], state) for state in _WORDS.values() if counts[state]]
    return ", ".join(f"{count} {'continue' if state == 'continues' and count > 1 else state}" for count, state in told)


def _sums(tasks: Sequence[Task], at_once: int | None, results: str) -> list[str]:
    """What all jobs together take, and what of it is not known."""
    to_do = [task for task in tasks if task.state in _TO_DO]
    seconds = [task.seconds for task in to_do if task.seconds is not None]
    size = sum(task.size for task in to_do if task.size is not None)
    told = []
    if seconds:
        takes = f"About {duration(sum(seconds))} of computing"
        if at_once is not None and at_once > 1:
            takes += f", {duration(together(seconds, at_once))} with {at_once} jobs at once"
        told.append(f"{takes}; {_bytes(size)} of disk{_free(results)}.")
    if unknown := len(to_do) - len(seconds):
        which = plural(unknown, "job")
        told.append(f"Unknown for {which}: no finished run in {_short(results)} has the environment and the agent.")
    return told


def _free(results: str) -> str:
    existing = next((path for path in (Path(results), *Path(results).parents) if path.exists()), None)
    return "" if existing is None else f" ({_bytes(shutil.disk_usage(existing).free)} free)"


def _bytes(count: int) -> str:
    """`66.6 MB`."""
    return re.sub(r"([kMG]?)$", r" \1B", amount(count), count=1)


def _short(path: str) -> str:
    return min(path, os.path.relpath(path), key=len)


def _by_setting(tasks: Sequence[Task]) -> list[list[str]]:
    """A row for each setting: its seeds are counted."""
    rows = [["setting", "jobs", "frames", "time", "disk"]]
    ordered = sorted(tasks, key=lambda task: (task.setting, task.label))
    groups = [list(found) for _, found in groupby(ordered, key=lambda task: (task.setting, task.label))]
    for found in sorted(groups, key=lambda found: min(task.number for task in found)):
        rows.append([found[0].label, _states(found), *_numbers(found)])
    return rows


def _each(tasks: Sequence[Task]) -> list[list[str]]:
    rows = [["run", "job", "frames", "time", "disk"]]
    return [*rows, *([f"{task.label} seed{task.seed}", task.state, *_numbers([task])] for task in tasks)]


def _numbers(tasks: Sequence[Task]) -> list[str]:
    """Cells: frames, time and disk of what is to be done."""
    to_do = [task for task in tasks if task.state in _TO_DO]
    if not to_do:
        return ["", "", ""]
    seconds, sizes = [task.seconds for task in to_do], [task.size for task in to_do]
    time = _UNKNOWN if None in seconds else duration(sum(each for each in seconds if each is not None))
    disk = _UNKNOWN if None in sizes else _bytes(sum(each for each in sizes if each is not None))
    return [amount(sum(task.frames for task in to_do)) or "0", time, disk]


def _table(rows: Sequence[Sequence[str]], columns: int | None) -> list[str]:
    if columns is not None:
        others = sum(2 + max(map(len, column)) for column in list(zip(*rows, strict=True))[1:])
        room = max(_SHORTEST_NAME, columns - others)
        rows = [[screen.cut_middle(row[0], room), *row[1:]] for row in rows]
    return [screen.cut(line, columns) for line in screen.aligned(rows, right=(2, 3, 4))]
