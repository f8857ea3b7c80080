"""What a reward scheme is, and what it may know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from rewardlab.types.aliases import GoalOutcome, Metrics, State, TensorObs
from rewardlab.types.curricula import Conditioner
from rewardlab.types.losses import AuxLoss
from rewardlab.types.steps import Episode, Rollout, Signals, StreamSpec, Transitions, Windows
from rewardlab.types.worlds import EnvSpec

# log pi(a|s) by the policy of now, without gradients: observations [B, ...], actions [B] or [B, A] -> float32 [B]
LogProb = Callable[[TensorObs, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class BuildContext:
    """What a reward scheme or an agent may know when it is built.

    generator: a torch CPU generator of its own (weights, shuffles, sampling).
    numpy_rng: a numpy Generator of its own.
    gamma: the agent's discount of the task stream (what a scheme's own task stream takes).
    goal_outcome: that of the environments, where they have goals; see `GoalVecEnv`.
    """

    spec: EnvSpec
    num_envs: int
    device: torch.device
    generator: torch.Generator
    numpy_rng: np.random.Generator
    gamma: float
    goal_outcome: GoalOutcome | None = None


class RewardScheme(Protocol):
    """What the learner is paid, and when. See rewardlab/contracts for the laws that every scheme obeys; the defaults of
    what only some can do stand in `rewards/base.py`.
    """

    streams: tuple[StreamSpec, ...]  # the stream named "task" first
    assumes: frozenset[str]  # what it needs beyond an ordinary learner: privileged, state_restore, demos, ...
    code: str  # source that it was given to run; kept beside the run
    warmup_steps: int  # vector steps of a uniform-random agent that warm_up wants before training, or 0
    metrics: tuple[str, ...]  # names that update returns: columns of train.csv, declared before the first row
    relabels: bool  # whether `relabel` works; without replay such a scheme is refused
    waits_for_ends: bool  # whether it pays steps when their episode has ended: see `rewards/base.py`
    conditioner: Conditioner | None  # what shows the agent something of the scheme's own; see `rewards/base.py`
    best_share: float  # of each minibatch, from the best episodes; best_episodes: of so many
    best_episodes: int
    asks_policy: bool  # whether it wants `take_policy` to be called
    reads_policy: bool  # whether it needs the probabilities of the policy that acted
    pays_anew: bool  # whether `rewards_of` works: what agent.bonus=replayed asks for
    exact: bool  # whether a run that goes on is paid what an unbroken one would be

    def learned_streams(self, alone: bool = False) -> tuple[str, ...]:
        """Names of the streams that stand for the task's reward; with `alone` those that can pay single steps."""

    def warm_up(self, rollout: Rollout) -> None: ...

    def compute(self, rollout: Rollout) -> Signals:
        """The reward streams of a rollout; called exactly once for each, learned weights untouched."""

    def update(self, rollout: Rollout) -> Metrics:
        """Train the scheme's own models."""

    def relabel(self, episode: Episode, steps: int, rng: np.random.Generator) -> Windows | None:
        """Windows of `steps` steps under other goals, to be replayed beside the episode's own; None: there are none."""

    def kept_of(self, rollout: Rollout) -> TensorObs:
        """What `rewards_of` wants kept of each step of the rollout that was just paid, [T, N, ...] each."""

    def of_episode(self, episode: Episode) -> dict[str, torch.Tensor]:
        """What is kept of each step of an episode that ended, [L, ...] each, where it `waits_for_ends`."""

    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        """What the models of now pay for replayed steps, float32 [B] for each stream but the task's."""

    def annotations(self) -> str:
        """A table of what was asked and answered so far, kept beside each checkpoint; empty where nothing is asked."""

    def aux_losses(self) -> tuple[AuxLoss, ...]:
        """Terms that the agent is to learn from too; asked for once, when a run is built."""

    def take_policy(self, log_prob: LogProb) -> None:
        """How likely the agent finds an action now, for `update` to ask; called once, when a run is built."""

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...
