"""How training scales on this machine: tables in markdown, for docs/performance.md.

    python scripts/scaling.py [TABLE ...] [--rounds 3] [--frames 5e6]

Tables: envs, width, streams, seeds, startup, memory, flat. What a table compares takes turns; medians over rounds.
"""

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

_SECONDS = 2.0  # of a timed stretch of training
_BONUSES = ("count", "rnd", "icm", "noveld", "pseudocount")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", default=list(TABLES), help=", ".join(TABLES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=float, default=5e6, help="of the long run of flat")
    parser.add_argument("--reward", default="none", help="of the long run of flat")
    given = parser.parse_args()
    if unknown := set(given.tables) - set(TABLES):
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in given.tables:
        load = os.getloadavg()[0]
        print(f"\n### {name} (load before: {load:.1f}, {os.cpu_count()} cores)\n", flush=True)
        TABLES[name](given)


def envs(given: argparse.Namespace) -> None:
    """Frames per second against environments; eight minibatches for each pass, none below 256 samples."""
    settings = {
        str(count): [f"num_envs={count}", f"agent.minibatch_size={max(256, count * 32 // 8)}"]
        for count in (16, 64, 256, 1024, 4096)
    }
    _training_table("environments", settings, given.rounds)


def width(given: argparse.Namespace) -> None:
    """Frames per second against the width of the two hidden layers."""
    settings = {str(width): [f"agent.hidden=[{width},{width}]"] for width in (32, 64, 128, 256, 512)}
    _training_table("width", settings, given.rounds)


def streams(given: argparse.Namespace) -> None:
    """Frames per second against reward streams: none, then a mix of more and more bonuses."""
    settings = {"1 (none)": ["reward=none"]}
    for count in range(1, len(_BONUSES) + 1):
        names = _BONUSES[:count]
        added = [f"+reward@reward.schemes.{name}={name}" for name in names[2:]]
        settings[f"{count + 1} ({names[-1]} added)"] = [f"reward={names[0]}"] if count == 1 else ["reward=mix", *added]
    _training_table("streams", settings, given.rounds)


def seeds(given: argparse.Namespace) -> None:
    """One run on one core, then two at once on two: frames per second together."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        print("one core only: nothing to compare")
        return
    ratios = []
    print("| one seed, frames/s | two seeds, frames/s together | ratio |\n|---|---|---|")
    for _ in range(given.rounds):
        alone, together = _at_once(cores[:1]), _at_once(cores)
        ratios.append(together / alone)
        print(f"| {alone:,.0f} | {together:,.0f} | {ratios[-1]:.2f} |", flush=True)
    print(f"\nmedian ratio {statistics.median(ratios):.2f}")


def startup(given: argparse.Namespace) -> None:
    """From the command to its end, with a warm cache."""
    print("| command | wall s | CPU s |\n|---|---|---|")
    run = ["run", "env=doorkey", "reward=none", "frames=1", "overwrite=true"]
    for arguments in (["--help"], ["list"], run):
        times = [_command(arguments) for _ in range(given.rounds + 1)][1:]
        wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"| `rewardlab {' '.join(arguments[:4])}` | {wall:.2f} | {cpu:.2f} |", flush=True)


def memory(given: argparse.Namespace) -> None:
    """The largest resident memory of a default run; reward=none and the mix of two bonuses."""
    print("| run | max resident MB |\n|---|---|")
    for reward in ("none", "mix"):
        with tempfile.TemporaryDirectory() as folder:
            code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=-3); "
            code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
            command = [sys.executable, "-m", "rewardlab", "run", f"reward={reward}", "frames=40_000"]
            command += ["eval.every=20_000", f"results_dir={folder}"]
            output = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
        print(f"| `rewardlab run reward={reward}` | {int(output.stdout) / 1024:,.0f} |", flush=True)


def flat(given: argparse.Namespace) -> None:
    """CPU time per frame in each tenth of a long run, and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        frames = int(given.frames)
        command = [sys.executable, "-m", "rewardlab", "run", f"reward={given.reward}", f"frames={frames}"]
        command += [f"results_dir={folder}", "eval.every=1_000_000_000"]
        subprocess.run(command, check=True, capture_output=True)
        (table,) = Path(folder).glob("runs/*/*/*/*/train.csv")
        rows = list(csv.DictReader(table.read_text().splitlines()))
        checkpoint = table.with_name("checkpoint.pt").stat().st_size
    at = [(float(row["frames"]), float(row["cpu_seconds"])) for row in rows]
    cuts = [min(at, key=lambda point, part=part: abs(point[0] - part * frames / 10)) for part in range(11)]
    cuts[0] = at[0]
    print(f"reward={given.reward}, {frames:,} frames\n\n| tenth | CPU us per frame |\n|---|---|")
    for index, (before, after) in enumerate(pairwise(cuts), 1):
        print(f"| {index} | {1e6 * (after[1] - before[1]) / (after[0] - before[0]):.1f} |")
    print(f"\nthe checkpoint at the end: {checkpoint / 1e6:.2f} MB")


TABLES: dict[str, Callable[[argparse.Namespace], None]] = {
    "envs": envs,
    "width": width,
    "streams": streams,
    "seeds": seeds,
    "startup": startup,
    "memory": memory,
    "flat": flat,
}


def _training_table(head: str, settings: dict[str, Sequence[str]], rounds: int) -> None:
    import torch

    torch.set_num_threads(1)
    stretches = {name: _stretch(overrides) for name, overrides in settings.items()}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in settings}
    for _ in range(rounds):
        for name, stretch in stretches.items():
            found[name].append(stretch())
    base = next(iter(found))
    print(f"| {head} | frames/s | frames per CPU second | beside {base}, by CPU time |\n|---|---|---|---|")
    for name, speeds in found.items():
        ratios = [mine[1] / first[1] for mine, first in zip(speeds, found[base], strict=True)]
        wall, cpu = (statistics.median(column) for column in zip(*speeds, strict=True))
        beside = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {name} | {wall:,.0f} | {cpu:,.0f} | {beside} |", flush=True)


def _stretch(overrides: Sequence[str]) -> Callable[[], tuple[float, float]]:
    """Iterations of training for a while; returns frames per second of wall and of CPU time."""
    from rewardlab.config.composition import compose
    from rewardlab.training.build import build
    from rewardlab.training.learning.base import make_learning

    config = compose(["env=doorkey", *overrides]).config
    learning = make_learning(config, build(config))

    def stretch() -> tuple[float, float]:
        wall, cpu, frames = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - wall < _SECONDS:
            frames += learning.iterate(spent=0)[0]
        return frames / (time.perf_counter() - wall), frames / (time.process_time() - cpu)

    learning.iterate(spent=0)
    return stretch


def _at_once(cores: Sequence[int]) -> float:
    """One run on each core; the sum of their frames per second, evaluations left out."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "rewardlab", "run", "frames=300_000", f"results_dir={folder}"]
        command += ["eval.every=1_000_000_000"]
        runs = [
            subprocess.Popen(
                [*command, f"seed={core}"],
                stdout=subprocess.DEVNULL,
                preexec_fn=lambda core=core: os.sched_setaffinity(0, {core}),
            )
            for core in cores
        ]
        if any(run.wait() for run in runs):
            raise RuntimeError("a run failed")
        summaries = [json.loads(path.read_text()) for path in Path(folder).glob("runs/*/*/*/*/summary.json")]
    return sum(summary["fps_mean"] for summary in summaries)


def _command(arguments: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command."""
    with tempfile.TemporaryDirectory() as folder:
        rest = [f"results_dir={folder}"] if arguments[0] == "run" else []
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "rewardlab", *arguments, *rest], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
