"""The vocabulary: what environments, reward schemes, agents and the trainer hand to one another.

T is time within a rollout, N the number of environments, S the number of reward streams.
Observations are dicts of arrays so that images, missions and vectors travel alike:
``image`` uint8 [..., H, W, C], ``mission`` int64 tokens [..., L], ``vector`` float32 [..., D], ``cell`` int64 [..., 1],
the number of a state of a table. In worlds with goals ``goal`` and ``achieved``, both float32 [..., G]: what is to be
achieved, and what was (which no network reads).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[Any]
Obs = dict[str, Array]
TensorObs = dict[str, torch.Tensor]
State = dict[str, Any]  # only dict, list, tensor, int, float, str, bool, None: loads with weights_only=True
Metrics = dict[str, float]
TensorMetrics = dict[str, torch.Tensor]
GoalOutcome = Callable[[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True)
class ObsSpec:
    """One observation entry. `high` is the largest value of an integer entry (0 for floats)."""

    shape: tuple[int, ...]
    dtype: str
    high: int = 0


@dataclass(frozen=True)
class ActionSpec:
    """`n` discrete actions, or a box of `shape` with bounds; exactly one of the two."""

    n: int | None = None
    shape: tuple[int, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @property
    def discrete(self) -> bool:
        return self.n is not None


@dataclass(frozen=True)
class TaskFacts:
    """What is known of a task. `optimum_kind` is exact, bound or unavailable; `success` is its definition."""

    random_return: float | None = None
    optimal_return: float | None = None
    optimum_kind: str = "unavailable"
    success: str | None = None


@dataclass(frozen=True)
class EnvSpec:
    """What a learner may know of a world before the first step."""

    id: str
    obs: Mapping[str, ObsSpec]
    action: ActionSpec
    max_steps: int | None
    task: TaskFacts = field(default_factory=TaskFacts)
    backend: str = "reference"
    privileged: tuple[str, ...] = ()  # names of the full-state facts that it can give
    restorable: bool = False  # whether get_state and set_state work: a run can then be continued exactly
    goals: bool = False  # whether observations show goal and achieved; it is a GoalVecEnv then
    placeable: bool = False  # whether take_places and put_places work: episodes can then begin anywhere


@dataclass
class StepBatch:
    """One step of N environments.

    obs: what the policy sees next: the first frame of a new episode where one began.
    next_obs: the true successor of the action, never the reset frame.
    task_reward: float32 [N], the environment's own.
    terminated, truncated: bool [N]; both may be true at once, then termination counts.
    success: bool [N], true on the final step of a solved episode.
    privileged: full-state facts of the true successor, each [N, ...]; empty unless asked for.
    """

    obs: Obs
    next_obs: Obs
    task_reward: Array
    terminated: Array
    truncated: Array
    success: Array
    privileged: Obs = field(default_factory=dict)


class VecEnv(Protocol):
    """N worlds stepped together, with automatic resets and their own reward only."""

    spec: EnvSpec
    num_envs: int

    def reset(self, seeds: Sequence[int]) -> Obs:
        """Start every environment anew; environment i owns the random stream of seeds[i] from here on."""

    def step(self, action: Array) -> StepBatch: ...

    def privileged(self) -> Obs:
        """Full-state facts of the current states (after automatic resets), each [N, ...]."""

    def get_state(self) -> State:
        """All that coming steps depend on, random streams included; asked for only where `spec.restorable`."""

    def set_state(self, state: State) -> None:
        """Go on from what `get_state` returned, in an environment that was made alike and has been reset.

        Raises:
            CannotRestore: the state could not be reached again; the environment must be reset.
        """

    def close(self) -> None: ...


class GoalVecEnv(VecEnv, Protocol):
    """One with goals: `spec.goals`."""

    def goal_outcome(self, achieved: Array, desired: Array) -> tuple[Array, Array]:
        """What a step is paid that leads to `achieved` in pursuit of `desired`.

        A pure function of the two, float32 [B, G] each: the reward float32 [B], and whether it terminates, bool [B].
        """


class PlaceableEnv(VecEnv, Protocol):
    """What an environment can do besides where `spec.placeable`."""

    def take_places(self, where: Array) -> Obs:
        """The states of environments `where`, int64 [B], without what coming levels depend on: each entry [B, ...].

        `streams`, the randomness of what is left of the episode, may be left out of what is put back: the episode then
        goes on with that of the environment.
        """

    def put_places(self, where: Array, places: Obs) -> Obs:
        """Let episodes begin in these states; the observations of all N environments."""


MakeEnv = Callable[[Sequence[Sequence[int]]], VecEnv]  # lists of level seeds -> an environment that plays each list


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
class Frames:
    """The distinct observations of a rollout, and where they occur: a network passes over each of them once.

    rows: each entry [U, ...]. here: int64 [T + 1, N], which of them was acted on; its last row is last_obs.
    there: int64 [T, N], which of them is the true successor.
    """

    rows: TensorObs
    here: torch.Tensor
    there: torch.Tensor


@dataclass
class Rollout:
    """T steps of N environments; tensors on the learner's device.

    obs, next_obs: each entry [T, N, ...]; next_obs is the true successor.
    action: int64 [T, N] or float32 [T, N, A]. task_reward: float32 [T, N].
    terminated, truncated, success: bool [T, N].
    first: bool [T, N], true where obs is the first of an episode. last_obs, last_first: what follows, [N, ...].
    agent_state0: the recurrent state [N, ...] before step 0, or None.
    log_prob: [T, N]. dist: the policy's distribution parameters, each [T, N, ...].
    values: [T + 1, N, S]; row T is that of last_obs.
    final_values: [T, N, S], the value of the true successor, with the hidden state from before the reset.
    privileged: full-state facts of the true successor, each [T, N, ...].
    current_privileged: the same of the state that obs shows, [T, N, ...].
    log_prob, dist, values, final_values are empty before `assess`, and where the agent learns from replay.
    progress: the share of the budget, in [0, 1], that was spent before it.
    frames: what `maths.distinct.frames_of` found in it; a rollout is replaced rather than changed.
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
    frames: Frames | None = field(default=None, init=False, repr=False)

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
    """

    streams: dict[str, torch.Tensor]
    advantage_bonus: torch.Tensor | None = None
    value_target_bonus: torch.Tensor | None = None


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


@dataclass
class Judgement:
    """What an agent's networks say of B steps, with gradients: log_prob [B], entropy [B], task_value [B].

    task_value is the value of the task's stream, in units of the task's own reward; where one head values the sum of
    all streams, it is that head's.
    """

    log_prob: torch.Tensor
    entropy: torch.Tensor
    task_value: torch.Tensor


class AuxLoss(Protocol):
    """A term that a scheme hands to the agent, which takes gradient steps on it after those on the rollout."""

    name: str  # its mean is the column loss/<name>

    def batches(self) -> Iterable[Transitions]:
        """The minibatches of this iteration, one gradient step each; asked for after `compute`."""

    def loss(self, batch: Transitions, judgement: Judgement) -> torch.Tensor:
        """The mean over a minibatch: a scalar."""


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
    """What the learner is paid, and when. See tests/contracts for the laws that every scheme obeys.

    For agents that learn from replay, a scheme may have two more methods:

    `relabel(episode: Episode, steps: int, rng: np.random.Generator) -> Windows | None`, called once for each episode
    of training, when it has ended: windows of `steps` steps under other goals, to be replayed beside the episode's
    own; None where there are none. They are paid the task's stream alone. Without replay such a scheme is refused.

    `rewards_of(steps: Transitions) -> dict[str, torch.Tensor]`, see `rewards/base.py`: what `agent.bonus=replayed` asks
    for, where the attribute `pays_anew` is true; other schemes with a bonus are refused there.
    """

    streams: tuple[StreamSpec, ...]  # the stream named "task" first
    assumes: frozenset[str]  # what it needs beyond an ordinary learner: privileged, state_restore, demos, ...
    warmup_steps: int  # vector steps of a uniform-random agent that warm_up wants before training, or 0
    metrics: tuple[str, ...]  # names that update returns: columns of train.csv, declared before the first row

    def warm_up(self, rollout: Rollout) -> None: ...

    def compute(self, rollout: Rollout) -> Signals:
        """The reward streams of a rollout; called exactly once for each, learned weights untouched."""

    def update(self, rollout: Rollout) -> Metrics:
        """Train the scheme's own models."""

    def aux_losses(self) -> tuple[AuxLoss, ...]:
        """Terms that the agent is to learn from too; asked for once, when a run is built."""

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...


@dataclass
class Attempts:
    """B goals that came to an end, reached or not; arrays.

    goal: what `propose` gave, each entry [B, ...]. start: the full-state facts in which it did, each [B, ...].
    steps: int64 [B], from there to the end, the last one included. reached: bool [B].
    task_reward: float32 [B], the task's own of the last step.
    """

    goal: Obs
    start: Obs
    steps: Array
    reached: Array
    task_reward: Array


class Conditioner(Protocol):
    """Sets the agent goals, shows them in the observation and pays for reaching them. It keeps what it has learnt; the
    goals that are pursued belong to the environments (`training/goals.py`), so that evaluation has its own.

    A goal lasts until it is reached or the episode ends; then the next one is asked for. Entries of goals are its own
    affair: arrays [B, ...], one row for each of B environments.
    """

    obs: Mapping[str, ObsSpec]  # what it adds to the observation
    streams: tuple[StreamSpec, ...]  # what it pays for reaching, beside the scheme's streams
    assumes: frozenset[str]
    metrics: tuple[str, ...]  # names that update returns: columns of train.csv

    def propose(self, facts: Obs, rng: torch.Generator) -> Obs:
        """Goals for B environments, from the full-state facts [B, ...] of where they stand."""

    def show(self, goal: Obs, facts: Obs) -> Obs:
        """The entries of `obs`, each [B, ...]: B goals as seen from where the environments stand."""

    def reached(self, goal: Obs, start: Obs, facts: Obs) -> Array:
        """bool [B]: whether goals set in `start` are reached in `facts`, the true successor of a step."""

    def take_in(self, attempts: Attempts) -> None:
        """Goals that ended in training, after each vector step in which any did; weights stay as they are."""

    def compute(self, rollout: Rollout) -> dict[str, torch.Tensor]:
        """What each step is paid, float32 [T, N] for each of `streams`; the rollout's facts `goal_reached` (bool) and
        `goal_steps` (int64) are of the goal that the step pursued.
        """

    def update(self) -> Metrics:
        """Learn from what was taken in."""

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...


@dataclass(frozen=True)
class Trail:
    """A way through a level, which can be walked again: the level's seed, its actions [L] and the rewards [L] on it."""

    level: int
    action: Array
    reward: Array


@dataclass(frozen=True)
class Outcomes:
    """B training episodes that came to an end; arrays.

    trail, step: int64 [B], where they began: after `step` steps of a trail, -1 for the task's own beginning.
    task_return: float64 [B], what the task paid from there on.
    """

    trail: Array
    step: Array
    task_return: Array


class Curriculum(Protocol):
    """Says where training episodes begin: in states along trails, or as the task has it. Those of evaluation always
    begin as the task has it. The states belong to the environments (`training/starts.py`).
    """

    assumes: frozenset[str]
    metrics: tuple[str, ...]  # names that update returns: columns of train.csv

    def trails(self) -> tuple[Trail, ...]:
        """The ways along which episodes may begin: the same object as long as they are the same."""

    def propose(self, count: int) -> tuple[Array, Array]:
        """Where the next episodes begin, int64 [count] each: the trail, -1 for the task's own beginning, and after
        how many of its steps.
        """

    def feedback(self, ended: Outcomes) -> None:
        """Training episodes that ended, after each vector step in which any did."""

    def update(self, progress: float) -> Metrics:
        """After each iteration; `progress` in [0, 1] is the share of the budget spent."""

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...


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
    buffer; the options that it reads are `agents/replay_config.py`. One whose policy is random in evaluation too has a
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
