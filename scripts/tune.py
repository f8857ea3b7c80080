"""Tunes reward schemes by successive halving on deep tasks: `python scripts/tune.py`, see docs/tuning.md.

    python scripts/tune.py                                         # every scheme of scripts/tuning.yaml
    python scripts/tune.py reward=noveld,ride                      # some of them
    python scripts/tune.py reward=mine 'reward.coef=0.001,0.01'    # values of your own, of a scheme of your own

All candidates play the first rung. The better ones of each scheme, by their area, go on from where they paused. Areas
are those of the report: mean height of the normalised learning curve, here up to the rung's frames, averaged over
seeds, then over tasks. The command goes on where it was stopped, and writes OUT/tuning.csv and OUT/tuning.md.
"""

import argparse
import csv
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from rewardlab.config.composition import compose, many, session
from rewardlab.config.expansion import expand
from rewardlab.errors import UserError, unknown
from rewardlab.report.outcomes import Outcome
from rewardlab.report.reading.plain import Unreadable
from rewardlab.report.reading.run_folder import COUNTED_STATES, read_run

LEARNED = 0.01  # an area below it says that nothing was learned: it chooses nothing
ALL = "all"  # stands for the mean over tasks
FIXED = ("env", "seed", "frames", "eval.every", "eval.episodes", "results_dir", "pause_at", "overwrite")  # by protocol
COLUMNS = ("scheme", "candidate", "task", "rung", "frames", "seeds", "area", "lowest", "highest", "kept")


@dataclass(frozen=True)
class Candidate:
    """Overrides of one candidate. options: those that tell it from the others of its scheme."""

    scheme: str
    overrides: tuple[str, ...]
    options: str


@dataclass(frozen=True)
class Rung:
    number: int  # from 1
    share: float
    seeds: tuple[int, ...]
    keep: int


@dataclass(frozen=True)
class Plan:
    tasks: dict[str, int]  # and the frames of a whole run
    evaluations: int
    episodes: int
    rungs: tuple[Rung, ...]
    out: Path

    def every(self, task: str) -> int:
        return max(1, self.tasks[task] // self.evaluations)

    def until(self, task: str, rung: Rung) -> int:
        """Where a run of this rung ends, at an evaluation."""
        last = round(rung.share * self.evaluations)
        return self.tasks[task] if rung.share == 1 else last * self.every(task)

    def overrides(self, task: str) -> list[str]:
        """What all runs on a task have, whatever the rung: so that the next one goes on with them."""
        return [
            f"env={task}", f"frames={self.tasks[task]}", f"eval.every={self.every(task)}",
            f"eval.episodes={self.episodes}", f"results_dir={self.out}",
        ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", type=Path, default=Path(__file__).with_name("tuning.yaml"))
    parser.add_argument("--out", type=Path, default=Path("results/tuning"), help="where runs and tables go")
    parser.add_argument("--dry-run", action="store_true", help="only say what there is to do")
    parser.add_argument("overrides", nargs="*", help="as of `rewardlab run -m`")
    given = parser.parse_args(arguments)
    try:
        with many(), session():
            return tune(read_spec(given.spec), given.overrides, given.out.absolute(), given.dry_run)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


def tune(spec: dict[str, Any], overrides: Sequence[str], out: Path, dry_run: bool) -> int:
    """All rungs, one after the other. Needs a `composition.session`.

    Raises:
        UserError: the spec or the overrides are wrong, or some runs of a rung did not end.
    """
    for item in overrides:
        if item.lstrip("+").partition("=")[0] in FIXED:
            raise UserError(f"{item}: --spec FILE says tasks, frames, seeds and evaluations, --out DIR where runs go")
    rungs = [
        Rung(number, float(each["share"]), tuple(range(spec["first_seed"], spec["first_seed"] + each["seeds"])),
             int(each["keep"]))
        for number, each in enumerate(spec["rungs"], 1)
    ]  # fmt: skip
    plan = Plan(dict(spec["tasks"]), spec["evaluations"], spec["episodes"], tuple(rungs), out)
    left = candidates(spec["candidates"], overrides)
    for task in plan.tasks:
        for each in left:
            compose([*plan.overrides(task), *each.overrides, "seed=0"])  # refused before anything runs
    if dry_run:
        print(told(plan, left))
        return 0
    rows: list[dict[str, Any]] = []
    for rung in plan.rungs:
        print(f"rung {rung.number} of {len(plan.rungs)}: {len(left)} candidates", flush=True)
        areas = finished(plan, rung, left)
        kept = best(areas, left, rung.keep, rung is plan.rungs[-1])
        rows += rung_rows(plan, rung, areas, left, kept)
        write(plan, rows)
        left = kept
    print((out / "tuning.md").read_text())
    return 0


def read_spec(path: Path) -> dict[str, Any]:
    """Raises: UserError: no such file, or it lacks a part."""
    if not path.is_file():
        raise UserError(f"--spec {path}: no such file")
    spec = yaml.safe_load(path.read_text())
    wanted = ("tasks", "first_seed", "evaluations", "episodes", "rungs", "candidates")
    if not isinstance(spec, dict) or set(spec) != set(wanted):
        raise UserError(f"--spec {path}: must have exactly {', '.join(wanted)}")
    shares = [each["share"] for each in spec["rungs"]]
    if not shares or shares != sorted(set(shares)) or shares[-1] != 1 or shares[0] * spec["evaluations"] < 1:
        raise UserError(f"--spec {path}: shares of rungs must grow, from an evaluation at least, to 1")
    if spec["rungs"][-1]["keep"] != 1:
        raise UserError(f"--spec {path}: the last rung keeps one")
    return spec


def candidates(listed: dict[str, dict[str, list[Any]]], overrides: Sequence[str]) -> list[Candidate]:
    """The candidates of each scheme: those that the command line sweeps over, else those of the spec.

    Raises:
        UserError: a scheme has none, or not as many as another.
    """
    given: dict[str, list[list[str]]] = defaultdict(list)
    named = any(item.startswith("reward=") for item in overrides)
    for job in expand([*overrides, *([] if named else [f"reward={','.join(listed)}"])]):
        given[next(item for item in job if item.startswith("reward=")).partition("=")[2]].append(job)
    found = []
    for scheme, jobs in given.items():
        if len(jobs) == 1:
            if scheme not in listed:
                raise unknown("reward", scheme, listed, "scheme with candidates; name some, as in reward.coef=0.01,0.1")
            jobs = expand(
                [*jobs[0], *(f"{key}={','.join(map(str, values))}" for key, values in listed[scheme].items())]
            )
        swept = {item for job in jobs for item in job} - set.intersection(*map(set, jobs))
        found += [Candidate(scheme, tuple(job), " ".join(item for item in job if item in swept)) for job in jobs]
    counts = Counter(each.scheme for each in found)
    if len(set(counts.values())) > 1:
        raise UserError(
            f"as many candidates for every scheme, please: {', '.join(f'{k} {n}' for k, n in counts.items())}"
        )
    return found


def finished(plan: Plan, rung: Rung, left: Sequence[Candidate]) -> dict[tuple[str, str], dict[Candidate, list[float]]]:
    """Areas of a rung's runs, one for each seed: task -> candidate -> areas. Runs what is not there yet.

    Raises:
        UserError: some runs have not come to the rung's end.
    """
    areas = {task: {each: known(plan, rung, task, each) for each in left} for task in plan.tasks}
    if missing(areas):
        before = signal.signal(signal.SIGINT, lambda *_: None)  # the sweep hears a terminal too, ends in order
        code = subprocess.run(sweep(plan, rung, left), check=False).returncode
        signal.signal(signal.SIGINT, before)
        if code >= 128 or code < 0:
            raise UserError("stopped: the same command goes on")
        areas = {task: {each: known(plan, rung, task, each) for each in left} for task in plan.tasks}
    if lacking := missing(areas):
        raise UserError(
            f"rung {rung.number}: {lacking} runs have not come to its end; the same command tries them again"
        )
    return areas  # type: ignore[return-value]


def known(plan: Plan, rung: Rung, task: str, candidate: Candidate) -> list[float | None]:
    """Areas up to the rung's end, one for each seed; None where a run is not that far."""
    return [area(plan, rung, task, candidate, seed) for seed in rung.seeds]


def area(plan: Plan, rung: Rung, task: str, candidate: Candidate, seed: int) -> float | None:
    """Raises: UserError: returns on the task cannot be normalised."""
    folder = compose([*plan.overrides(task), *candidate.overrides, f"seed={seed}"]).folder
    until = plan.until(task, rung)
    try:
        run = read_run(folder, plan.out)
    except (Unreadable, OSError):
        return None
    outcome = Outcome(run)
    ended = run.state in COUNTED_STATES and run.budget >= until
    if not run.evaluations.frames.size or not (ended or outcome.evaluated[-1] >= until):
        return None
    found = outcome.area(float(until))
    if found is None:
        raise UserError(f"env={task}: its optimum is not known, so that areas cannot be averaged; take another task")
    return found


def missing(areas: Any) -> int:
    return sum(each is None for of_task in areas.values() for seeds in of_task.values() for each in seeds)


def sweep(plan: Plan, rung: Rung, left: Sequence[Candidate]) -> list[str]:
    """The command that runs a rung, and its study as a file beside the runs."""
    grids = []
    for candidate in left:
        own = dict(item.split("=", 1) for item in candidate.overrides)
        for task in plan.tasks:
            grid = dict(item.split("=", 1) for item in plan.overrides(task)) | own
            pause = {} if rung.share == 1 else {"pause_at": str(plan.until(task, rung))}
            grids.append({**grid, "seed": ",".join(map(str, rung.seeds)), **pause})
    study = plan.out / "conf" / "study" / f"rung_{rung.number}.yaml"
    study.parent.mkdir(parents=True, exist_ok=True)
    settings = {"results_dir": str(plan.out), "hydra": {"sweeper": {"grids": grids}}}
    study.write_text(f"# @package _global_\n# Written by scripts/tune.py\n{yaml.safe_dump(settings, sort_keys=False)}")
    flags = ["-m", "--config-dir", str(study.parents[1]), f"+study={study.stem}"]
    return [sys.executable, "-m", "rewardlab", "run", *flags]


def best(areas: Any, left: Sequence[Candidate], keep: int, last: bool) -> list[Candidate]:
    """The candidates of each scheme with the largest areas, in the order in which they were given; of equal ones the
    first. All of a scheme that has learned nothing yet go on: chance alone would choose among them.
    """
    kept = set()
    for scheme in dict.fromkeys(each.scheme for each in left):
        own = [each for each in left if each.scheme == scheme]
        ranked = sorted(own, key=lambda each: -overall(areas, each))
        kept |= set(ranked[:keep] if last or overall(areas, ranked[0]) >= LEARNED else ranked)
    return [each for each in left if each in kept]


def overall(areas: Any, candidate: Candidate) -> float:
    return mean(mean(of_task[candidate]) for of_task in areas.values())


def rung_rows(
    plan: Plan, rung: Rung, areas: Any, left: Sequence[Candidate], kept: Sequence[Candidate]
) -> list[dict[str, Any]]:
    rows = []
    for candidate in left:
        cells = [candidate.scheme, candidate.options]
        for task, of_task in areas.items():
            own = of_task[candidate]
            numbers = [plan.until(task, rung), len(own), mean(own), min(own), max(own)]
            rows.append([*cells, task, rung.number, *numbers, candidate in kept])
        numbers = ["", len(rung.seeds), overall(areas, candidate), "", ""]
        rows.append([*cells, ALL, rung.number, *numbers, candidate in kept])
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def write(plan: Plan, rows: Sequence[dict[str, Any]]) -> None:
    with (plan.out / "tuning.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    lines = ["# Tuning", ""]
    done = rows[-1]["rung"]
    if done == len(plan.rungs):
        lines += ["| scheme | chosen | area | |", "|---|---|---:|---|", *chosen(rows), ""]
    lines += ["Mean areas over seeds; in brackets the lowest and the highest. Bold: goes on, or is chosen.", ""]
    for rung in plan.rungs[:done]:
        ends = ", ".join(f"{plan.until(task, rung):,} on {task}" for task in plan.tasks)
        lines += [f"## Rung {rung.number}: seeds {', '.join(map(str, rung.seeds))}; frames {ends}", ""]
        lines += [
            f"| scheme | candidate | {' | '.join(plan.tasks)} | {ALL} |",
            "|---|---|" + "---:|" * (len(plan.tasks) + 1),
        ]
        own = [row for row in rows if row["rung"] == rung.number]
        for start in range(0, len(own), len(plan.tasks) + 1):
            *of_tasks, whole = own[start : start + len(plan.tasks) + 1]
            name = f"**{whole['candidate']}**" if whole["kept"] else whole["candidate"]
            cells = [f"{row['area']:.2f} ({row['lowest']:.2f} to {row['highest']:.2f})" for row in of_tasks]
            lines.append(f"| `{whole['scheme']}` | {name} | {' | '.join(cells)} | {whole['area']:.3f} |")
        lines.append("")
    (plan.out / "tuning.md").write_text("\n".join(lines))


def chosen(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A row for each scheme: what it takes, and what to know of that."""
    lines = []
    for row in rows:
        if row["task"] != ALL or row["rung"] != rows[-1]["rung"] or not row["kept"]:
            continue
        every = [
            each["candidate"]
            for each in rows
            if (each["scheme"], each["task"], each["rung"]) == (row["scheme"], ALL, 1)
        ]
        if row["area"] < LEARNED:
            name, note = "", "no candidate learned anything: the default stays"
        else:
            name = row["candidate"]
            note = "at the edge of the candidates" if name in (every[0], every[-1]) and len(every) > 1 else ""
        lines.append(f"| `{row['scheme']}` | {name} | {row['area']:.3f} | {note} |")
    return lines


def told(plan: Plan, left: Sequence[Candidate]) -> str:
    """Runs and frames of each rung, if every scheme learns something in the first."""
    schemes, lines, before, seeds_before = len({each.scheme for each in left}), [], dict.fromkeys(plan.tasks, 0), 0
    count, total = len(left), 0
    for rung in plan.rungs:
        fresh = len(rung.seeds) - seeds_before
        frames = sum(
            count * (len(rung.seeds) * plan.until(task, rung) - (len(rung.seeds) - fresh) * before[task])
            for task in plan.tasks
        )
        total += frames
        lines.append(f"rung {rung.number}: {count * len(rung.seeds) * len(plan.tasks)} runs, {frames / 1e6:,g}M frames")
        before, seeds_before = {task: plan.until(task, rung) for task in plan.tasks}, len(rung.seeds)
        count = min(count, schemes * rung.keep)
    return "\n".join([*lines, f"altogether {total / 1e6:,g}M frames, of {schemes} schemes on {len(plan.tasks)} tasks"])


if __name__ == "__main__":
    sys.exit(main())
