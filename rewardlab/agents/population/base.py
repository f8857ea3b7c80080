"""What agents with populations have in common: their options, their networks, the champion that is evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rewardlab.agents.base import BaseAgent
from rewardlab.errors import UserError
from rewardlab.networks.genomes import Mlp
from rewardlab.parts.archives.descriptors import END
from rewardlab.schemas import AgentConfig, option
from rewardlab.types import ActOutput, Array, BuildContext, Lives, Metrics, State, StreamSpec, TensorObs


@dataclass
class PopulationConfig(AgentConfig):
    population: int = option(512, "individuals of a generation", above=0, maximum=10**6)
    episodes: int = option(8, "levels that each of them plays, the same for all; num_envs is not used", above=0)
    hidden: list[int] = option([16], "widths of the layers of each individual's tanh network")
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

    def __init__(self, config: Any, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        if len(streams) > 1:
            raise UserError(
                f"agent={config.name}: ranks whole lives by the task's own return: use reward=none and curriculum=none"
            )
        self.options, self._rng, self._device = config, context.numpy_rng, context.device
        self.genome = Mlp(context.spec.obs, context.spec.action, tuple(config.hidden))
        self.episodes, self.lanes, self.validation = config.episodes, config.lanes, config.validation
        self.greedy = config.act == "greedy"
        self.moments, self.fixed_levels = np.array([END]), False
        self.stochastic = self.genome.discrete and not self.greedy
        self.contenders = np.zeros((0, self.genome.size), dtype=np.float32)
        self.champion = self.first(1)[0]
        self._best = -np.inf

    def first(self, count: int) -> Array:
        """New individuals, float32 [count, G]."""
        draws = self._rng.standard_normal((count, self.genome.size), dtype=np.float32)
        return self.genome.normc(draws)

    def judge(self, genomes: Array, lives: Lives) -> Metrics:
        """Compare a generation with the champion; counts the generation."""
        fitness = lives.fitness
        order = np.argsort(-fitness, kind="stable")
        if self.validation:
            best = genomes[order[:10]]
            self.contenders = best if self._updates == 0 else np.concatenate([self.champion[None], best])
        elif fitness[order[0]] > self._best:
            self.champion, self._best = genomes[order[0]].copy(), float(fitness[order[0]])
        self._updates += 1
        return {"explore/best": float(fitness[order[0]]), "explore/fitness_mean": float(fitness.mean())}

    def crown(self, lives: Lives) -> None:
        """The best of the contenders that lived, the old champion first."""
        self.champion = self.contenders[lives.fitness.argmax()].copy()
        self.contenders = self.contenders[:0]

    @torch.no_grad()
    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        inputs = self.genome.inputs({name: entry.cpu().numpy() for name, entry in obs.items()})
        outputs = self.genome.outputs(self.champion[None], inputs[None])[0]
        uniform = None
        if self.stochastic and mode != "greedy":
            uniform = torch.rand(len(inputs), generator=rng, device=rng.device).cpu().numpy()
        return ActOutput(torch.from_numpy(self.genome.actions(outputs, uniform)).to(self._device), None)

    def policy_state_dict(self) -> State:
        arrays = {"champion": self.champion, "mean": self.genome.mean, "std": self.genome.std}
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def load_policy_state_dict(self, state: State) -> None:
        self.champion = state["champion"].cpu().numpy().copy()
        self.genome.mean[:], self.genome.std[:] = state["mean"].cpu().numpy(), state["std"].cpu().numpy()

    def state_dict(self) -> State:
        contenders = torch.from_numpy(self.contenders.copy())
        return super().state_dict() | {"policy": self.policy_state_dict(), "best": self._best, "contenders": contenders}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.load_policy_state_dict(state["policy"])
        self._best, self.contenders = state["best"], state["contenders"].cpu().numpy().copy()
