"""Written: a reward that is given as code, by hand or by a language model, and runs where it can do no harm.

Papers: Xie et al. 2023, Text2Reward (arXiv:2309.11489); Ma et al. 2023, Eureka (arXiv:2310.12931); Li et al. 2023,
Auto MC-Reward (arXiv:2312.09238)
Assumes: privileged on grids, whose whole state the code sees

    rewardlab run env=doorkey reward=written reward.code=my_reward.py

The file defines one of: compute_reward(before, action, after); dense and sparse of the same; potential(state). See
`parts/written_code.py` for what they return and `parts/written_state.py` for what they see. `pay` says how it is paid:

direct: r as it is. What is paid in a state pays again while the agent stays there: one that loiters can earn more than
one that finishes, since success ends the episode in MiniGrid.
difference: Phi(s') - Phi(s), and nothing for the step that terminates an episode. Standing still pays nothing. It comes
to (1 - gamma) Phi a step, for ever: it is good to be where Phi is high, so that the best policy may be another.
potential: gamma Phi(s') - Phi(s), with Phi 0 in terminal states (Ng et al. 1999): the best policies stay the best. A
critic that knows Phi takes it off again, so that it leads for a while; with large weights PPO learned hardly anything.
signed: sgn(sparse) + 0.1 sgn(dense), of Auto MC-Reward.

What is not finite pays 0, and is counted; a rollout with more than 1 % of it fails the run. So does an error, unless
on_error=zero: then up to 4096 steps on which the code fails pay 0, and are counted. What is beyond `clip` is cut to it,
and counted. The published loops replace the task's reward: reward.task_coef=0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.parts.written_code import TAKEN, kind_of
from rewardlab.rewards.base import BaseScheme
from rewardlab.rewards.written.code_states import ERRORS, CodeOptions, CodeStates
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Metrics, Rollout, Signals, StreamSpec

VERSION = 2
_PAYS = {"reward": "direct", "split": "signed", "potential": "difference"}  # what `pay=auto` is for each kind
_PAYABLE = {
    "direct": ("reward", "potential"), "signed": ("split",), "difference": ("potential",), "potential": ("potential",),
}  # fmt: skip
_PAID = ("compute_reward", "dense", "sparse", "potential")
_TOLD = tuple(f"written/{name}" for name in TAKEN)
_SHARE = 0.1  # of the dense part beside the sparse one


@dataclass
class Config(CodeOptions):
    pay: str = option(
        "auto",
        "how it is paid; auto: direct for compute_reward, signed for dense and sparse, difference for potential",
        choices=("auto", *_PAYABLE),
    )
    coef: float = option(0.1, "weight of what it pays", minimum=0)
    task_coef: float = option(1.0, "weight of the task's reward beside it", minimum=0)
    clip: float = option(10.0, "what it pays is cut to [-clip, clip]", above=0)
    on_error: str = option(
        "fail",
        "what an error does; zero: the steps that it was asked of pay 0, with three restarts at most",
        choices=("fail", "zero"),
        neutral="fail",
    )

    def validate(self) -> None:
        kind = kind_of(self.source(*_PAYS))
        if self.pay != "auto" and kind not in _PAYABLE[self.pay]:
            raise ValueError(f"pay={self.pay}: of {' or '.join(_PAYABLE[self.pay])}, and {self.code} defines {kind}")


class Scheme(BaseScheme):
    """Runs the code on a whole rollout at once; it learns nothing and remembers nothing."""

    pays_by_step = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config, self.states = config, CodeStates(config, context, *_PAYS, forgiving=config.on_error == "zero")
        kind = kind_of(self.states.source)
        self._of_states = kind == "potential"
        self._pay = _PAYS[kind] if config.pay == "auto" else config.pay
        self.potential_based = self._pay == "potential"
        self.streams = (
            StreamSpec("task", context.gamma, config.task_coef),
            StreamSpec("written", context.gamma, config.coef),
        )
        self.assumes, self.code = self.states.assumes, self.states.source
        self._parts = tuple(name for name in self.states.columns if name not in _PAID)
        self.metrics = (*_TOLD, *(f"written/{name}" for name in self._parts))
        self._told: Metrics = {}

    @torch.no_grad()
    def compute(self, rollout: Rollout) -> Signals:
        paid, told, errors = self._paid(rollout)
        kept, share = self.states.finite(np.where(errors, 0.0, paid))
        cut = kept.clip(-self.config.clip, self.config.clip)
        found = (share, (cut != kept).mean(), errors.mean(), cut.mean(), cut.min(), cut.max())
        self._told = {name: float(value) for name, value in zip(_TOLD, found, strict=True)}
        worked = ~errors
        self._told |= {
            f"written/{name}": float(told[name][worked].mean()) for name in self._parts if name in told and worked.any()
        }
        stream = torch.from_numpy(cut.astype(np.float32)).to(rollout.task_reward.device)
        return Signals({"task": rollout.task_reward, "written": stream.view_as(rollout.task_reward)})

    def update(self, rollout: Rollout) -> Metrics:
        return self._told

    def _paid(self, rollout: Rollout) -> tuple[Array, dict[str, Array], Array]:
        """float32 [T * N], before anything is cut; all that the code says of each step or its end; where it failed."""
        none = np.zeros(rollout.task_reward.numel(), bool)
        if not self._of_states:
            told = self.states.of_steps(rollout)
            errors = told[ERRORS] > 0 if ERRORS in told else none
            if self._pay == "direct":
                return told["compute_reward"], told, errors
            signed: Array = np.sign(told["sparse"]) + _SHARE * np.sign(told["dense"])
            return signed, told, errors
        before, after = self.states.of_both_ends(rollout)
        errors = after[ERRORS] > 0 if ERRORS in after else none
        if self._pay == "direct":
            return after["potential"], after, errors
        ended = rollout.terminated.cpu().numpy().reshape(-1)
        here, there = before["potential"], after["potential"]
        if self._pay == "difference":
            reached = np.where(ended, here, there)
        else:
            reached = self.context.gamma * np.where(ended, np.float32(0), there)
        shaped: Array = reached - here
        return shaped, after, errors | (before[ERRORS] > 0) if ERRORS in before else errors
