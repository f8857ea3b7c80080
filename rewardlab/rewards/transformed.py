"""A scheme whose bonuses are transformed, one after the other, before they are weighed: the option `transform`."""

from __future__ import annotations

from dataclasses import replace

import torch

from rewardlab.errors import UserError
from rewardlab.maths.reward_transforms import cut_steps
from rewardlab.parts.reward_transforms import Transform, made
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RewardConfig
from rewardlab.types import (
    AuxLoss,
    BuildContext,
    Episode,
    LogProb,
    Metrics,
    Rollout,
    Signals,
    State,
    TensorObs,
    Transitions,
)

_SAME = (
    "code", "keeps",
    "context", "assumes", "privileged", "warmup_steps", "replaces_task", "pays_prediction", "pays_demonstrated",
    "relabels", "reads_policy", "asks_policy", "mixes_advantages", "whole_episodes", "reads", "told_apart",
    "conditioner", "waits_for_ends", "best_share", "best_episodes", "exact", "code",
)  # fmt: skip
_CUT = "transform/cut_steps"


def transformed(scheme: BaseScheme, config: RewardConfig, context: BuildContext) -> BaseScheme:
    """The scheme itself, or one around it where its config has transforms.

    Raises:
        UserError: no such transform, or nothing to transform.
    """
    return Transformed(scheme, config, context) if config.transform else scheme


class Transformed(BaseScheme):
    """All streams beside the task's are transformed alike, each with a memory of its own; the rest is the scheme's.

    Transforms that look ahead need whole episodes. An episode that a rollout cuts is transformed as far as it goes;
    `transform/cut_steps` is the share of steps in such episodes. Streams whose sums mean something undiscounted only
    have the discount 1.
    """

    def __init__(self, scheme: BaseScheme, config: RewardConfig, context: BuildContext) -> None:
        name = config.name or config.plugin
        bonuses = [spec for spec in scheme.streams if spec.name != "task"]
        if not bonuses:
            raise UserError(f"reward={name}: pays no stream beside the task's, so there is nothing to transform")
        self.scheme = scheme
        for attribute in _SAME:
            setattr(self, attribute, getattr(scheme, attribute))
        key = f"reward={name} transform"
        self._chains: dict[str, list[Transform]] = {
            spec.name: [made(text, context, key) for text in config.transform] for spec in bonuses
        }
        chain = self._chains[bonuses[0].name]
        self._alone = all(step.pays_anew for step in chain)  # then no transform knows what comes before or after
        self.pays_anew = scheme.pays_anew and self._alone
        self.looks_ahead = scheme.looks_ahead or any(step.looks_ahead for step in chain)
        self._within_episodes = all(step.within_episodes for step in chain)
        self._cuts = any(step.looks_ahead for step in chain)
        self._cut = 0.0
        undiscounted = any(step.undiscounted for step in chain)
        self.streams = tuple(
            replace(spec, gamma=1.0) if undiscounted and spec.name != "task" else spec for spec in scheme.streams
        )
        self.metrics = (*scheme.metrics, *((_CUT,) if self._cuts else ()))

    def clears(self, stream: str) -> bool:
        return self.scheme.clears(stream) and self._within_episodes

    def learned_streams(self, alone: bool = False) -> tuple[str, ...]:
        return () if alone and not self._alone else self.scheme.learned_streams(alone)

    def warm_up(self, rollout: Rollout) -> None:
        self.scheme.warm_up(rollout)

    @torch.no_grad()
    def compute(self, rollout: Rollout) -> Signals:
        signals = self.scheme.compute(rollout)
        for name, chain in self._chains.items():
            for step in chain:
                signals.streams[name] = step.pay(signals.streams[name], rollout)
        if self._cuts:
            self._cut = cut_steps(rollout.first, rollout.done)
        return signals

    def kept_of(self, rollout: Rollout) -> TensorObs:
        return self.scheme.kept_of(rollout)

    def of_episode(self, episode: Episode) -> dict[str, torch.Tensor]:
        return self.scheme.of_episode(episode)

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        paid = self.scheme.rewards_of(steps)
        for name, chain in self._chains.items():
            for step in chain:
                paid[name] = step.anew(paid[name], steps)
        return paid

    def update(self, rollout: Rollout) -> Metrics:
        return self.scheme.update(rollout) | ({_CUT: self._cut} if self._cuts else {})

    def annotations(self) -> str:
        return self.scheme.annotations()

    def aux_losses(self) -> tuple[AuxLoss, ...]:
        return self.scheme.aux_losses()

    def take_policy(self, log_prob: LogProb) -> None:
        self.scheme.take_policy(log_prob)

    def state_dict(self) -> State:
        chains = {name: [step.state_dict() for step in chain] for name, chain in self._chains.items()}
        return {"scheme": self.scheme.state_dict(), "transforms": chains}

    def load_state_dict(self, state: State) -> None:
        self.scheme.load_state_dict(state["scheme"])
        for name, chain in self._chains.items():
            for step, saved in zip(chain, state["transforms"][name], strict=True):
                step.load_state_dict(saved)
