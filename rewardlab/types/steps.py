"""Steps as learners see them: rollouts, episodes, flat batches, windows, and the reward streams beside them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from rewardlab.types.aliases import TensorObs


@dataclass(frozen=True)
class StreamSpec:
    """A reward stream, declared before anything is built: each gets a value head of its own.

    The head learns rewards already multiplied by the weight; the advantages of all streams are summed. A stream that
    is not episodic runs through the ends of episodes (Burda et al. 2018, section 2.3). The weight is `coef` throughout,
    or goes linearly to the share `coef_end` of it at the end of the budget.
    """

    name: str
    gamma: float
    coef: float = 1.0
    episodic: bool = True
    coef_end: float = 1.0

    def weight(self, progress: float) -> float:
        """What the rewards of a rollout are multiplied by, when `progress` in [0, 1] of the budget was spent."""
        return self.coef * (1.0 + (self.coef_end - 1.0) * progress)


@dataclass(frozen=True)
class DistinctObservations:
    """The distinct observations of a rollout, and where they occur: a network passes over each of them once.

    rows: each entry [U, ...]. here: int64 [T + 1, N], which of them was acted on; its last row is last_obs.
    there: int64 [T, N], which of them is the true successor.
    logits: float32 [U, A], the policy's that acted, where who collected the rollout knows them.
    """

    rows: TensorObs
    here: torch.Tensor
    there: torch.Tensor
    logits: torch.Tensor | None = None


@dataclass
class Assessment:
    """What the policy that acted makes of a whole rollout: see `Rollout` for the shapes.

    final_values: None where `value` must be asked for those of the ends.
    """

    log_prob: torch.Tensor
    dist: TensorObs
    values: torch.Tensor
    final_values: torch.Tensor | None = None


@dataclass
class Rollout:
    """T steps of N environments; tensors on the learner's device.

    obs, next_obs: each entry [T, N, ...]; next_obs is the true successor.
    action: int64 [T, N] or float32 [T, N, A], as the agent asked for it, in the environment's units, as dist and
    log_prob are; `maths.boxes.executed` is what is done of it, within the bounds of a box.
    task_reward: float32 [T, N]. terminated, truncated, success: bool [T, N].
    first: bool [T, N], true where obs is the first of an episode. last_obs, last_first: what follows, [N, ...].
    agent_state0: the recurrent state [N, ...] before step 0, or None.
    log_prob: [T, N]. dist: the policy's distribution parameters, each [T, N, ...].
    values: [T + 1, N, S]; row T is that of last_obs.
    final_values: [T, N, S], the value of the true successor, with the hidden state from before the reset.
    privileged: full-state facts of the true successor, each [T, N, ...].
    current_privileged: the same of the state that obs shows, [T, N, ...].
    log_prob, dist, values, final_values are empty before `assess`, and where the agent learns from replay.
    progress: the share of the budget, in [0, 1], that was spent before it.
    distinct: what `maths.distinct.distinct_of` found in it; a rollout is replaced rather than changed.
    end_states: the recurrent state after each last step of an episode, in the order of `done.nonzero()`, or None.
    judged: what the agent that acted made of each step, see `ActOutput`; empty where it does not say.
    """

    obs: TensorObs
    next_obs: TensorObs
    action: torch.Tensor
    task_reward: torch.Tensor
    terminated: torch.Tensor
    truncated: torch.Tensor
    success: torch.Tensor
    first: torch.Tensor
    last_obs: TensorObs
    last_first: torch.Tensor
    agent_state0: torch.Tensor | None
    log_prob: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    dist: TensorObs = field(default_factory=dict)
    values: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    final_values: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    privileged: TensorObs = field(default_factory=dict)
    current_privileged: TensorObs = field(default_factory=dict)
    progress: float = 0.0
    distinct: DistinctObservations | None = field(default=None, init=False, repr=False)
    end_states: torch.Tensor | None = field(default=None, init=False, repr=False)
    judged: list[tuple[TensorObs, torch.Tensor]] = field(default_factory=list, init=False, repr=False)

    def take(self, found: Assessment) -> None:
        """Keep what the policy makes of it; true successors are worth what the next rows are, until ends are set."""
        self.log_prob, self.dist, self.values = found.log_prob, found.dist, found.values
        self.final_values = found.values[1:].clone() if found.final_values is None else found.final_values

    @property
    def done(self) -> torch.Tensor:
        """bool [T, N]: the episode ended with this step."""
        return self.terminated | self.truncated

    @property
    def steps(self) -> int:
        return self.action.shape[0]

    @property
    def num_envs(self) -> int:
        return self.action.shape[1]


@dataclass
class Signals:
    """What the learner is paid: one float32 [T, N] per declared stream.

    advantage_bonus: float32 [T, N], added to the advantage of each step as it is, never accumulated over time.
    value_target_bonus: float32 [T, N], added likewise to what the task's value head learns.
    mixture: the share of each stream's advantages, which are scaled to mean 0, std 1 first; None: they are summed up.
    """

    streams: dict[str, torch.Tensor]
    advantage_bonus: torch.Tensor | None = None
    value_target_bonus: torch.Tensor | None = None
    mixture: dict[str, float] | None = None


@dataclass
class Episode:
    """A whole episode of L steps, assembled across rollouts; tensors of its own, on the rollouts' device.

    obs: each entry [L, ...], what was acted on. action: int64 [L] or float32 [L, A]. task_reward: float32 [L].
    terminated, truncated, success: how it ended.
    next_obs: each entry [L, ...], the true successors; empty where they were not asked for.
    """

    obs: TensorObs
    action: torch.Tensor
    task_reward: torch.Tensor
    terminated: bool
    truncated: bool
    success: bool
    next_obs: TensorObs = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.task_reward)


@dataclass
class Transitions:
    """A flat batch of B steps from a buffer.

    obs: each entry [B, ...]. action: int64 [B] or float32 [B, A].
    extra: what else is kept of each step, [B, ...]. A step that an agent learns from has `reward`, float32: the
    discounted sum of its n rewards, streams weighed and added up; `discount`, float32: what the value of `next_obs`
    counts, 0 where the task terminated; with prioritised replay `weight`, float32 in (0, 1]; beside demonstrations
    `demonstrated`, bool: whether it is from them.
    next_obs: each entry [B, ...], the true successor of the last of those n steps; empty where nobody asks for it.
    """

    obs: TensorObs
    action: torch.Tensor
    extra: dict[str, torch.Tensor] = field(default_factory=dict)
    next_obs: TensorObs = field(default_factory=dict)


@dataclass
class Windows:
    """M windows of W consecutive steps of an episode, relabelled: each is learned from at its first step.

    obs, next_obs: each entry [W, M, ...]. action: int64 [W, M] or float32 [W, M, A]. task_reward: float32 [W, M].
    terminated, truncated: bool [W, M], as after the relabelling; what follows an end within a window is not read.
    """

    obs: TensorObs
    next_obs: TensorObs
    action: torch.Tensor
    task_reward: torch.Tensor
    terminated: torch.Tensor
    truncated: torch.Tensor
