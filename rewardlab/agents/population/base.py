"""What agents with populations have in common: their options, their networks, the champion that is evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rewardlab.agents.base import BaseAgent
from rewardlab.errors import UserError
from rewardlab.networks.genomes import INITS, Mlp
from rewardlab.parts.archives.descriptors import END
from rewardlab.schemas import AgentConfig, option
from rewardlab.types import ActOutput, Array, BuildContext, Genome, Lives, Metrics, State, StreamSpec, TensorObs

CONTENDERS = 10  # of a generation, who play more where the best is validated


def init_option(default: str) -> Any:
    """How individuals begin, which every agent has its own default of."""
    told = "first individuals: normc: columns of weights of norm 1, of the last layer 0.1; normal: all numbers N(0, 1)"
    return option(default, told, choices=INITS, neutral=default)


@dataclass
class PopulationConfig(AgentConfig):
    population: int = option(512, "individuals of a generation", above=0, maximum=10**6)
    episodes: int = option(8, "levels that each of them plays, the same for all; num_envs is not used", above=0)
    hidden: list[int] = option([16], "widths of the layers of each individual's tanh network")
    init: str = init_option("normc")
    act: str = option(
        "sample", "discrete actions: drawn by their softmax, or the likeliest", choices=("sample", "greedy")
    )
    validation: int = option(
        0, "more episodes that the 10 best of a generation play before one becomes champion; 0: none", minimum=0
    )
    lanes: int = option(
        4096, "environments that are stepped at once, at most; changes no number", above=0, in_setting=False
    )

    def validate(self) -> None:
        if not all(width > 0 for width in self.hidden):
            raise ValueError(f"hidden={self.hidden}: widths must be at least 1")


class PopulationAgent(BaseAgent):
    """Keeps the champion: the individual with the highest fitness so far, the older of equals."""

    learns_from = "population"
    metrics: tuple[str, ...] = ("explore/best", "explore/fitness_mean")
    rollout_steps = 1
    normalise = "first"

    def __init__(self, config: Any, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        if len(streams) > 1:
            raise UserError(
                f"agent={config.name}: ranks whole lives by the task's own return: use reward=none and curriculum=none"
            )
        self.options, self._rng, self._device = config, context.numpy_rng, context.device
        self.genome: Any = self.make_genome(context)
        self.episodes, self.lanes, self.validation = config.episodes, config.lanes, config.validation
        self.moments, self.fixed_levels = np.array([END]), False
        self.watched, self.sight_shape = "", ()
        self.stochastic = self.genome.discrete and config.act == "sample"
        self.contenders = np.zeros((0, self.genome.size), dtype=np.float32)
        self.champion = self.first(1)[0]
        self._best, self.champion_born = -np.inf, 0
        self._lived, self._births = 0, np.zeros(0, dtype=np.int64)

    @property
    def champion_return(self) -> float:
        """Of the champion, by which it became that; NaN before it lived."""
        return self._best if np.isfinite(self._best) else np.nan

    def tell_apart_by(self, descriptor: Any) -> None:
        """Have played, and assume, what a `Descriptor` needs."""
        self.moments, self.watched, self.sight_shape = descriptor.moments, descriptor.watched, descriptor.sight_shape
        self.assumes |= {"fixed_level", *descriptor.assumes}
        self.fixed_levels = True

    def check_levels(self, count: int) -> None:
        """Refuse a number of levels, on each of which everybody lives, before anybody does.

        Raises:
            UserError: what tells lives apart is too large on so many.
        """

    def make_genome(self, context: BuildContext) -> Genome:
        """What individuals are: tanh networks."""
        return Mlp(context.spec.obs, context.spec.action, tuple(self.options.hidden), self.options.init)

    def first(self, count: int) -> Array:
        """New individuals, float32 [count, G]."""
        drawn: Array = self.genome.first(self._rng.standard_normal((count, self.genome.size), dtype=np.float32))
        return drawn

    def judge(self, genomes: Array, lives: Lives) -> Metrics:
        """Compare a generation with the champion; counts the generation."""
        fitness = lives.fitness
        self.nominate(genomes, fitness)
        self._updates += 1
        self._lived += len(genomes)
        return {"explore/best": float(fitness.max()), "explore/fitness_mean": float(fitness.mean())}

    def nominate(self, genomes: Array, fitness: Array) -> None:
        """Say whose lives come next, or who is champion at once."""
        order = np.argsort(-fitness, kind="stable")
        births = self._lived + 1 + order[:CONTENDERS]
        if self.validation:
            old = slice(0, int(self._best > -np.inf))  # nobody, before one was crowned
            self.contenders = np.concatenate([self.champion[None][old], genomes[order[:CONTENDERS]]])
            self._births = np.concatenate([np.array([self.champion_born])[old], births])
        elif fitness[order[0]] > self._best:
            self._enthrone(genomes[order[0]], fitness[order[0]], births[0])

    def crown(self, lives: Lives) -> None:
        """The best of the contenders that lived, the old champion first."""
        best = int(lives.fitness.argmax())
        self._enthrone(self.contenders[best], lives.fitness[best], self._births[best])
        self.contenders = self.contenders[:0]

    def _enthrone(self, genome: Array, fitness: float, born: int) -> None:
        self.champion, self._best, self.champion_born = genome.copy(), float(fitness), int(born)

    def collection(self) -> dict[str, Array]:
        """The champion alone."""
        return {"genomes": self.champion[None].copy(), "returns": np.array([self.champion_return])}

    def initial_state(self, num_envs: int) -> torch.Tensor | None:
        begun = self.genome.begin(num_envs)
        return None if begun is None else torch.from_numpy(begun).to(self._device)

    @torch.no_grad()
    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        inputs = self.genome.inputs({name: entry.cpu().numpy() for name, entry in obs.items()})
        held = begun = self.genome.begin(len(inputs))
        if state is not None:
            held = np.where(first.cpu().numpy()[:, None], begun, state.cpu().numpy())
        outputs, held = self.genome.outputs(self.champion[None], inputs[None], held)
        uniform = None
        if self.stochastic and mode != "greedy":
            uniform = torch.rand(len(inputs), generator=rng, device=rng.device).cpu().numpy()
        action = torch.from_numpy(self.genome.actions(outputs[0], uniform)).to(self._device)
        return ActOutput(action, None if held is None else torch.from_numpy(held).to(self._device))

    def policy_state_dict(self) -> State:
        arrays = {"champion": self.champion, "mean": self.genome.mean, "std": self.genome.std}
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def load_policy_state_dict(self, state: State) -> None:
        self.champion = state["champion"].cpu().numpy().copy()
        self.genome.mean[:], self.genome.std[:] = state["mean"].cpu().numpy(), state["std"].cpu().numpy()

    def state_dict(self) -> State:
        own = {
            "policy": self.policy_state_dict(),
            "contenders": torch.from_numpy(self.contenders.copy()),
            "births": torch.from_numpy(self._births.copy()),
            "best": self._best,
            "born": self.champion_born,
            "lived": self._lived,
        }
        return super().state_dict() | own

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.load_policy_state_dict(state["policy"])
        self.contenders, self._births = (state[name].cpu().numpy().copy() for name in ("contenders", "births"))
        self._best, self.champion_born, self._lived = state["best"], state["born"], state["lived"]
