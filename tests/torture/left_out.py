"""The negative control: a checkpoint in which one part is what it was at frame 0 must not give the same run."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import torch

from rewardlab.config.composition import Prepared, compose
from rewardlab.run import run
from rewardlab.training.loop import Training
from tests.torture import runs

# Every part that a run's numbers depend on, by its place in the checkpoint.
PARTS = {
    "nothing": (),
    "torch random streams": ("streams", "torch"),
    "numpy random streams": ("collector", "env", "levels"),
    "environments": ("collector", "env", "worlds"),
    "where the agent stands": ("collector", "env", "worlds", "agent"),
    "running episodes": ("collector", "statistics"),
    "memory of the policy": ("collector", "state"),
    "weights": ("agent", "network"),
    "optimiser": ("agent", "optimiser"),
    "scheme": ("scheme", "distillation", "predictor"),
    "running moments": ("scheme", "distillation", "observations"),
    "the scheme's optimiser": ("scheme", "distillation", "optimiser"),
    "return filter": ("scheme", "returns"),
}
OVERRIDES = [*runs.TINY, "env=empty_random_6x6", "env.levels=5", "reward=rnd", "reward.warmup=8", "agent.memory=gru"]


class LeftOut:
    """An unbroken run, and one that was killed halfway and can be continued again and again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unbroken = self._prepare("unbroken")
        assert runs.ended(runs.forked(lambda: run(self.unbroken), root / "log")) == 0
        self.halfway = self._prepare("halfway")
        code = runs.ended(runs.forked(self._run_halfway, root / "log"))
        assert code == -signal.SIGKILL, (root / "log").read_text()

    def differing(self, part: str) -> list[str]:
        """In what the continued run differs from the unbroken one when this part of its checkpoint is left out."""
        again = self._prepare(part.replace(" ", "_").replace("'", ""))
        shutil.copytree(self.halfway.folder, again.folder)
        if PARTS[part]:
            first, last = (torch.load(self.root / "first.pt"), torch.load(again.folder / "checkpoint.pt"))
            *parents, name = PARTS[part]
            _at(last["state"], parents)[name] = _at(first["state"], parents)[name]
            torch.save(last, again.folder / "checkpoint.pt")
        assert runs.ended(runs.forked(lambda: run(again), self.root / "log")) == 0, (self.root / "log").read_text()
        return runs.differing(again.folder, self.unbroken.folder)

    def _prepare(self, name: str) -> Prepared:
        return compose([*OVERRIDES, "frames=3000", f"results_dir={self.root / name}"])

    def _run_halfway(self) -> int:
        original, done = Training._iterate, [0]

        def iterate(training: Training) -> None:
            if done[0] == 0:
                shutil.copy(self.halfway.folder / "checkpoint.pt", self.root / "first.pt")
            if done[0] == 12:
                os.kill(os.getpid(), signal.SIGKILL)
            done[0] += 1
            original(training)

        Training._iterate = iterate  # type: ignore[method-assign]
        return run(self.halfway)


def _at(state: dict[str, Any], place: list[str]) -> dict[str, Any]:
    for name in place:
        state = state[name]
    return state
