"""What the laws of reward schemes are held against: a scheme in a made-up world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from rewardlab.contracts.datasets import made_up
from rewardlab.contracts.made_up_policy import MadeUpPolicy
from rewardlab.contracts.state_laws import NUM_ENVS, new_context
from rewardlab.contracts.worlds import Renderer, Script, write_script
from rewardlab.rewards.transformed import transformed
from rewardlab.types import BuildContext, EnvSpec, Rollout

STEPS = 24


@dataclass(frozen=True)
class RewardCase:
    """A scheme to be tested in one made-up world: how to build it, and three rollouts in a row."""

    scheme: Callable[[Any, BuildContext], Any]
    config: Any
    spec: EnvSpec

    def build(self) -> tuple[Any, BuildContext]:
        """A fresh scheme, warmed up where it wants that, and its context; each time the same."""
        context = new_context(self.spec)
        scheme = self.made(context)
        if scheme.warmup_steps:
            scheme.warm_up(self.render(write_script(np.random.default_rng(5), self.spec, STEPS, NUM_ENVS)))
        return scheme, context

    def made(self, context: BuildContext) -> Any:
        """The scheme itself; where it learns from demonstrations, it is given some."""
        config = self.config
        if getattr(config, "demos", "") is None:
            config = replace(config, demos=made_up(self.spec))
        scheme = transformed(self.scheme(config, context), config, context)
        if scheme.asks_policy:
            scheme.take_policy(MadeUpPolicy(self.spec))
        return scheme

    def scripts(self) -> tuple[Script, Script, Script]:
        rng = np.random.default_rng(7)
        first = write_script(rng, self.spec, STEPS, NUM_ENVS)
        second = write_script(rng, self.spec, STEPS, NUM_ENVS, first)
        return first, second, write_script(rng, self.spec, STEPS, NUM_ENVS, second)

    def render(self, script: Script) -> Rollout:
        return Renderer(self._shown, seed=11).rollout(script)

    @cached_property
    def _shown(self) -> EnvSpec:
        """The world as the agent sees it, with what the scheme itself shows."""
        conditioner = self.made(new_context(self.spec)).conditioner
        return self.spec if conditioner is None else replace(self.spec, obs={**self.spec.obs, **conditioner.obs})

    def bonuses(self, script: Script, learned: Script | None = None) -> dict[str, torch.Tensor]:
        """What a fresh scheme pays for a script beside the task, or one that has learned from another before."""
        scheme = self.build()[0]
        if learned is not None:
            rollout = self.render(learned)
            scheme.compute(rollout)
            scheme.update(rollout)
        streams = scheme.compute(self.render(script)).streams
        return {name: signal for name, signal in streams.items() if name != "task"}
