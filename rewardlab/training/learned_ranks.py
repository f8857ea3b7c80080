"""A learned reward against the true one: rank correlations, now and then, over steps that are played anyway.

What a step is truly worth is, the first of these that there is:

- on tasks whose distance to success is known, what the step takes off it. The steps are played again, in environments
  of their own, where distances are measured: those that train stay as fast as they are. On tasks so large that this
  would take long there is no number.
- what the task pays for the step, where at least a tenth of the first steps is paid something else than most.
- what the task pays from the step to the end of its episode, undiscounted; steps of open episodes are left out.

A learned reward may say how good a step was, or how good a state it led to. So where distances are known there is a
second number, of the learned reward and the distance that is left after the step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.envs.batched import arrived
from rewardlab.errors import UserError
from rewardlab.facts import DISTANCE
from rewardlab.maths.ranks import rank_correlation
from rewardlab.maths.returns import returns_to_ends
from rewardlab.schemas import RootConfig
from rewardlab.training.cadence import Cadence
from rewardlab.training.environments import make_training_env
from rewardlab.training.parts import RunParts
from rewardlab.types import Array, Metrics, Rollout, Signals, State

RANK, RANK_LEFT = "rank", "rank_left"  # ends of the columns reward/<stream>_...
PATIENCE = 1 << 20  # states that one measurement may look at: about a second
_ENDS = ("action", "terminated", "success", "done")
_STEPS = 2048  # of a measurement, at least
APART = 32_768  # frames between measurements of distances, at least: each takes as long as a few thousand frames
_OFTEN = 0.1  # the share of steps that are paid otherwise than most, from which on single steps are compared


class LearnedRanks:
    """Begins to record at the cadence of evaluations, and compares once it has enough steps.

    Attributes:
        metrics: columns of train.csv; none where nothing is learned.
    """

    def __init__(self, config: RootConfig, parts: RunParts) -> None:
        self._config, self._env = config, parts.env
        # Rounds of levels cut episodes without saying so.
        self._streams = parts.scheme.learned_streams() if parts.designer is None else ()
        spec = parts.env.spec
        # A wrapper may let episodes begin, or go, elsewhere than the environment would.
        alone = parts.curriculum is None and parts.conditioner is None and parts.privileges is None
        self._measures = alone and spec.restorable and not spec.noisy and DISTANCE in spec.privileged
        ends = (RANK, RANK_LEFT) if self._measures else (RANK,)
        self.metrics = tuple(f"reward/{stream}_{end}" for stream in self._streams for end in ends)
        every = config.eval.every
        assert every is not None, "defaults are filled in at composition"
        self._due = Cadence(max(every, APART) if self._measures else every)
        self._by_steps: bool | None = None
        self._gave_up = False
        self._from: State | None = None  # the environments when the recording began
        self._recorded: list[dict[str, Array]] | None = None
        self._again: Any = None

    def begin(self, frames: int) -> None:
        """Before a rollout is collected, when so many frames were played."""
        if self._streams and self._recorded is None and not self._gave_up and self._due.due(frames):
            self._from = self._env.get_state() if self._measures else None
            self._due.done(frames)
            self._recorded = []

    def add(self, rollout: Rollout, signals: Signals, earned: torch.Tensor) -> Metrics:
        """After the rollout was paid; what was found out, where there are enough steps.

        Args:
            earned: float32 [T, N], what the environments paid, before any delay.
        """
        if self._recorded is None:
            return {}
        kept = {"earned": earned, "action": rollout.action, "terminated": rollout.terminated}
        kept |= {"success": rollout.success, "done": rollout.done}
        kept |= {stream: signals.streams[stream] for stream in self._streams}
        copies: dict[str, Array] = {name: entry.detach().cpu().numpy().copy() for name, entry in kept.items()}
        self._recorded.append(copies)
        if sum(piece["earned"].size for piece in self._recorded) < _STEPS:
            return {}
        found = self._compared({name: np.concatenate([piece[name] for piece in self._recorded]) for name in kept})
        self._recorded = self._from = None
        return found

    def state_dict(self) -> State:
        recorded = None
        if self._recorded is not None:
            recorded = [{name: torch.from_numpy(entry) for name, entry in piece.items()} for piece in self._recorded]
        known = {"by_steps": self._by_steps, "gave_up": self._gave_up}
        return known | {"next": self._due.next, "recorded": recorded, "from": self._from}

    def load_state_dict(self, state: State, exact: bool) -> None:
        """Go on; a recording is given up where running episodes did not come back."""
        self._due.next, self._by_steps, self._gave_up = state["next"], state["by_steps"], state["gave_up"]
        if exact:
            self._from, recorded = state["from"], state["recorded"]
            self._recorded = recorded and [
                {name: entry.cpu().numpy() for name, entry in piece.items()} for piece in recorded
            ]

    def _compared(self, played: dict[str, Array]) -> Metrics:
        """The rank correlations that there are, of steps [T, N]."""
        try:
            worth = self._measured(played) if self._measures else {RANK: self._paid(played)}
        except UserError:  # on a large level a search may not end
            self._gave_up = True
            return {}
        found: Metrics = {}
        for stream in self._streams:
            for end, true in worth.items():
                known = np.isfinite(true)
                if known.any() and np.isfinite(rank := rank_correlation(played[stream][known], true[known])):
                    found[f"reward/{stream}_{end}"] = rank
        return found

    def _paid(self, played: dict[str, Array]) -> Array:
        """By the task's own rewards, [T, N]; nan where it is not known yet."""
        earned = played["earned"]
        if self._by_steps is None:
            _, counts = np.unique(earned, return_counts=True)
            self._by_steps = bool(counts.max() <= (1.0 - _OFTEN) * earned.size)
        if self._by_steps:
            return earned
        done = torch.from_numpy(played["done"])
        left: Array = returns_to_ends(torch.from_numpy(earned).double(), 1.0, done).numpy()
        return np.where(done.flip(0).cumsum(0).flip(0).numpy() > 0, left, np.nan)

    def _measured(self, played: dict[str, Array]) -> dict[str, Array]:
        """What each step takes off the distance, and minus what it leaves, float64 [T, N] each: see `left_after`."""
        from rewardlab.gridworld.distances import Distances

        env, limit = self._playing_again(), self._env.spec.max_steps
        assert self._from is not None and limit is not None, "grids have limits"
        env.set_state(self._from)
        distances = Distances(env.engine.vector.task)
        distances.patience = PATIENCE
        gains, left = [], []
        now = distances.measure(env.engine.vector.world)
        for action, terminated, success, done in zip(*(played[name] for name in _ENDS), strict=True):
            before = now
            batch = env.step(action)
            assert (batch.terminated == terminated).all(), "the same states and actions lead to the same ends"
            now = distances.measure(env.engine.vector.world)
            # Where a time limit ended an episode, its last state has gone.
            after = np.where(done & ~terminated, np.nan, left_after(now, terminated, success, limit))
            gains.append(before - after)
            left.append(after)
        return {RANK: np.stack(gains), RANK_LEFT: -np.stack(left)}

    def _playing_again(self) -> Any:
        """Environments like those of training, on our engine."""
        if self._again is None:
            self._again = make_training_env(self._config)
            self._again.reset(seeding.env_seeds(self._config.seed, "measuring", self._config.num_envs))
        return self._again


def left_after(distance: Array, terminated: Array, success: Array, limit: int) -> Array:
    """Steps to success from where steps led to, int64 [...]: none after success, and the limit where all is lost."""
    left: Array = np.where(terminated & ~success, limit, arrived({DISTANCE: distance}, success)[DISTANCE])
    return left
