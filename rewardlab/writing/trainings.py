"""Training on written rewards: ordinary runs, and what they came to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rewardlab import trained
from rewardlab.config import composition
from rewardlab.config.composition import Prepared
from rewardlab.config.saved import quoted
from rewardlab.errors import UserError
from rewardlab.parts.written_code import TAKEN
from rewardlab.records.status import read_status
from rewardlab.writing.asking import Candidate, Task
from rewardlab.writing.failures import failed_episodes
from rewardlab.writing.reflection import failure, reflection
from rewardlab.writing.writers import Writer

FITNESS = ("max", "final", "auc")
_REFUSED = 2  # exit code


@dataclass(frozen=True)
class Trainings:
    """The runs of a loop, in one folder. frames: of each. fitness: what of success counts."""

    folder: Path
    task: Task
    writer: Writer
    frames: int
    fitness: str

    def train(self, candidates: Sequence[Candidate], seed: int) -> None:
        """Train each, all at once as one sweep, and note what came of it."""
        if not candidates:
            return
        self.sweep([each.code for each in candidates], [seed])
        for each in candidates:
            self.note(each, seed)

    def sweep(self, codes: Sequence[Path], seeds: Sequence[int]) -> None:
        """Do the runs that are not finished.

        Raises:
            UserError: they were refused, of which the line before tells why.
        """
        left = [
            (code, seed) for code in codes for seed in seeds if state_of(self.prepared(code, seed).folder) != "finished"
        ]
        if not left:
            return
        codes, seeds = (list(dict.fromkeys(each)) for each in zip(*left, strict=True))
        listed, numbers = ",".join(quoted(str(code)) for code in codes), ",".join(map(str, seeds))
        words = [*self._overrides(), f"reward.code={listed}", f"seed={numbers}"]
        done = subprocess.run([sys.executable, "-m", "rewardlab", "run", "-m", *words], check=False)
        if done.returncode == _REFUSED:
            raise UserError(f"{self.folder}: no training can begin, as the line above says")

    def note(self, candidate: Candidate, seed: int) -> None:
        """What a run came to; one that failed is told to the writer like code that was refused."""
        folder = self.prepared(candidate.code, seed).folder
        candidate.run, state = folder, state_of(folder)
        status, _ = read_status(folder)
        blameless = state == "failed" and status is not None and status.kind != "error"  # a full disk, a killed process
        if blameless or state not in ("finished", "failed", "diverged"):  # stopped, or at work for a loop that died
            raise UserError(
                f"{folder}: its training is {state}; the same command goes on with the loop once it has ended"
            )
        if state != "finished":
            candidate.problems.append((status and status.error) or f"its training {state}")
            candidate.frames = status.frames if status else 0
            candidate.feedback = failure(candidate.problems)
            return
        evaluated, log = pd.read_csv(folder / "eval.csv"), pd.read_csv(folder / "train.csv")
        score = "success_rate" if evaluated["success_rate"].notna().any() else "return_mean"
        values = evaluated[score].fillna(0.0).tolist()
        parts = {
            name.removeprefix("written/"): log[name].dropna().tolist()
            for name in log.columns
            if name.startswith("written/") and name.removeprefix("written/") not in TAKEN
        }
        candidate.fitness = {"max": max(values), "final": values[-1], "auc": sum(values) / len(values)}[self.fitness]
        candidate.frames = int(evaluated["frames"].iloc[-1])
        candidate.feedback = reflection(values, parts)

    def failures(self, candidate: Candidate, seed: int) -> list[str]:
        """The last steps of failed episodes of its trained policy, in words."""
        prepared = self.prepared(candidate.code, seed)
        agent, conditioner = trained.learners(prepared.folder, prepared.config)
        return failed_episodes(prepared.config, agent, conditioner, self.task.layout)

    def prepared(self, code: Path, seed: int) -> Prepared:
        words = [*self._overrides(), f"reward.code={quoted(str(code))}", f"seed={seed}"]
        return composition.compose(words)

    def _overrides(self) -> list[str]:
        own = [*self.writer.reward, f"frames={self.frames}", f"results_dir={quoted(str(self.folder))}"]
        return [*self.task.overrides, *own]


def state_of(folder: Path) -> str:
    """How a run stands: `missing`, or the state of its status."""
    status, _ = read_status(folder)
    return "missing" if status is None else status.state
