"""Behaviour cloning from demonstrations, before PPO or beside it

Paper: Andres et al. 2025, Using offline data to speed up reinforcement learning in procedurally generated environments
(arXiv:2304.09825)

Both minimise the negative log-probability of the demonstrated actions, -mean log pi(a|s). Before training
(pretrain=bc) the task's value head may learn the discounted returns of the demonstrations as well: a value function
that knows nothing undoes a cloned policy within its first updates. Beside training (concurrent=bc) gradient steps on
batches of demonstrated steps follow each rollout, by the agent's own optimiser.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch

from rewardlab.datasets.options import DemosConfig
from rewardlab.parts.minibatches import minibatches
from rewardlab.schemas import option
from rewardlab.types import AuxLoss, BuildContext, Judgement, Transitions

_KINDS = ("none", "bc")


@dataclass
class CloningConfig(DemosConfig):
    pretrain: str = option("none", "bc: clone the demonstrations before training", choices=_KINDS, neutral="none")
    pretrain_steps: int = option(1000, "gradient steps before training", above=0, neutral=1000)
    pretrain_epochs: int | None = option(
        None, "passes over the demonstrations instead of so many steps; null: by steps", above=0, neutral=None
    )
    pretrain_batch_size: int = option(256, "demonstrated steps of each gradient step", above=0, neutral=256)
    pretrain_learning_rate: float = option(1e-3, "Adam's step size before training", above=0, neutral=1e-3)
    pretrain_value_coef: float = option(
        0.5, "weight of the task value's error on demonstrated returns; 0: the policy alone", minimum=0, neutral=0.5
    )
    concurrent: str = option("none", "bc: clone after each rollout too", choices=_KINDS, neutral="none")
    concurrent_coef: float = option(1.0, "weight of that loss", minimum=0, neutral=1.0)
    concurrent_updates: int = option(2, "gradient steps after each rollout", above=0, neutral=2)
    concurrent_batch_size: int = option(256, "demonstrated steps of each", above=0, neutral=256)

    def validate(self) -> None:
        used = "bc" in (self.pretrain, self.concurrent)
        if used and self.demos is None:
            raise ValueError("demos=null: name demonstrations to clone, such as rewardlab demos records")
        for key in ("demos", "demos_episodes", "demos_levels"):
            if not used and getattr(self, key) is not None:
                raise ValueError(f"{key}={getattr(self, key)}: only with pretrain=bc or concurrent=bc")


class Cloning:
    """The demonstrations of an agent, read when they are first needed.

    Raises:
        UserError: no such demonstrations, or they do not fit the environment.
    """

    def __init__(self, config: CloningConfig, context: BuildContext) -> None:
        self.config = config
        self._context = context
        self._file = config.demonstrations("agent", context.spec)
        self._steps: Transitions | None = None

    @property
    def steps(self) -> Transitions:
        """Every demonstrated step, on the agent's device."""
        if self._steps is None:
            found, device = self._file.read().transitions(self._context.gamma), self._context.device
            self._steps = Transitions(
                {name: entry.to(device) for name, entry in found.obs.items()},
                found.action.to(device),
                {name: entry.to(device) for name, entry in found.extra.items()},
            )
        return self._steps

    def draw(self, chosen: torch.Tensor) -> Transitions:
        steps, chosen = self.steps, chosen.to(self._context.device)
        return Transitions(
            {name: entry[chosen] for name, entry in steps.obs.items()},
            steps.action[chosen],
            {name: entry[chosen] for name, entry in steps.extra.items()},
        )

    def before(self) -> AuxLoss:
        """What is learned before training."""
        return _Before(self, self._context.generator)

    def beside(self) -> AuxLoss:
        """What is learned after each rollout."""
        return _Beside(self, self._context.generator)


class _Before:
    name = "pretraining"

    def __init__(self, cloning: Cloning, generator: torch.Generator) -> None:
        self._cloning, self._generator = cloning, generator

    def batches(self) -> Iterator[Transitions]:
        config, count = self._cloning.config, len(self._cloning.steps.action)
        passes = config.pretrain_epochs or config.pretrain_steps  # a pass is a step at least
        batches = minibatches(count, config.pretrain_batch_size, passes, self._generator)
        for chosen in islice(batches, None if config.pretrain_epochs else config.pretrain_steps):
            yield self._cloning.draw(chosen)

    def loss(self, batch: Transitions, judgement: Judgement) -> torch.Tensor:
        error = ((judgement.task_value - batch.extra["return"]) / judgement.return_scale).square().mean()
        return self._cloning.config.pretrain_value_coef * error - judgement.log_prob.mean()


class _Beside:
    name = "cloning"

    def __init__(self, cloning: Cloning, generator: torch.Generator) -> None:
        self._cloning, self._generator = cloning, generator

    def batches(self) -> Iterator[Transitions]:
        config, count = self._cloning.config, len(self._cloning.steps.action)
        for _ in range(config.concurrent_updates):
            yield self._cloning.draw(torch.randint(count, (config.concurrent_batch_size,), generator=self._generator))

    def loss(self, batch: Transitions, judgement: Judgement) -> torch.Tensor:
        return -self._cloning.config.concurrent_coef * judgement.log_prob.mean()
