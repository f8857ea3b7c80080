"""What schemes have in common that run code: its options, and the states of rollouts that it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rewardlab.datasets.folders import read_code
from rewardlab.errors import CodeError, UserError
from rewardlab.facts import GRID, HELD
from rewardlab.maths.boxes import executed
from rewardlab.maths.captions import KINDS
from rewardlab.maths.distinct import tell_apart
from rewardlab.parts.written_code import FUNCTIONS, HAND, WrittenCode, check_fields, kind_of, writer_of
from rewardlab.parts.written_state import VECTOR, StateLayout, facts_of, state_layout
from rewardlab.sandbox.process import ROWS, Field, available
from rewardlab.schemas import RewardConfig, RootConfig, option
from rewardlab.types import Array, BuildContext, EnvSpec, Obs, Rollout

ERRORS = "errors"  # a column beside those of the code: 1 for rows that it failed on
SEEN = ("auto", "grid", "vector")  # what code may see of states
_RESTARTS = 3
_WORST = 0.01  # share of what is not finite


@dataclass
class CodeOptions(RewardConfig):
    """What every scheme has that runs code."""

    code: str = option("stages", "the file that defines the reward, or a name in conf/code", dataset=True)
    state: str = option(
        "auto",
        "what the code sees: the whole grid, or the vector that is observed; auto: the grid where there is one",
        choices=SEEN,
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
        failure: why it failed on that; empty: it did not.
    """

    def __init__(self, config: CodeOptions, context: BuildContext, *kinds: str, forgiving: bool = False) -> None:
        """Args:
        kinds: what the code may define.
        forgiving: whether up to 4096 rows on which it fails are NaN, and 1 in the column `ERRORS`, instead of an end.
            Its process is started again three times at most.

        Raises:
            UserError: the world does not tell what the code reads, or this machine has no sandbox.
        """
        self._config, self._spec, self._forgiving = config, context.spec, forgiving
        self._restarts = 0
        self.source = config.source(*kinds)
        self.failure = ""
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
        told = self._of_distinct(states)
        ends = {name: each[: len(begun)] for name, each in told.items()}
        starts = {}
        for name, each in ends.items():
            starts[name] = np.concatenate([np.zeros(rollout.num_envs, np.float32), each[: -rollout.num_envs]])
            starts[name][begun] = told[name][len(begun) :]
        return starts, ends

    def _of_distinct(self, states: Obs) -> dict[str, Array]:
        """What the code says of states, [B, ...]; of equal grids, of which rollouts have many, it is asked once."""
        if not self._facts:
            return self._asked(state=self._arrays(states))
        distinct, place = tell_apart({name: torch.from_numpy(each) for name, each in states.items()})
        told = self._asked(state=self._arrays({name: each.numpy() for name, each in distinct.items()}))
        return {name: each[place.numpy()] for name, each in told.items()}

    def _tried(self) -> tuple[str, ...]:
        told = _made_up(self._spec, self._facts)
        state, action = self._arrays(told), np.zeros((1, *self._spec.action.shape), np.float32)
        assert self._code is not None
        arguments: dict[str, Any] = {"before": state, "action": action, "after": state}
        try:
            return tuple(self._code.of(**({"state": state} if self._code.of_states else arguments)))
        except CodeError as error:
            self.failure = str(error)
            return ()

    def _asked(self, **arguments: Any) -> dict[str, Array]:
        assert self._code is not None  # whoever has states has laid them out
        try:
            return self._forgiven(arguments) if self._forgiving else self._code.of(**arguments)
        except CodeError as error:
            raise CodeError(f"reward.code={self._config.code}: {error}") from None

    def _forgiven(self, arguments: dict[str, Any]) -> dict[str, Array]:
        """What it says of rows in pieces, of which some may fail.

        Raises:
            CodeError: its process was ended once too often.
        """
        assert self._code is not None
        given = {name: each if isinstance(each, dict) else {"": each} for name, each in arguments.items()}
        count = len(next(iter(next(iter(given.values())).values())))
        names = self.columns or FUNCTIONS[self._code.kind]
        told = {name: np.full(count, np.nan, np.float32) for name in names} | {ERRORS: np.ones(count, np.float32)}
        for at in range(0, count, ROWS):
            rows = {
                group: {name: each[at : at + ROWS] for name, each in fields.items()} for group, fields in given.items()
            }
            try:
                found = self._code.of(**{group: fields.get("", fields) for group, fields in rows.items()})
            except CodeError as error:
                self._restarts += not self._code.running
                if self._restarts > _RESTARTS:
                    raise CodeError(f"{error}, once more after {_RESTARTS} restarts") from None
                continue
            told[ERRORS][at : at + ROWS] = 0.0
            for name, each in found.items():
                told.setdefault(name, np.full(count, np.nan, np.float32))[at : at + ROWS] = each
        return told

    def finite(self, paid: Array) -> tuple[Array, float]:
        """What is paid with 0 where it is not finite, and the share of that.

        Raises:
            CodeError: more than 1 % of it.
        """
        wrong = ~np.isfinite(paid)
        share = float(wrong.mean())
        if share > _WORST:
            raise CodeError(f"reward.code={self._config.code}: {share:.0%} of what it pays is not finite")
        return np.where(wrong, 0.0, paid), share

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
    """One state of such a world: an empty room with the agent in its middle, or zeros."""
    if not facts:
        return {VECTOR: np.zeros((1, *spec.obs[VECTOR].shape), np.float32)}
    width, height = (int(each) + 1 for each in spec.place[1]) if spec.place is not None else (8, 8)
    grid = np.zeros((1, width, height, 3), np.uint8)
    grid[..., 0] = KINDS.index("wall")
    grid[:, 1:-1, 1:-1, 0] = KINDS.index("empty")
    grid[:, width // 2, height // 2, 0] = KINDS.index("agent")
    return {GRID: grid, HELD: np.zeros((1, 3), np.int64)}
