"""What an agent is, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from rewardlab.types.aliases import Metrics, State, TensorMetrics, TensorObs
from rewardlab.types.curricula import Curriculum, Trail
from rewardlab.types.losses import AuxLoss
from rewardlab.types.steps import Assessment, Rollout, Signals, Transitions
from rewardlab.types.worlds import MakeEnv


@dataclass
class ActOutput:
    """What an agent answers for N observations: actions [N] or [N, A], and its next recurrent state.

    judged: the policy's distribution parameters, each [N, ...], and values [N, S], where looking again is dear.
    """

    action: torch.Tensor
    state: torch.Tensor | None
    judged: tuple[TensorObs, torch.Tensor] | None = None


class Agent(Protocol):
    """A learner, ignorant of schemes: it sees streams of rewards only. The defaults of what only some can do stand in
    `agents/base.py`.
    """

    learns_from: str  # the module of `training/learning/` that says what it plays and is given
    metrics: tuple[str, ...]  # names of what it tells of its learning: columns of train.csv
    assumes: frozenset[str]  # what it needs beyond an ordinary learner: demos, state_restore, ...
    rollout_steps: int
    stochastic: bool  # whether its policy is random in evaluation too, where the mode is not greedy
    takes_aux_losses: bool
    tells_log_prob: bool  # whether `log_prob` works
    mixes_advantages: bool  # whether it learns from shares of the streams' advantages: `Signals.mixture`
    masks_actions: bool  # whether it plays with `ActionSpec.extra`, and `drop_actions` works
    obeys_masks: bool  # whether it takes only actions that the observation allows, `MASK`
    curriculum: Curriculum | None  # where episodes begin, of an agent that finds such places itself
    bandit_rule: Any  # a `maths.bandits.Rule`, or None
    row_policy: Any  # a `networks.row_policy.RowPolicy`, or None

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

    def pretrain(self) -> Metrics:
        """Learn before the first frame, where that is wanted."""

    def take_aux_losses(self, losses: tuple[AuxLoss, ...]) -> None:
        """Learn from other terms too; called before training. Without `takes_aux_losses` such schemes are refused."""

    def drop_actions(self) -> None:
        """Never take an action again that only training has; where that was said before, nothing changes."""

    def log_prob(self, obs: TensorObs, action: torch.Tensor) -> torch.Tensor:
        """How likely the policy of now finds actions in single observations: log pi(a|s), float32 [B], no gradients.
        Without `tells_log_prob` schemes that ask for it are refused.
        """

    @property
    def updates(self) -> int:
        """Gradient steps so far."""

    def policy_state_dict(self) -> State: ...

    def load_policy_state_dict(self, state: State) -> None: ...

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...


class OnPolicyAgent(Agent, Protocol):
    """Learns from each rollout once, a value head for each reward stream: `training/learning/on_policy.py`."""

    def assess(self, rollout: Rollout) -> Assessment:
        """What `act` left out, of all steps in one pass, with the weights that acted."""

    def value(self, obs: TensorObs, state: torch.Tensor | None) -> torch.Tensor:
        """Values [B, S] of observations within an episode, given hidden states [B, ...]."""

    def judge_task(self, rollout: Rollout) -> tuple[torch.Tensor, torch.Tensor]:
        """Advantages and values [T, N] of the task's own reward, in its units, of a rollout that was assessed; asked
        for where a designer scores levels: `training/learning/level_rounds.py`.
        """

    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        """One round of learning; `progress` in [0, 1] is the share of the budget spent before the rollout."""


class ReplayAgent(Agent, Protocol):
    """Learns from transitions of a buffer, one value of the weighted sum of all reward streams.

    The streams' own discounts are not used, and every stream is cut at termination. `training/learning/replay.py` keeps
    the buffer; the options that it reads are `agents/replay/options.py`.
    """

    progress: float  # the share of the budget that is spent, in [0, 1]; set before each rollout

    def observe(self, obs: TensorObs) -> None:
        """Take observations [B, *shape] that were played into the scale of later ones, where it has one."""

    def columns(self, count: int) -> dict[str, torch.Tensor]:
        """What the agent itself wants kept of `count` new steps, each [count, ...]: comes back in `extra`."""

    def update_batch(self, batch: Transitions) -> tuple[TensorMetrics, torch.Tensor]:
        """One gradient step: its metrics, scalars, and by how much each step was misjudged, float32 [B], >= 0."""


class ExploringAgent(OnPolicyAgent, Protocol):
    """First explores fixed levels, before it has a policy for the task: `training/learning/exploring.py`."""

    exploring: bool
    facts: tuple[str, ...]  # full-state facts that it reads then
    round_steps: int  # of each environment, at a time
    solutions: tuple[Trail, ...]  # what it found

    def explore(self, make: MakeEnv, levels: Sequence[int], num_envs: int, steps: int, progress: float) -> Metrics:
        """So many steps of each of N environments; `progress` is the share of the budget that is spent after them."""

    def robustify(self, trails: Sequence[Trail]) -> None:
        """The end of exploration, with those of its solutions that happened again."""
