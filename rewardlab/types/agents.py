"""What an agent is, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from rewardlab.types.aliases import Metrics, State, TensorMetrics, TensorObs
from rewardlab.types.curricula import Trail
from rewardlab.types.steps import Rollout, Signals, Transitions
from rewardlab.types.worlds import MakeEnv


@dataclass
class ActOutput:
    """What an agent answers for N observations: actions [N] or [N, A], and its next recurrent state."""

    action: torch.Tensor
    state: torch.Tensor | None


@dataclass
class Assessment:
    """What the policy that acted makes of a whole rollout: see `Rollout` for the shapes."""

    log_prob: torch.Tensor
    dist: TensorObs
    values: torch.Tensor


class Agent(Protocol):
    """A learner, ignorant of schemes: it sees streams of rewards only. What all have in common.

    One that learns something before the first frame has `pretrain() -> Metrics`; one that needs more than an ordinary
    learner says so in `assumes`. One that says where its episodes begin has a `curriculum`; one that first explores
    fixed levels without a policy is `Exploring` too.
    """

    metrics: tuple[str, ...]  # names of what it tells of its learning: columns of train.csv
    rollout_steps: int

    def initial_state(self, num_envs: int) -> torch.Tensor | None: ...

    def act(
        self,
        obs: TensorObs,
        state: torch.Tensor | None,
        first: torch.Tensor,
        mode: str,
        rng: torch.Generator,
    ) -> ActOutput:
        """`mode` is explore in training, sample or greedy in evaluation: noise that only explores is for training.
        `first` [N] marks first frames, whose hidden state is reset.
        """

    @property
    def updates(self) -> int:
        """Gradient steps so far."""

    def policy_state_dict(self) -> State: ...

    def load_policy_state_dict(self, state: State) -> None: ...

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...


@runtime_checkable
class OnPolicyAgent(Agent, Protocol):
    """Learns from each rollout once, a value head for each reward stream.

    One that can take gradient steps on other terms has `take_aux_losses(losses: tuple[AuxLoss, ...]) -> None` too,
    called before training; where that is missing, a scheme that hands any is refused.
    """

    def assess(self, rollout: Rollout) -> Assessment:
        """What `act` left out, of all steps in one pass, with the weights that acted."""

    def value(self, obs: TensorObs, state: torch.Tensor | None) -> torch.Tensor:
        """Values [B, S] of observations within an episode, given hidden states [B, ...]."""

    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        """One round of learning; `progress` in [0, 1] is the share of the budget spent before the rollout."""


@runtime_checkable
class ReplayAgent(Agent, Protocol):
    """Learns from transitions of a buffer, one value of the weighted sum of all reward streams.

    The streams' own discounts are not used, and every stream is cut at termination. `training/off_policy.py` keeps the
    buffer; the options that it reads are `agents/replay/options.py`. One whose policy is random in evaluation too has a
    true `stochastic`.
    """

    progress: float  # the share of the budget that is spent, in [0, 1]; set before each rollout

    def columns(self, count: int) -> dict[str, torch.Tensor]:
        """What the agent itself wants kept of `count` new steps, each [count, ...]: comes back in `extra`."""

    def update_batch(self, batch: Transitions) -> tuple[TensorMetrics, torch.Tensor]:
        """One gradient step: its metrics, scalars, and by how much each step was misjudged, float32 [B], >= 0."""


class Exploring(Protocol):
    """What an agent has that first explores fixed levels, before it has a policy for the task."""

    exploring: bool
    facts: tuple[str, ...]  # full-state facts that it reads then
    round_steps: int  # of each environment, at a time
    solutions: tuple[Trail, ...]  # what it found

    def explore(self, make: MakeEnv, levels: Sequence[int], num_envs: int, steps: int, progress: float) -> Metrics:
        """So many steps of each of N environments; `progress` is the share of the budget that is spent after them."""

    def robustify(self, trails: Sequence[Trail]) -> None:
        """The end of exploration, with those of its solutions that happened again."""
