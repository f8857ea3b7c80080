"""This checkout beside another one, an older build say: what people wait for, in turns.

    python scripts/beside.py OTHER [TABLE ...] [--rounds 5]

Tables: run, threshold, startup, sweep, memory. Medians over rounds, and of the ratios within a round. The environment
must have what both need; kernels are compiled before anything is timed.
"""

import argparse
import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
Times = tuple[float, float]  # wall-clock and CPU seconds, or whatever a table measures twice

_RUN = ["run", "env=doorkey", "reward=none"]
_SWEEP = ["run", "-m", "env=doorkey_5x5", "reward=none,rnd", "seed=range(0,16)", "frames=50_000"]
_PAIR = ["run", "-m", "env=doorkey_5x5", "reward=none,rnd", "seed=0", "frames=2e6"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the folder of the other checkout")
    parser.add_argument("tables", nargs="*", metavar="TABLE", default=list(TABLES), help=", ".join(TABLES))
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if unknown := set(given.tables) - set(TABLES):
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    if not (given.other / "rewardlab").is_dir():
        parser.error(f"{given.other}: no checkout of rewardlab")
    builds = (given.other.resolve(), HERE)
    for build in builds:
        _command(build, [*_RUN, "frames=1"])
        _command(build, ["run", "env=doorkey_5x5", "reward=rnd", "frames=40_000"])
    print(f"load before: {os.getloadavg()[0]:.1f}\n")
    print("| what | other | this | this over other (min to max) |\n|---|---|---|---|")
    for name in given.tables:
        what, measure, rounds = TABLES[name]
        found = [[measure(build, number) for build in builds] for number in range(rounds or given.rounds)]
        for index, unit in enumerate(what):
            columns = [[row[side][index] for row in found] for side in (0, 1)]
            ratios = [new / old for old, new in zip(*columns, strict=True)]
            other, this = (statistics.median(column) for column in columns)
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"| {unit} | {other:,.2f} | {this:,.2f} | {spread} |", flush=True)


def _command(build: Path, arguments: list[str]) -> Times:
    with tempfile.TemporaryDirectory() as folder:
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "rewardlab", *arguments, f"results_dir={folder}"]
        subprocess.run(command, check=True, capture_output=True, env=_environment(build), cwd=folder)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _threshold(build: Path, seed: int) -> Times:
    """Seconds from the command to the first of two evaluations in a row at 0.9 of the optimum; start-up counts."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [*_RUN, "frames=1e6", f"seed={seed}", f"results_dir={folder}"]
        started = time.perf_counter()
        command = [sys.executable, "-m", "rewardlab", *arguments]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment(build), cwd=folder
        ) as run:
            while run.poll() is None and not _reached(Path(folder)):
                time.sleep(0.02)
            wall = time.perf_counter() - started
            run.terminate()
        return wall, wall


def _reached(folder: Path) -> bool:
    for table in folder.glob("runs/*/*/*/*/eval.csv"):
        returns = [float(row["return_mean"] or 0) for row in csv.DictReader(table.read_text().splitlines())]
        return len(returns) > 1 and min(returns[-2:]) > _GOAL
    return False


_GOAL = 0.9 * 0.976  # of DoorKey-8x8's optimum (rewardlab list env --optimal); random play has nearly nothing


def _memory(build: Path, number: int) -> Times:
    """Proportional set size in MB of two jobs past 60,000 frames, and with what else the sweep runs."""
    import psutil

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "rewardlab", *_PAIR, f"results_dir={folder}"]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment(build), cwd=folder
        ) as sweep:
            while len(tables := list(Path(folder).glob("runs/*/*/*/*/train.csv"))) < 2 or not all(map(_past, tables)):
                time.sleep(0.1)
            family = psutil.Process(sweep.pid).children(recursive=True)
            sizes = sorted((each.memory_full_info().pss / 1e6, each.cpu_times().user) for each in family)
            jobs = sorted(sizes, key=lambda size: size[1])[-2:]  # the busy ones
            sweep.terminate()
        return sum(size for size, _ in jobs), sum(size for size, _ in sizes)


def _past(table: Path) -> bool:
    rows = table.read_text().splitlines()
    return len(rows) > 1 and float(rows[-1].split(",")[0]) > 60_000


def _environment(build: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(build), "OMP_NUM_THREADS": "1"}


TABLES: dict[str, tuple[tuple[str, ...], Callable[[Path, int], Times], int | None]] = {
    "run": (
        ("a run of 1e6 frames with evaluations, wall s", "the same, CPU s"),
        lambda build, number: _command(build, [*_RUN, "frames=1e6"]),
        None,
    ),
    "threshold": (("to 0.9 on DoorKey-8x8, seeds 0 to 9, wall s",), _threshold, 10),
    "startup": (
        ("a run of one frame, wall s", "the same, CPU s"),
        lambda build, number: _command(build, [*_RUN, "frames=1"]),
        None,
    ),
    "sweep": (
        ("a sweep of 32 jobs on all cores, wall s", "the same, CPU s"),
        lambda build, number: _command(build, _SWEEP),
        None,
    ),
    "memory": (("two jobs at once, PSS in MB", "with the sweep's other processes"), _memory, None),
}


if __name__ == "__main__":
    main()
