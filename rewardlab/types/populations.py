"""What is played of a population, and what its agents answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from rewardlab.types.agents import Agent
from rewardlab.types.aliases import Array, Metrics, Obs


@dataclass(frozen=True)
class Lives:
    """One episode of each of P individuals on each of E levels, the same for all.

    Attributes:
        task_return: float64 [P, E], the task's own rewards, undiscounted.
        length: int64 [P, E], steps.
        success: bool [P, E].
        outcome: what is found at the agent's `moments`: `places`, float64 [P, E, S, D], where the environment tells
            them; `sights` [P, E, S, ...], what the agent has `watched`, if anything; `sums`,
            float64 [P, E, 2, I], of what was acted on in a life and of its squares, as inputs that are not yet
            standardised, where the agent's `normalise` is `running`.
    """

    task_return: Array
    length: Array
    success: Array
    outcome: Obs = field(default_factory=dict)

    @property
    def fitness(self) -> Array:
        """The mean return of each individual over the levels, float64 [P]."""
        mean: Array = self.task_return.mean(axis=1)
        return mean


class Genome(Protocol):
    """What makes actions of observations and an individual's numbers, for many individuals at once.

    Attributes:
        size: G, numbers of an individual.
        discrete: whether actions are.
        mean, std: float32 [K], of inputs that are standardised; what `standardise` writes, in place.
    """

    size: int
    discrete: bool
    mean: Array
    std: Array

    @property
    def floats(self) -> Array:
        """Which inputs may be standardised, bool [D]."""

    def standardise(self, seen: Array) -> None:
        """Take their scale from inputs, float32 [B, D], that were not yet scaled."""

    def inputs(self, obs: Obs) -> Array:
        """Observations [B, *shape] -> float32 [B, D]."""

    def begin(self, lanes: int) -> Array | None:
        """The memory with which episodes begin, [lanes, ...]; None: there is none."""

    def outputs(self, genomes: Array, inputs: Array, state: Array | None) -> tuple[Array, Array | None]:
        """float32 [P, E, O], of genomes [P, G], inputs [P, E, D] and memory [P * E, ...]; and the memory after it."""

    def actions(self, outputs: Array, uniform: Array | None) -> Array:
        """Actions [B] or [B, A] of outputs [B, O]; see `networks.genomes.Mlp`."""


class Population(Agent, Protocol):
    """Learns from whole lives of many individuals: `training/learning/population.py`.

    Attributes:
        episodes: E, levels that each individual plays.
        lanes: environments that are stepped at once.
        genome: what makes actions of numbers and observations.
        contenders: float32 [C, G], those that play more before one becomes champion; [0, G]: none.
        validation: how many episodes more.
        champion: float32 [G], whom `act` plays.
        champion_born: how many individuals had lived when it had, itself included; 0: unknown.
        moments: int64 [S], ascending, the steps of a life after which it is kept where the agent is; 0: its beginning;
            beyond the last: its end, which is always the last of them.
        watched: what else is kept then: the name of a full-state fact; "obs": the numbers that are seen; "": nothing.
        sight_shape: the shape of what is watched; empty where that depends on the world.
        fixed_levels: whether lives are compared across generations, so that all must play the same levels.
        normalise: floats are standardised as random lives before the first generation see them (`first`), or as the
            agent itself says after each generation (`running`).
    """

    episodes: int
    lanes: int
    genome: Genome
    contenders: Array
    validation: int
    champion: Array
    champion_born: int
    moments: Array
    watched: str
    sight_shape: tuple[int, ...]
    fixed_levels: bool
    normalise: str

    @property
    def champion_return(self) -> float:
        """By which the champion became that: a mean over levels, of its latest lives; NaN: it has not lived."""

    def check_levels(self, count: int) -> None:
        """Refuse a number of levels on which each individual lives, where that can't be, before anybody does.

        Raises:
            UserError: says what to change.
        """

    def ask(self, progress: float) -> Array:
        """The next generation: float32 [P, G]."""

    def tell(self, genomes: Array, lives: Lives) -> Metrics:
        """How the first of them lived: the budget may end within a generation."""

    def crown(self, lives: Lives) -> None:
        """How the contenders lived: the best of them is the champion, whom `act` plays."""

    def collection(self) -> dict[str, Array]:
        """What a finished run keeps of its individuals, in `archive.npz`.

        `returns` float64 [M]; `genomes` float32 [M, G], or the flat arrays of seed chains in their place
        (`parts.archives.seed_chain.chains_state`); `descriptors` float64 [M, B], where lives are told apart.
        """
