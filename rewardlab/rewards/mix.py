"""Mix: several schemes at once, each with a weight.

Composed in yaml or on the command line: `reward=mix +reward@reward.schemes.icm=icm` adds one,
`reward@reward.schemes.count=icm` puts icm in the place of count, `reward.schemes.rnd.epochs=2` sets an option of one,
`reward.weights.count=0.5` a weight. A key may be any name, so that one scheme can be there twice.

Each bonus stream is weighed by its own coef times its scheme's weight. The task's stream is there once, weighed by
`task_coef` of the mix: those of the schemes are not used. Streams and metrics carry the scheme's key in their name.
A scheme's bonus on advantages or value targets, and its losses for the agent, are multiplied by its weight.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch

from rewardlab import discovery, seeding
from rewardlab.errors import UserError
from rewardlab.parts.random_state import load_random_state, random_state
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RewardConfig, option
from rewardlab.types import (
    AuxLoss,
    BuildContext,
    Judgement,
    Metrics,
    Rollout,
    Signals,
    State,
    StreamSpec,
    Transitions,
)

VERSION = 1


@dataclass
class Config(RewardConfig):
    schemes: dict[str, Any] = option({}, "the schemes, by a name that is free to choose")
    weights: dict[str, float] = option({}, "a weight for each; 1 where there is none")
    task_coef: float = option(1.0, "weight of the task's reward beside them", minimum=0)

    def privileged(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(fact for scheme in self.schemes.values() for fact in scheme.privileged()))

    def validate(self) -> None:
        if not self.schemes:
            raise ValueError("schemes={}: needs at least one, as in +reward@reward.schemes.rnd=rnd")
        for key, node in self.schemes.items():
            if not isinstance(node, RewardConfig):
                raise ValueError(f"schemes.{key}={node}: add a scheme as +reward@reward.schemes.{key}=NAME")
        for key, weight in self.weights.items():
            if key not in self.schemes:
                raise ValueError(f"weights.{key}={weight}: no such scheme (allowed: {', '.join(self.schemes)})")
            if weight < 0:
                raise ValueError(f"weights.{key}={weight}: must be at least 0")


class Scheme(BaseScheme):
    """Hands every call on to its schemes, which know nothing of one another."""

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self._weights = config.weights
        self._contexts = {key: _own_context(context, key) for key in config.schemes}
        self.schemes: dict[str, BaseScheme] = {
            key: discovery.load("reward", node.plugin).Scheme(node, self._contexts[key])
            for key, node in config.schemes.items()
        }
        self.streams = (StreamSpec("task", context.gamma, config.task_coef),)
        self.pays_anew = True
        self._names: dict[str, dict[str, str]] = {}  # scheme -> its stream -> that stream here
        for key, scheme in self.schemes.items():
            if scheme.replaces_task:
                raise UserError(f"reward.schemes.{key}: changes the task's own reward and can't be mixed; use it alone")
            if scheme.relabels:
                raise UserError(f"reward.schemes.{key}: relabels what is replayed and can't be mixed; use it alone")
            bonuses = [spec for spec in scheme.streams if spec.name != "task"]
            self._names[key] = {s.name: key if len(bonuses) == 1 else f"{key}.{s.name}" for s in bonuses}
            weight = config.weights.get(key, 1.0)
            self.streams += tuple(replace(s, name=self._names[key][s.name], coef=s.coef * weight) for s in bonuses)
            self.assumes |= scheme.assumes
            self.reads_policy |= scheme.reads_policy
            self.pays_anew &= scheme.pays_anew or not bonuses
            self.metrics += tuple(_renamed(name, key) for name in scheme.metrics)
            self.warmup_steps = max(self.warmup_steps, scheme.warmup_steps)
            self.told_apart += scheme.told_apart

    def clears(self, stream: str) -> bool:
        return any(
            scheme.clears(original)
            for key, scheme in self.schemes.items()
            for original, name in self._names[key].items()
            if name == stream
        )

    def warm_up(self, rollout: Rollout) -> None:
        for scheme in self.schemes.values():
            if scheme.warmup_steps:
                scheme.warm_up(rollout)

    def compute(self, rollout: Rollout) -> Signals:
        mixed = Signals({"task": rollout.task_reward})
        for key, scheme in self.schemes.items():
            signals, weight = scheme.compute(rollout), self._weights.get(key, 1.0)
            mixed.streams |= {name: signals.streams[original] for original, name in self._names[key].items()}
            mixed.advantage_bonus = _added(mixed.advantage_bonus, signals.advantage_bonus, weight)
            mixed.value_target_bonus = _added(mixed.value_target_bonus, signals.value_target_bonus, weight)
        return mixed

    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        paid: dict[str, torch.Tensor] = {}
        for key, scheme in self.schemes.items():
            given = scheme.rewards_of(steps)
            paid |= {name: given[original] for original, name in self._names[key].items()}
        return paid

    def update(self, rollout: Rollout) -> Metrics:
        metrics: Metrics = {}
        for key, scheme in self.schemes.items():
            metrics |= {_renamed(name, key): value for name, value in scheme.update(rollout).items()}
        return metrics

    def aux_losses(self) -> tuple[AuxLoss, ...]:
        return tuple(
            _Weighted(loss, f"{key}.{loss.name}", self._weights.get(key, 1.0))
            for key, scheme in self.schemes.items()
            for loss in scheme.aux_losses()
        )

    def state_dict(self) -> State:
        return {
            key: {"scheme": scheme.state_dict(), "random": random_state(self._contexts[key])}
            for key, scheme in self.schemes.items()
        }

    def load_state_dict(self, state: State) -> None:
        for key, scheme in self.schemes.items():
            scheme.load_state_dict(state[key]["scheme"])
            load_random_state(self._contexts[key], state[key]["random"])


class _Weighted:
    """A scheme's loss times its weight."""

    def __init__(self, loss: AuxLoss, name: str, weight: float) -> None:
        self._loss, self.name, self._weight = loss, name, weight
        self.batches = loss.batches

    def loss(self, batch: Transitions, judgement: Judgement) -> torch.Tensor:
        return self._weight * self._loss.loss(batch, judgement)


def _added(total: torch.Tensor | None, bonus: torch.Tensor | None, weight: float) -> torch.Tensor | None:
    if bonus is None:
        return total
    return weight * bonus if total is None else total + weight * bonus


def _own_context(context: BuildContext, key: str) -> BuildContext:
    """The same with random generators of its own, which depend on the run's seed and the key alone."""
    seed = context.generator.initial_seed()
    return replace(context, generator=seeding.torch_rng(seed, key), numpy_rng=seeding.numpy_rng(seed, key))


def _renamed(metric: str, key: str) -> str:
    """`loss/rnd_predictor` of the scheme `far` -> `loss/far.rnd_predictor`."""
    folder, slash, name = metric.rpartition("/")
    return f"{folder}{slash}{key}.{name}"
