"""Rewards that are given as code: which functions there are, what they are handed, and one way to run them.

Every function sees a batch of B states or steps and returns a number for each. States are arrays of `written_state`.

| kind | functions | they return |
|---|---|---|
| reward | compute_reward(before, action, after) | the reward; or it and its parts by name |
| split | dense(before, action, after), sparse(before, action, after) | as above |
| potential | potential(state) | the potential; or it and its parts by name |
| progress | progress(state) | numbers by name; RISING says of each whether it rises with progress |
| factors | factors(before, action, after) | numbers by name |

Sources: Text2Reward (Xie et al. 2023, arXiv:2309.11489), Eureka (Ma et al. 2023, arXiv:2310.12931), Auto MC-Reward (Li
et al. 2023, arXiv:2312.09238), ProgressCounts (Sarukkai et al. 2024, arXiv:2410.09187), LaRe (Qu et al. 2024,
arXiv:2412.11120).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from difflib import get_close_matches

from rewardlab.errors import CodeError
from rewardlab.parts.written_state import StateLayout
from rewardlab.sandbox.process import Field, Plan, Sandbox, printable
from rewardlab.types import Array

_WRITER = re.compile(r"^# writer: (.*)$", re.MULTILINE)
_SEARCH = re.compile(r"^# search: (\d{1,15}) frames, (\d{1,9}) calls, (\d{1,12}) tokens$", re.MULTILINE)
LONGEST = 20_000  # bytes of a source
HAND = "hand"  # the writer that is no model
COLUMNS = 16  # numbers for each row at most: what it pays, and 15 parts
RISING = "RISING"
TAKEN = (
    "nonfinite",
    "clipped",
    "errors",
    "mean",
    "least",
    "most",
)  # columns written/NAME of train.csv that are no parts
_STEP, _STATE = ("before", "action", "after"), ("state",)
FUNCTIONS = {
    "reward": ("compute_reward",),
    "split": ("dense", "sparse"),
    "potential": ("potential",),
    "progress": ("progress",),
    "factors": ("factors",),
}
_PART = re.compile(r"[\w.]{1,60}")
_OF_STATES = ("potential", "progress")
_MODULES = ("math", "numpy")


def check_fields(source: str, layout: StateLayout) -> None:
    """A look at the text: whether it reads of its states only what there is.

    Raises:
        ValueError: names what there is not, and what there is; one line.
    """
    known = [each.name for each in layout.fields]
    for function in ast.parse(source).body:
        if not isinstance(function, ast.FunctionDef):
            continue
        states = {argument.arg for argument in function.args.args} & {*_STEP, *_STATE} - {"action"}
        for node in ast.walk(function):
            if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in states):
                continue
            if node.attr not in known:
                close = get_close_matches(node.attr, known, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                told = f"which is not told{hint} (told: {', '.join(known)})"
                raise ValueError(f"line {node.lineno} reads {node.attr}, {told}")


def writer_of(source: str) -> str:
    """Who wrote a source, by the last of its lines that say so, `# writer: NAME`; `hand`, where none does."""
    told = _WRITER.findall(source)
    return printable(told[-1].strip())[:80] if told else HAND


def search_line(frames: int, calls: int, tokens: int) -> str:
    """A comment that says what it took to find a source."""
    return f"# search: {frames} frames, {calls} calls, {tokens} tokens\n"


def search_of(source: str) -> dict[str, int] | None:
    """What it took to find a source, by the last of its lines that say so: frames, calls of a model, their tokens."""
    told = _SEARCH.findall(source)
    return dict(zip(("frames", "calls", "tokens"), map(int, told[-1]), strict=True)) if told else None


def kind_of(source: str) -> str:
    """Which of `FUNCTIONS` a source defines.

    A look at the text, which no safety depends on: it tells authors early what the sandbox would not do.

    Raises:
        ValueError: it does not parse, is too long, imports what there is not, or defines none or several; one line.
    """
    if len(source.encode()) > LONGEST:
        raise ValueError(f"has {len(source.encode())} bytes (allowed: {LONGEST})")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ValueError(f"is no Python{where}") from None
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        for name in [node.module or "."] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]:
            if name.split(".")[0] not in _MODULES:
                raise ValueError(f"line {node.lineno} imports {name} (allowed: {', '.join(_MODULES)})")
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    found = [kind for kind, functions in FUNCTIONS.items() if defined >= set(functions)]
    if len(found) != 1:
        allowed = "; ".join(" and ".join(functions) for functions in FUNCTIONS.values())
        raise ValueError(f"defines {'several' if found else 'none'} of the functions it may define one of ({allowed})")
    return found[0]


class WrittenCode:
    """A source in its sandbox, for one layout of states.

    Attributes:
        kind: see `FUNCTIONS`. of_states: whether its functions see states, not steps.

    Raises:
        UserError: this machine has no sandbox. ValueError: see `kind_of`.
    """

    def __init__(self, source: str, layout: StateLayout, action: Field, *, confined: bool = True) -> None:
        """Args:
        action: how actions are handed over; its group is `action`.
        """
        self.kind = kind_of(source)
        self.of_states = self.kind in _OF_STATES
        arguments = _STATE if self.of_states else _STEP
        fields = [
            Field(group, each.name, each.dtype, each.shape)
            for group in arguments
            if group != action.group
            for each in layout.fields
        ]
        if not self.of_states:
            fields.append(action)
        self._sandbox = Sandbox(
            source,
            Plan(FUNCTIONS[self.kind], arguments, tuple(fields), layout.constants, (RISING,), COLUMNS),
            confined=confined,
        )

    def of(self, **arguments: Mapping[str, Array] | Array) -> dict[str, Array]:
        """Columns of numbers, float32 [B] each: what each function returns, then its parts.

        Args:
            arguments: `state`, or `before`, `action` and `after`.

        Raises:
            CodeError: the code failed.
        """
        told = self._sandbox(arguments)
        for name in self._sandbox.columns:
            if name in TAKEN or not _PART.fullmatch(name):
                raise CodeError(
                    f"a part is named {name!r} (allowed: letters, digits, _ and ., but none of {', '.join(TAKEN)})"
                )
        return dict(zip(self._sandbox.columns, told, strict=True))

    @property
    def running(self) -> bool:
        """Whether its process lives, which what was wrong may have ended; a call starts another."""
        return self._sandbox.running

    @property
    def cpu_seconds(self) -> float | None:
        """What its process has computed so far; None where nobody tells."""
        return self._sandbox.cpu_seconds

    @property
    def rising(self) -> dict[str, bool]:
        """What RISING says, after the first call."""
        return self._sandbox.notes.get(RISING, {})

    def close(self) -> None:
        self._sandbox.close()
