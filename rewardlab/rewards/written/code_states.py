"""What schemes have in common that run code: its options, and the states of rollouts that it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardlab.datasets.folders import read_code
from rewardlab.errors import CodeError, UserError
from rewardlab.facts import GRID, HELD
from rewardlab.maths.boxes import executed
from rewardlab.parts.written_code import HAND, WrittenCode, check_fields, kind_of, writer_of
from rewardlab.parts.written_state import KINDS, VECTOR, StateLayout, facts_of, state_layout
from rewardlab.sandbox.process import Field, available
from rewardlab.schemas import RewardConfig, RootConfig, option
from rewardlab.types import Array, BuildContext, EnvSpec, Obs, Rollout


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
        source = read_code(self.code, "code")
        try:
            kind = kind_of(source)
        except ValueError as error:
            raise ValueError(f"code={self.code}: {error}") from None
        if kind not in kinds:
            raise ValueError(f"code={self.code}: defines {kind}, and this scheme pays {' or '.join(kinds)}")
        return source


class CodeStates:
    """Code and the states of rollouts that it is shown.

    Attributes:
        source: its text.
        assumes: what it needs to be known, and llm where it is not written by hand.
        columns: names of what it returns, found by one made-up state; none, where it fails on that.
    """

    def __init__(self, config: CodeOptions, context: BuildContext, *kinds: str) -> None:
        """Args:
        kinds: what the code may define.

        Raises:
            UserError: the world does not tell what the code reads, or this machine has no sandbox.
        """
        self._config, self._spec = config, context.spec
        self.source = config.source(*kinds)
        self._facts = config.privileged()
        by_hand = writer_of(self.source) == HAND
        self.assumes = frozenset(({"privileged"} if self._facts else set()) | (set() if by_hand else {"llm"}))
        self._layout: StateLayout | None = None
        self._shape: tuple[int, ...] = ()
        self._code: WrittenCode | None = None
        try:
            check_fields(self.source, state_layout(self._spec, self._facts, (1, 1, 3)))
        except ValueError as error:
            raise UserError(f"reward.code={config.code}: on {self._spec.id}, {error}") from None
        missing = available() if config.sandbox else None
        if missing is not None:
            raise UserError(f"reward.sandbox=true: {missing}; reward.sandbox=false runs the code with all your rights")
        self.columns = self._tried()

    @property
    def rising(self) -> dict[str, bool]:
        """What RISING of the code says; empty before it was asked first."""
        return {} if self._code is None else self._code.rising

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

    def _tried(self) -> tuple[str, ...]:
        told = _made_up(self._spec, self._facts)
        state, action = self._arrays(told), np.zeros((1, *self._spec.action.shape), np.float32)
        assert self._code is not None
        arguments: dict[str, Any] = {"before": state, "action": action, "after": state}
        try:
            return tuple(self._code.of(**({"state": state} if self._code.of_states else arguments)))
        except CodeError:
            return ()

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
        shape = told[GRID].shape[1:] if self._facts else ()
        if self._layout is None or shape != self._shape:
            self._open(state_layout(self._spec, self._facts, shape))
            self._shape = shape
        assert self._layout is not None
        return self._layout.arrays(told)

    def _open(self, layout: StateLayout) -> None:
        spec = self._spec.action
        action = Field("action", None, "int64") if spec.discrete else Field("action", None, "float32", spec.shape)
        self._layout = layout
        self._code = WrittenCode(self.source, layout, action, confined=self._config.sandbox)


def _made_up(spec: EnvSpec, facts: tuple[str, ...]) -> Obs:
    """One state of such a world: an empty room with the agent in its corner, or zeros."""
    if not facts:
        return {VECTOR: np.zeros((1, *spec.obs[VECTOR].shape), np.float32)}
    width, height = (int(each) + 1 for each in spec.place[1]) if spec.place is not None else (8, 8)
    grid = np.zeros((1, width, height, 3), np.uint8)
    grid[..., 0] = KINDS.index("wall")
    grid[:, 1:-1, 1:-1, 0] = KINDS.index("empty")
    grid[:, width // 2, height // 2, 0] = KINDS.index("agent")
    return {GRID: grid, HELD: np.zeros((1, 3), np.int64)}
