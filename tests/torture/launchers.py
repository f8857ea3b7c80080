"""The same seed in a single run, under one job, many jobs and every launcher that is installed."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.torture import runs

OVERRIDES = [*runs.TINY, "env=empty_random_6x6", "reward=rnd", "reward.warmup=8", "frames=3000"]
LAUNCHERS = {
    "pool, 1 job": ["hydra.launcher.jobs=1"],
    "pool, 3 jobs": ["hydra.launcher.jobs=3"],
    "pool, spawned": ["hydra.launcher.jobs=3", "hydra.launcher.start=spawn"],
    "slurm (submitit's local executor)": ["hydra/launcher=slurm", "hydra.launcher.cluster=local"],
    "ray": ["hydra/launcher=ray", "hydra.launcher.address=null"],
}
NEEDS = {"slurm (submitit's local executor)": "submitit", "ray": "ray"}


def compare(root: Path, seeds: int = 3) -> dict[str, list[str]]:
    """For each launcher, the files in which its runs differ from single runs of the same seeds."""
    alone = root / "alone"
    for seed in range(seeds):
        _rewardlab(["run", *OVERRIDES, f"seed={seed}", f"results_dir={alone}"])
    found: dict[str, list[str]] = {}
    for number, (name, options) in enumerate(LAUNCHERS.items()):
        if name in NEEDS and find_spec(NEEDS[name]) is None:
            continue
        together = root / f"launcher{number}"
        _rewardlab(["run", "-m", *OVERRIDES, f"seed=range(0,{seeds})", *options, f"results_dir={together}"])
        found[name] = [
            f"{folder}/{file}"
            for folder in sorted(path.parent.relative_to(alone) for path in alone.glob("runs/*/*/*/*/policy.pt"))
            for file in runs.differing(alone / folder, together / folder)
        ]
    return found


def _rewardlab(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "rewardlab", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
