"""Written: a reward that is given as code, by hand or by a language model, and runs where it can do no harm.

Papers: Xie et al. 2023, Text2Reward (arXiv:2309.11489); Ma et al. 2023, Eureka (arXiv:2310.12931); Li et al. 2023,
Auto MC-Reward (arXiv:2312.09238)
Assumes: privileged on grids, whose whole state the code sees

    rewardlab run env=doorkey reward=written reward.code=my_reward.py

The file defines one of: compute_reward(before, action, after); dense and sparse of the same; potential(state). See
`parts/written_code.py` for what they return and `parts/written_state.py` for what they see. `pay` says how it is paid:

direct: r as it is. What is paid in a state pays again while the agent stays there: one that loiters can earn more than
one that finishes, since success ends the episode in MiniGrid.
potential: gamma Phi(s') - Phi(s), with Phi 0 in terminal states (Ng et al. 1999): the best policies stay the best.
signed: sgn(sparse) + 0.1 sgn(dense), of Auto MC-Reward.

What is not finite pays 0, and is counted; a rollout with more than 1 % of it fails the run. What is beyond `clip` is
cut to it, and counted. The published loops replace the task's reward: reward.task_coef=0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rewardlab.datasets.folders import code_file, codes
from rewardlab.errors import CodeError, UserError, unknown
from rewardlab.facts import GRID
from rewardlab.maths.boxes import executed
from rewardlab.parts.written_code import WrittenCode, check_fields, kind_of
from rewardlab.parts.written_state import VECTOR, StateLayout, facts_of, state_layout
from rewardlab.rewards.base import BaseScheme
from rewardlab.sandbox.process import Field, available
from rewardlab.schemas import RewardConfig, RootConfig, option
from rewardlab.types import Array, BuildContext, Metrics, Obs, Rollout, Signals, StreamSpec

VERSION = 1
_PAYS = {"reward": "direct", "split": "signed", "potential": "potential"}  # what `pay=auto` is for each kind
_PAYABLE = {"direct": ("reward", "potential"), "signed": ("split",), "potential": ("potential",)}
_WORST = 0.01  # share of what is not finite
_SHARE = 0.1  # of the dense part beside the sparse one


@dataclass
class CodeOptions(RewardConfig):
    """What every scheme has that runs code."""

    code: str = option("stages", "the file that defines the reward, or a name in conf/code", dataset=True)
    state: str = option(
        "auto",
        "what the code sees: the whole grid, or the vector that is observed; auto: the grid where there is one",
        choices=("auto", "grid", "vector"),
    )
    sandbox: bool = option(
        True, "whether the code is kept from files, network and processes; false: it may do all that you may"
    )

    def settle(self, setting: RootConfig) -> None:
        if self.state == "auto":
            self.state = "grid" if setting.env.ON_GRID else "vector"

    def privileged(self) -> tuple[str, ...]:
        return facts_of(self.state == "grid")

    def source(self, *kinds: str) -> str:
        """The text of the file.

        Raises:
            ValueError: there is none, it cannot be read, or it defines none of what is wanted.
        """
        file = code_file(self.code)
        if file is None:
            raise ValueError(str(unknown("code", self.code, codes(), "file, and no such name in conf/code")))
        try:
            source = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise ValueError(f"code={self.code}: cannot be read ({reason})") from None
        try:
            kind = kind_of(source)
        except ValueError as error:
            raise ValueError(f"code={self.code}: {error}") from None
        if kind not in kinds:
            raise ValueError(f"code={self.code}: defines {kind}, and this scheme pays {' or '.join(kinds)}")
        return source


@dataclass
class Config(CodeOptions):
    pay: str = option(
        "auto",
        "how it is paid; auto: direct for compute_reward, signed for dense and sparse, else as potential",
        choices=("auto", *_PAYABLE),
    )
    coef: float = option(0.1, "weight of what it pays", minimum=0)
    task_coef: float = option(1.0, "weight of the task's reward beside it", minimum=0)
    clip: float = option(10.0, "what it pays is cut to [-clip, clip]", above=0)

    def paid_as(self) -> str:
        """What `pay` stands for."""
        return _PAYS[kind_of(self.source(*_PAYS))] if self.pay == "auto" else self.pay

    def validate(self) -> None:
        kind = kind_of(self.source(*_PAYS))
        if self.pay != "auto" and kind not in _PAYABLE[self.pay]:
            raise ValueError(f"pay={self.pay}: of {' or '.join(_PAYABLE[self.pay])}, and {self.code} defines {kind}")


class Scheme(BaseScheme):
    """Runs the code on a whole rollout at once; it learns nothing and remembers nothing."""

    metrics = ("written/nonfinite", "written/clipped", "written/mean", "written/least", "written/most")

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config, self._pay = config, config.paid_as()
        self._of_states = kind_of(config.source(*_PAYS)) == "potential"
        self.potential_based = self._pay == "potential"
        self.streams = (
            StreamSpec("task", context.gamma, config.task_coef),
            StreamSpec("written", context.gamma, config.coef),
        )
        self.states = CodeStates(config, context, *_PAYS)
        self._told: Metrics = {}

    @torch.no_grad()
    def compute(self, rollout: Rollout) -> Signals:
        paid = self._paid(rollout)
        finite = np.isfinite(paid)
        if (share := 1.0 - finite.mean()) > _WORST:
            raise CodeError(f"reward.code={self.config.code}: {share:.0%} of what it pays is not finite")
        kept = np.where(finite, paid, 0.0)
        cut = kept.clip(-self.config.clip, self.config.clip)
        self._told = {
            "written/nonfinite": float(share),
            "written/clipped": float((cut != kept).mean()),
            "written/mean": float(cut.mean()),
            "written/least": float(cut.min()),
            "written/most": float(cut.max()),
        }
        stream = torch.from_numpy(cut.astype(np.float32)).to(rollout.task_reward.device)
        return Signals({"task": rollout.task_reward, "written": stream.view_as(rollout.task_reward)})

    def update(self, rollout: Rollout) -> Metrics:
        return self._told

    def _paid(self, rollout: Rollout) -> Array:
        """float32 [T * N], before anything is cut."""
        if self._pay == "signed":
            told = self.states.of_steps(rollout)
            signed: Array = np.sign(told["sparse"]) + _SHARE * np.sign(told["dense"])
            return signed
        if self._of_states:
            before, after = (each["potential"] for each in self.states.of_both_ends(rollout))
            if self._pay == "direct":
                return after
            ended = rollout.terminated.cpu().numpy().reshape(-1)
            shaped: Array = self.context.gamma * np.where(ended, np.float32(0), after) - before
            return shaped
        return self.states.of_steps(rollout)["compute_reward"]


class CodeStates:
    """Code and the states of rollouts that it is shown.

    The sandbox starts with the first rollout, since only that tells how large the grid is.
    """

    def __init__(self, config: CodeOptions, context: BuildContext, *kinds: str) -> None:
        """Args:
        kinds: what the code may define.

        Raises:
            UserError: the world does not tell what the code reads, or this machine has no sandbox.
        """
        self._config, self._spec = config, context.spec
        self._source = config.source(*kinds)
        self._facts = config.privileged()
        self._layout: StateLayout | None = None
        self._code: WrittenCode | None = None
        try:
            check_fields(self._source, state_layout(self._spec, self._facts, (1, 1, 3)))
        except ValueError as error:
            raise UserError(f"reward.code={config.code}: on {self._spec.id}, {error}") from None
        missing = available() if config.sandbox else None
        if missing is not None:
            raise UserError(f"reward.sandbox=true: {missing}; reward.sandbox=false runs the code with all your rights")

    def of_steps(self, rollout: Rollout) -> dict[str, Array]:
        """What the code says of each step, float32 [T * N] each."""
        before, after = (self._arrays(each) for each in self._told(rollout))
        action: Any = rollout.action.cpu().numpy()
        if not self._spec.action.discrete:
            low, high = (np.asarray(each, np.float32) for each in (self._spec.action.low, self._spec.action.high))
            action = executed(action, low, high, self._spec.action.whole)
        flat = action.reshape(rollout.task_reward.numel(), *self._spec.action.shape)
        return self._asked(before=before, action=flat, after=after)

    def of_both_ends(self, rollout: Rollout) -> tuple[dict[str, Array], dict[str, Array]]:
        """What the code says of the state before each step, and of that after it; each state is asked for once."""
        before, after = self._told(rollout)
        begins = rollout.first.cpu().numpy().copy()
        begins[0] = True
        begun = begins.reshape(-1)
        states = {name: np.concatenate([after[name], before[name][begun]]) for name in after}
        told = self._asked(state=self._arrays(states))
        ends = {name: each[: len(begun)] for name, each in told.items()}
        starts = {}
        for name, each in ends.items():
            starts[name] = np.concatenate([np.zeros(rollout.num_envs, np.float32), each[: -rollout.num_envs]])
            starts[name][begun] = told[name][len(begun) :]
        return starts, ends

    def _asked(self, **arguments: Any) -> dict[str, Array]:
        assert self._code is not None  # whoever has states has laid them out
        try:
            return self._code.of(**arguments)
        except CodeError as error:
            raise CodeError(f"reward.code={self._config.code}: {error}") from None

    def _told(self, rollout: Rollout) -> tuple[Obs, Obs]:
        """What is known of the state before each step, and of that after it, each entry [T * N, ...]."""
        ends = (rollout.current_privileged, rollout.privileged) if self._facts else (rollout.obs, rollout.next_obs)
        before, after = (
            {name: end[name].cpu().numpy().reshape(-1, *end[name].shape[2:]) for name in self._facts or (VECTOR,)}
            for end in ends
        )
        return before, after

    def _arrays(self, told: Obs) -> dict[str, Array]:
        if self._layout is None:
            self._open(state_layout(self._spec, self._facts, told[GRID].shape[1:] if self._facts else ()))
        assert self._layout is not None
        return self._layout.arrays(told)

    def _open(self, layout: StateLayout) -> None:
        spec = self._spec.action
        action = Field("action", None, "int64") if spec.discrete else Field("action", None, "float32", spec.shape)
        self._layout = layout
        self._code = WrittenCode(self._source, layout, action, confined=self._config.sandbox)
