"""What checkpoints cost a run with the default settings."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rewardlab.config.composition import compose
from rewardlab.run import run
from rewardlab.training.loop import Training


@dataclass
class Cost:
    """Seconds of each checkpoint, of the whole run (wall-clock), and the size of the last one in bytes."""

    seconds: list[float] = field(default_factory=list)
    whole: float = 0.0
    size: int = 0

    @property
    def median_ms(self) -> float:
        return 1000 * median(self.seconds)

    @property
    def share(self) -> float:
        return sum(self.seconds) / self.whole


def measure(root: Path, *overrides: str) -> Cost:
    """Do the first fifth of a run of a million frames, evaluations and checkpoints as often as by default there."""
    cost, original = Cost(), Training._checkpoint

    def timed(training: Training) -> None:
        started = time.perf_counter()
        original(training)
        cost.seconds.append(time.perf_counter() - started)

    prepared = compose([*overrides, "frames=200_000", "eval.every=20_000", f"results_dir={root}"])
    Training._checkpoint = timed  # type: ignore[method-assign]
    try:
        started = time.perf_counter()
        code = run(prepared)
        cost.whole = time.perf_counter() - started
    finally:
        Training._checkpoint = original  # type: ignore[method-assign]
    assert code == 0, f"the run ended with {code}"
    cost.size = (prepared.folder / "checkpoint.pt").stat().st_size
    return cost
