"""Time and memory of `rewardlab report` on many runs: first, and again on the unchanged folder.

    python scripts/report_scaling.py --runs 1000 10000

Each run has 500 rows in train.csv and in eval.csv: 20 schemes in 5 environments, made up. Memory is the largest sum of
the resident sets of the report's processes.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

SCHEMES, ENVIRONMENTS, ROWS = 20, 5, 500
EVALUATION = (
    "frames", "wall_seconds", "cpu_seconds", "episodes", "return_mean", "return_std", "success_rate", "length_mean",
)  # fmt: skip
TRAINING = (
    "frames", "updates", "wall_seconds", "cpu_seconds", "episodes", "return_mean", "success_rate", "length_mean", "fps",
    "reward/task_mean", "reward/intrinsic_mean", "loss/policy", "loss/value",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1000])
    print("| runs | seconds | memory, MB | seconds again | page, MB |\n|---|---|---|---|---|")
    for count in parser.parse_args().runs:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(count):
                write_run(Path(folder), number)
            time.sleep(3)  # files that have just been written are not taken from the cache
            seconds, memory = report(folder)
            again, _ = report(folder)
            page = Path(folder, "report", "report.html").stat().st_size / 1e6
        print(f"| {count:,} | {seconds:.1f} | {memory:.0f} | {again:.1f} | {page:.1f} |", flush=True)


def write_run(results: Path, number: int) -> None:
    rng = np.random.default_rng(number)
    env, reward, seed = number % ENVIRONMENTS, number // ENVIRONMENTS % SCHEMES, number // (ENVIRONMENTS * SCHEMES)
    labels = {"env": f"task{env}", "reward": f"scheme{reward:02d}", "agent": "ppo", "curriculum": "none"}
    folder = results / "runs" / labels["env"] / labels["reward"] / f"seed{seed}"
    folder.mkdir(parents=True)
    frames = np.arange(ROWS) * 2000
    manifest = {
        "schema_version": 1, "config": {"frames": int(frames[-1])}, "run_id": str(number),
        "setting_id": f"{env}-{reward}", "labels": labels, "env": labels["env"], "reward": labels["reward"],
        "agent": "ppo", "curriculum": "none", "seed": seed, "frames": int(frames[-1]), "assumes": [],
        "task": {"random_return": 0.0, "optimal_return": 1.0, "optimum_kind": "exact", "success": "goal"},
        "command": "none", "git_sha": None, "packages": {}, "hardware": {}, "device": "cpu", "backend": "fast",
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "status.json").write_text(json.dumps({"state": "finished", "frames": int(frames[-1]), "error": None}))
    middle = 1e6 * (0.2 + 0.03 * reward) * np.exp(0.2 * rng.standard_normal())
    curve = np.clip(1 / (1 + np.exp((middle - frames) / 7e4)) + 0.01 * rng.standard_normal(ROWS), 0, 1)
    for name, columns in (("eval.csv", EVALUATION), ("train.csv", TRAINING)):
        values = rng.random((ROWS, len(columns)))
        values[:, 0] = frames
        values[:, columns.index("return_mean")] = values[:, columns.index("success_rate")] = curve
        with (folder / name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([[int(row[0]), *row[1:]] for row in values.tolist()])


def report(folder: str) -> tuple[float, float]:
    """Seconds, and megabytes at the most."""
    began, most = time.perf_counter(), 0
    command = [sys.executable, "-m", "rewardlab", "report", folder]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            family = [watched, *watched.children(recursive=True)]
            most = max(most, sum(each.memory_info().rss for each in family))
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.05)
    if process.returncode:
        sys.exit(process.returncode)
    return time.perf_counter() - began, most / 1e6


if __name__ == "__main__":
    main()
