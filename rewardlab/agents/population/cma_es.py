"""CMA-ES: a Gaussian over individuals that moves to those with the highest returns and learns its shape on the way

Paper: Hansen 2016, The CMA evolution strategy: a tutorial (arXiv:1604.00772)

It begins around 0 and learns from the better half of each generation. Up to 300 numbers all their covariances are
learned, beyond that their variances only. Where it stops (the Gaussian has become a line or a point, or all of a
generation had the same return) it begins anew with the same population. Doubling the population then (IPOP, Auger and
Hansen 2005) would fill the memory on sparse tasks, where most generations are paid nothing; so they are a random search
around 0.

agent=open_loop: `policy=oscillator`, an oscillator for each joint in place of a network (Raffin et al. 2023,
arXiv:2310.05808). With `pd=joints` the actions are those of a PD controller, which reads joints: such a policy is
open-loop in what joints are to do, not in their torques.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.agents.population.base import PopulationAgent, PopulationConfig
from rewardlab.errors import UserError
from rewardlab.maths.cma_es import LARGEST_FULL, CmaEs, default_samples
from rewardlab.networks.oscillators import Feedback, Oscillators
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Genome, Lives, Metrics, State, StreamSpec

VERSION = 1
_FLAT = 1e-12  # returns closer than this are equal


@dataclass
class Config(PopulationConfig):
    population: int = option(
        0, "individuals of a generation; 0: 4 + 3 ln n for n numbers of each", minimum=0, maximum=10**6
    )
    sigma: float = option(0.5, "step size at first", above=0)
    policy: str = option("mlp", "what individuals are: tanh networks or oscillators", choices=("mlp", "oscillator"))
    dt: float = option(0.05, "policy=oscillator: seconds of a step; 1: time is in steps", above=0)
    f_max: float = option(2.0, "policy=oscillator: the highest frequency, in turns a second", above=0)
    pd: str = option(
        "none", "policy=oscillator: they give actions, or where joints are to be", choices=("none", "joints")
    )
    joints: list[int] = option([], "pd=joints: where each action's joint stands in the observation vector")
    velocities: list[int] = option([], "pd=joints: where its velocity does")
    kp: float = option(10.0, "pd=joints: action for each unit of a joint's distance", minimum=0)
    kd: float = option(0.5, "pd=joints: action against each unit of its velocity", minimum=0)

    def validate(self) -> None:
        super().validate()
        if self.init != "normc":
            raise ValueError(f"init={self.init}: it always begins around 0")
        if self.population == 1:
            raise ValueError("population=1: must be 2 or more, or 0")
        if self.pd == "joints" and self.policy != "oscillator":
            raise ValueError("pd=joints: only with policy=oscillator")
        if self.pd == "none" and (self.joints or self.velocities):
            raise ValueError("joints, velocities: only with pd=joints")


class Agent(PopulationAgent):
    """The Gaussian, and how often it began anew."""

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        super().__init__(config, context, streams)
        self.metrics += ("explore/sigma", "explore/restarts")
        if config.pd == "joints":
            self.assumes |= {"joint_state"}
        self._es, self._restarts = self._anew(), 0

    def make_genome(self, context: BuildContext) -> Genome:
        options, spec = self.options, context.spec
        if options.policy == "mlp":
            return super().make_genome(context)
        feedback = None
        if options.pd == "joints":
            feedback = Feedback(tuple(options.joints), tuple(options.velocities), options.kp, options.kd)
        try:
            return Oscillators(spec.obs, spec.action, options.dt, options.f_max, feedback)
        except UserError as error:
            raise UserError(f"agent={options.name}: {error}, on {spec.id}") from None

    def first(self, count: int) -> Array:
        drawn: Array = self._rng.standard_normal((count, self.genome.size), dtype=np.float32)
        return drawn * np.float32(self.options.sigma)

    def ask(self, progress: float) -> Array:
        count = self.options.population or default_samples(self.genome.size)
        return self._es.ask(count, self._rng).astype(np.float32)

    def tell(self, genomes: Array, lives: Lives) -> Metrics:
        fitness = lives.fitness
        best = np.argsort(-fitness, kind="stable")[: len(genomes) // 2]
        self._es.tell(genomes[best].astype(np.float64))
        sigma = self._es.sigma
        flat = len(genomes) > 1 and float(fitness.max() - fitness.min()) < _FLAT
        if flat or self._es.degenerate:
            self._es, self._restarts = self._anew(), self._restarts + 1
        own = {"explore/sigma": sigma, "explore/restarts": float(self._restarts)}
        return {**self.judge(genomes, lives), **own}

    def _anew(self) -> CmaEs:
        size = self.genome.size
        return CmaEs(np.zeros(size), self.options.sigma, separable=size > LARGEST_FULL)

    def state_dict(self) -> State:
        return super().state_dict() | {"gaussian": self._es.state_dict(), "restarts": self._restarts}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._es.load_state_dict(state["gaussian"])
        self._restarts = state["restarts"]
