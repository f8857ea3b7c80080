"""The factors of steps that redistribution learns from: expressions of the setting, or code in its sandbox.

Source: Qu et al. 2024, Latent reward: LLM-empowered credit assignment in episodic reinforcement learning (LaRe,
arXiv:2412.11120). Its published code runs what the model wrote anew for each minibatch; here it runs once for each step
that is played, and what it said is kept with the step.
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.parts.models.factors import FACTORS, Factors
from rewardlab.parts.state_keys import FACT
from rewardlab.rewards.learned.redistribution_options import Options
from rewardlab.rewards.written.code_states import CodeStates
from rewardlab.types import BuildContext, Rollout, TensorObs, Transitions


class StepFactors:
    """K of them.

    Attributes:
        size: K. code: its text, where there is code. assumes: what that needs. keeps: whether `kept_of` has something.

    Raises:
        UserError: they can't be computed in this world, or are none on a made-up state of it.
    """

    def __init__(self, config: Options, context: BuildContext) -> None:
        self._expressions: Factors | None = None
        self._written: CodeStates | None = None
        self.code, self.assumes = "", frozenset[str]()
        self.keeps = config.code is not None
        self._latest: tuple[Rollout, torch.Tensor] | None = None
        if config.code is None:
            self._expressions = Factors(config.name or config.plugin, config.factors, context.spec)
            self.size = self._expressions.size
            return
        self._written = CodeStates(config.coded(), context, "factors")
        self.code, self.assumes, self.size = self._written.source, self._written.assumes, len(self._written.columns)
        if not self.size:
            raise UserError(f"reward.code={config.code}: fails on a made-up state: {self._written.failure}")

    def of_rollout(self, rollout: Rollout) -> torch.Tensor:
        """float32 [T, N, K].

        Raises:
            CodeError: the code fails, or too much of what it says is not finite.
        """
        if self._expressions is not None:
            return self._expressions.of(rollout.obs, rollout.action, rollout.next_obs, rollout.privileged)
        assert self._written is not None
        told = self._written.of_steps(rollout)
        columns = [self._written.finite(told[name])[0] for name in self._written.columns]
        table = torch.from_numpy(np.stack(columns, axis=1).astype(np.float32)).to(rollout.task_reward.device)
        found = table.view(*rollout.task_reward.shape, -1)
        self._latest = rollout, found
        return found

    def kept_of(self, rollout: Rollout) -> TensorObs:
        """What is kept with the steps of the rollout that was asked for last: what the code said."""
        if self._latest is None:
            return {}
        latest, found = self._latest
        assert latest is rollout
        return {FACTORS: found}

    def of_steps(self, steps: Transitions) -> torch.Tensor:
        """float32 [B, K] of steps from a buffer."""
        if self._expressions is None:
            return steps.extra[FACTORS]
        facts = {name.removeprefix(FACT): fact for name, fact in steps.extra.items() if name.startswith(FACT)}
        return self._expressions.of(steps.obs, steps.action, steps.next_obs, facts)
