"""What an environment says of itself, and what it can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rewardlab.types.aliases import Array, Obs, State

MASK = "mask"  # the entry of an observation that says which actions are allowed now
CANDIDATES = "candidates"  # one that describes every action, which then mean something else at each step


@dataclass(frozen=True)
class ObsSpec:
    """One observation entry. `high` is the largest value of an integer entry (0 for floats).

    `MASK`, uint8 [A] with `high` 1, has a 1 for every discrete action that is allowed: one at least, in last states
    too. No network reads it. An agent that does not keep to it is refused, and a world refuses all other actions.
    `CANDIDATES`, float32 [A, F], describes each action: agent=ppo scores all by the same weights.

    bounds: the least and the largest value of each number of an entry of floats, flattened; None: there are none.
    """

    shape: tuple[int, ...]
    dtype: str
    high: int = 0
    bounds: tuple[tuple[float, ...], tuple[float, ...]] | None = None


class Native(Protocol):
    """gymnasium's own observations of a world, of which its entries are made.

    space: gymnasium's.
    """

    space: Any

    def entries(self, shown: Any) -> Obs:
        """Those of K observations, held together as a dataset holds them: each entry [K, ...]."""


@dataclass(frozen=True)
class ActionSpec:
    """`n` discrete actions, or a box of `shape` with bounds; exactly one of the two.

    start: what gymnasium calls the first of the discrete ones, which is 0 here. whole: the box takes whole numbers.
    extra: how many of the discrete ones, the last, only training has: a policy leaves them out of evaluations.
    """

    n: int | None = None
    shape: tuple[int, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    start: int = 0
    whole: bool = False
    extra: int = 0

    @property
    def discrete(self) -> bool:
        return self.n is not None


@dataclass(frozen=True)
class Mdp:
    """A whole task of S numbered states and A actions.

    chance: float64 [S, A, S], of going on in a state; what is missing to 1 ends the episode. Of many states it may be
    a sparse array of scipy's, [S * A, S], which all of `maths.tables` takes but `reachable` and `restricted`.
    reward: float64 [S, A], the mean that the task pays. start: float64 [S], where episodes begin.
    """

    chance: Any
    reward: Array
    start: Array


@dataclass(frozen=True)
class Arms:
    """What is known of a bandit's arms before the first pull, where `vector` shows the last one and what it paid.

    costs: how many numbers stand after the reward, what the pull cost. budget: how much of each there is to spend;
    None: costs are to stay at or below 0 on average. features: float64 [K, D], fixed ones; None: arms have none.
    """

    costs: int = 0
    budget: float | None = None
    features: Array | None = None


@dataclass(frozen=True)
class TaskFacts:
    """What is known of a task.

    Attributes:
        random_return, optimal_return: means over the levels that are evaluated.
        optimum_kind: exact, bound or unavailable.
        success: its definition.
        distinct_levels: how many levels there are; None: unknown, or too many to be counted.
        seen_in_training: share of the levels of an evaluation that training meets too (of procedural levels: 40,000 of
            them); None: unknown.
        lowest_return: what no episode falls below; None: unknown.
        human_random, human_return: published returns of random play and of a human, between which others are told as
            shares of a human's; None: there are none.
    """

    random_return: float | None = None
    optimal_return: float | None = None
    optimum_kind: str = "unavailable"
    success: str | None = None
    distinct_levels: int | None = None
    seen_in_training: float | None = None
    lowest_return: float | None = None
    human_random: float | None = None
    human_return: float | None = None


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
    tells: tuple[str, ...] = ()  # those of them, numbers of an episode's last state, whose means evaluations tell
    fact_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # of those whose name does not tell it
    limits_vary: bool = False  # whether some episodes have shorter limits than max_steps
    restorable: bool = False  # whether get_state and set_state work: a run can then be continued exactly
    noisy: bool = False  # whether noise that no level fixes is in what is seen
    goals: bool = False  # whether observations show goal and achieved; it is a GoalVecEnv then
    mazes: int = 0  # cells of a side of the mazes that it plays (`gridworld.mazes`), which designers make; 0: none
    placeable: bool = False  # whether take_places and put_places work: episodes can then begin anywhere
    place: tuple[tuple[float, ...], tuple[float, ...]] | None = (
        None  # bounds of `facts.POSITION`, or of `facts.PLACE` on grids
    )
    downwards: bool = False  # whether people see the second number of places grow downwards
    arms: Arms | None = field(default=None, compare=False, repr=False)  # of bandits whose last arm is shown
    native: Native | None = field(default=None, compare=False, repr=False)  # where gymnasium has it
    # The whole task, where it can be told; `cell` shows the number of a state, or else `vector`, as one-hot.
    mdp: Callable[[], Mdp] | None = field(default=None, compare=False, repr=False)


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


class DesignableEnv(PlaceableEnv, Protocol):
    """What an environment can do besides where `spec.mazes`."""

    def hold_places(self, places: Obs) -> Obs:
        """Let an episode of each environment begin in these states, [N, ...], and all its later ones too."""


@dataclass(frozen=True)
class HeldOut:
    """One episode in each of N environments.

    Attributes:
        env: those environments.
        names: of the level that each plays; environments with the same name are counted together.
        optimal: float64 [N], the best return on it.
        walk: float64 [N], fewest steps between cells to success, turns not counted.
    """

    env: VecEnv
    names: tuple[str, ...]
    optimal: Array
    walk: Array


MakeEnv = Callable[[Sequence[Sequence[int]]], VecEnv]  # lists of level seeds -> an environment that plays each list
