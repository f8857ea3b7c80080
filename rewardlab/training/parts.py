"""The objects of a run, and the random generators that they draw from."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.schemas import RootConfig
from rewardlab.types import (
    Agent,
    BuildContext,
    Conditioner,
    Curriculum,
    EnvSpec,
    LevelDesigner,
    Metrics,
    Privileges,
    RewardScheme,
    State,
    StreamSpec,
    VecEnv,
)


@dataclass
class Generators:
    """The named random generators that a run's objects draw from; saved and restored as a whole."""

    torch_rngs: dict[str, torch.Generator] = field(default_factory=dict)
    numpy_rngs: dict[str, np.random.Generator] = field(default_factory=dict)

    def context(self, name: str, config: RootConfig, spec: EnvSpec) -> BuildContext:
        """What the object `name` may know, with generators of its own."""
        self.torch_rngs[name] = seeding.torch_rng(config.seed, name)
        self.numpy_rngs[name] = seeding.numpy_rng(config.seed, name)
        return BuildContext(
            spec,
            config.num_envs,
            torch.device(config.device),
            self.torch_rngs[name],
            self.numpy_rngs[name],
            config.agent.gamma,
        )

    def state_dict(self) -> State:
        return {
            "torch": {name: generator.get_state() for name, generator in self.torch_rngs.items()},
            "numpy": {name: seeding.generator_state(rng) for name, rng in self.numpy_rngs.items()},
        }

    def load_state_dict(self, state: State) -> None:
        for name, generator in self.torch_rngs.items():
            generator.set_state(state["torch"][name])
        for name, rng in self.numpy_rngs.items():
            seeding.set_generator_state(rng, state["numpy"][name])


@dataclass
class RunParts:
    """Everything that a run trains with; what it has none of is None.

    rival: a second student of a designer, with a scheme of its own. privileges: what training may do beyond the task.
    """

    env: VecEnv
    agent: Agent
    scheme: RewardScheme
    conditioner: Conditioner | None = None
    curriculum: Curriculum | None = None
    designer: LevelDesigner | None = None
    rival: tuple[Agent, RewardScheme] | None = None
    privileges: Privileges | None = None
    generators: Generators = field(default_factory=Generators)

    @property
    def reward_streams(self) -> tuple[StreamSpec, ...]:
        """What the learner is paid: the scheme's streams, then the conditioner's."""
        return self.scheme.streams + (self.conditioner.streams if self.conditioner is not None else ())

    def update_practice(self, progress: float) -> tuple[Metrics, ...]:
        """Let the conditioner, the curriculum and privileges learn what is practised on next, where there are any."""
        told: list[Metrics] = []
        if self.conditioner is not None:
            told.append(self.conditioner.update())
        if self.curriculum is not None:
            told.append(self.curriculum.update(progress))
        if self.privileges is not None:
            told.append(self.privileges.update())
            if self.privileges.extra and self.privileges.chance == 0:
                self.agent.drop_actions()
        return tuple(told)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Columns of train.csv that the parts fill."""
        return tuple(name for piece in self._plugins() for name in piece.metrics)

    @property
    def assumes(self) -> frozenset[str]:
        """What the run assumes beyond an ordinary learner."""
        none: frozenset[str] = frozenset()
        return none.union(*(piece.assumes for piece in self._plugins()))

    def state_dict(self) -> State:
        """The state of every piece, by its name in checkpoints."""
        return {name: piece.state_dict() for name, piece in self._pieces().items()}

    def load_state_dict(self, state: State) -> None:
        """Restore all pieces from what `state_dict` returned."""
        for name, piece in self._pieces().items():
            piece.load_state_dict(state[name])

    def _plugins(self) -> list[Any]:
        pieces = (self.agent, self.scheme, self.conditioner, self.curriculum, self.designer, self.privileges)
        return [piece for piece in pieces if piece is not None]

    def _pieces(self) -> dict[str, Any]:
        """What has a state, by its name in checkpoints; the environments belong to what is learned from."""
        pieces = {
            "agent": self.agent,
            "scheme": self.scheme,
            "conditioner": self.conditioner,
            "curriculum": self.curriculum,
            "designer": self.designer,
            "privileges": self.privileges,
            "rival_agent": self.rival and self.rival[0],
            "rival_scheme": self.rival and self.rival[1],
            "streams": self.generators,  # restored last: to restore the others may draw
        }
        return {name: piece for name, piece in pieces.items() if piece is not None}
