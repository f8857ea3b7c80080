"""When a population is paid for the first time: its sparse task's first sign of success."""

from __future__ import annotations

import numpy as np

from rewardlab.types import Array, Metrics, State


class FirstReward:
    """Counts individuals and frames up to the first life whose return is above 0, as if lives came one after another.

    Attributes:
        evaluations: individuals, that one included; 0: nobody was paid yet.
        frames: those of that life included.
    """

    def __init__(self) -> None:
        self.evaluations = self.frames = 0

    def see(self, returns: Array, lengths: Array, evaluations: int, frames: int) -> None:
        """A generation: what its lives were paid and how long they took, [P, E] each; what was counted before it."""
        if self.evaluations or not (paid := returns.ravel() > 0).any():
            return
        first = int(paid.argmax())
        self.evaluations = evaluations + first // returns.shape[1] + 1
        self.frames = frames + int(np.cumsum(lengths)[first])

    @property
    def metrics(self) -> Metrics:
        """Columns of train.csv, once there was a reward."""
        if not self.evaluations:
            return {}
        return {FIRST_EVALUATIONS: float(self.evaluations), FIRST_FRAMES: float(self.frames)}

    def state_dict(self) -> State:
        return {"evaluations": self.evaluations, "frames": self.frames}

    def load_state_dict(self, state: State) -> None:
        self.evaluations, self.frames = state["evaluations"], state["frames"]


FIRST_EVALUATIONS, FIRST_FRAMES = "explore/evaluations_to_reward", "explore/frames_to_reward"
