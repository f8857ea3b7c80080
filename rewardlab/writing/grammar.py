"""A writer without a model: potentials of a few terms, changed by what came of the last ones.

It takes a language model's place wherever the loop is to run without one. It knows the three hints of Eureka's feedback
(Ma et al. 2023, arXiv:2310.12931): success near 0 asks for something else, a part that never changes for another one, a
part that is ten times the others for a smaller weight. Everything follows from seed, purpose and messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import numpy as np

from rewardlab.language.model import Message, Purpose
from rewardlab.parts.written_state import VECTOR, StateLayout

_WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0)
_FIRST = re.compile(r"^# terms: (\[.*\])$", re.MULTILINE)
_PART = re.compile(r"^(\w+): \[[^]]*\], max: (\S+), mean: (\S+), min: (\S+)$", re.MULTILINE)
_FAILED = 0.02  # success up to which nothing was learned
_OUTWEIGHS = 10.0
_GRID_TERMS = {
    "near_key": "near(state, [KEY]) * (state.carrying_kind != KEY)",
    "near_door": "near(state, [DOOR])",
    "near_locked_door": "near_where(state, (state.object_kind == DOOR) & (state.object_state == 2))",
    "near_goal": "near(state, [GOAL])",
    "near_ball": "near(state, [BALL])",
    "near_box": "near(state, [BOX])",
    "has_key": "1.0 * (state.carrying_kind == KEY)",
    "carries": "1.0 * (state.carrying_kind > 0)",
    "none_locked": "1.0 * ~locked(state)",
    "doors_open": "((state.object_kind == DOOR) & (state.object_state == 0)).sum(axis=1) / 4.0",
    "goal_once_open": "near(state, [GOAL, BALL]) * ~locked(state)",
    "faces_thing": "1.0 * (state.front_kind >= DOOR)",
    "column": "state.agent_x / WIDTH",
    "row": "state.agent_y / HEIGHT",
}
_GRID_HELP = """import numpy as np


def near_where(state, here):
    steps = np.abs(state.object_x - state.agent_x[:, None]) + np.abs(state.object_y - state.agent_y[:, None])
    return 1.0 - np.where(here, steps, WIDTH + HEIGHT).min(axis=1) / (WIDTH + HEIGHT)


def near(state, kinds):
    return near_where(state, np.isin(state.object_kind, kinds))


def locked(state):
    return ((state.object_kind == DOOR) & (state.object_state == 2)).any(axis=1)


"""

Terms = list[tuple[str, float]]


class Grammar:
    """Writes code for one layout of states."""

    def __init__(self, layout: StateLayout, seed: int) -> None:
        self._seed = seed
        self._library = _GRID_TERMS if layout.facts else _vector_terms(layout.fields[0].shape[0])
        self._help = _GRID_HELP if layout.facts else "import numpy as np\n\n\n"

    def __call__(self, messages: Sequence[Message], purpose: Purpose) -> str:
        """An answer as a model's: a sentence, and fenced code whose first line names the terms."""
        rng = np.random.default_rng([self._seed, purpose.round, purpose.sample])
        before = [message["content"] for message in messages if message["role"] == "assistant"]
        found = _FIRST.search(before[-1]) if before else None
        terms = self._changed(json.loads(found[1]), messages[-1]["content"], rng) if found else self._drawn(rng)
        return f"The potential is a weighted sum.\n\n```python\n{self._code(terms)}```\n"

    def _drawn(self, rng: np.random.Generator) -> Terms:
        count = int(rng.integers(2, 1 + min(5, len(self._library))))
        names = rng.choice(list(self._library), size=count, replace=False)
        return [(str(name), float(rng.choice(_WEIGHTS))) for name in names]

    def _changed(self, terms: Terms, feedback: str, rng: np.random.Generator) -> Terms:
        success = re.search(r"^success: \[[^]]*\], max: (\S+),", feedback, re.MULTILINE)
        if success is None or float(success[1]) <= _FAILED:
            return self._drawn(rng)
        spans = {name: float(most) - float(least) for name, most, _, least in _PART.findall(feedback)}
        parts = {name: span for name, span in spans.items() if name in dict(terms)}
        for name, span in parts.items():
            others = [other for key, other in parts.items() if key != name]
            if span == 0:
                return self._replaced(terms, name, rng)
            if others and span > _OUTWEIGHS * max(others):
                return [(key, weight / _OUTWEIGHS if key == name else weight) for key, weight in terms]
        at = int(rng.integers(len(terms)))
        change = rng.choice(["weight", "replace", "add", "drop"])
        if change == "weight":
            factor = float(rng.choice([1 / 3, 3.0]))
            return [(key, weight * factor if i == at else weight) for i, (key, weight) in enumerate(terms)]
        if change == "add" or len(terms) == 1:
            fresh = [name for name in self._library if name not in dict(terms)]
            return [*terms, (str(rng.choice(fresh)), float(rng.choice(_WEIGHTS)))] if fresh else terms
        return terms[:at] + terms[at + 1 :] if change == "drop" else self._replaced(terms, terms[at][0], rng)

    def _replaced(self, terms: Terms, name: str, rng: np.random.Generator) -> Terms:
        fresh = [each for each in self._library if each not in dict(terms)]
        other = str(rng.choice(fresh)) if fresh else name
        return [(other if key == name else key, weight) for key, weight in terms]

    def _code(self, terms: Terms) -> str:
        lines = [f"# terms: {json.dumps(terms)}", self._help.rstrip(), "", "", "def potential(state):"]
        lines += [f"    {name} = {weight!r} * ({self._library[name]})" for name, weight in terms]
        names = [name for name, _ in terms]
        told = ", ".join(f'"{name}": {name}' for name in names)
        return "\n".join([*lines, f"    return {' + '.join(names)}, {{{told}}}", ""])


def _vector_terms(size: int) -> dict[str, str]:
    terms: dict[str, str] = {}
    for at in range(min(size, 32)):
        of = f"state.{VECTOR}[:, {at}]"
        terms |= {f"more_{at}": of, f"less_{at}": f"-{of}", f"size_{at}": f"np.abs({of})", f"square_{at}": f"{of} ** 2"}
    return terms
