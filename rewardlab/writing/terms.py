"""What the scripted writer makes its code of: terms of states, events of steps, and the code around them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rewardlab.parts.written_state import VECTOR, StateLayout

Terms = list[tuple[str, float]]  # names and weights
LAVA = "into_lava"  # the event that an analyser asks for
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
_GRID_EVENTS = {
    "picked_up_key": "1.0 * ((after.carrying_kind == KEY) & (before.carrying_kind != KEY))",
    "unlocked": "1.0 * (locked(before) & ~locked(after))",
    "onto_goal": "1.0 * ((before.front_kind == GOAL) & (action == ACTION_FORWARD))",
    LAVA: "-1.0 * ((before.front_kind == LAVA) & (action == ACTION_FORWARD))",
}
_HELP = "import numpy as np\n\n\n"


@dataclass(frozen=True)
class Library:
    """terms: of states, by name. events: of steps. help: what stands before the functions."""

    terms: Mapping[str, str]
    events: Mapping[str, str]
    help: str


def library_of(layout: StateLayout) -> Library:
    if layout.facts:
        return Library(_GRID_TERMS, _GRID_EVENTS, _GRID_HELP)
    return Library(_vector_terms(layout.fields[0].shape[0]), {}, _HELP)


def code_of(kind: str, terms: Terms, library: Library) -> str:
    """Python of a kind, whose first line names its terms."""
    lines = [f"# terms: {json.dumps(terms)}", library.help.rstrip(), "", ""]
    return "\n".join([*lines, *_FUNCTIONS[kind](terms, library), ""])


def _potential(terms: Terms, library: Library) -> list[str]:
    lines = ["def potential(state):"]
    lines += [f"    {name} = {weight!r} * ({library.terms[name]})" for name, weight in terms]
    return [*lines, _returned([name for name, _ in terms])]


def _split(terms: Terms, library: Library) -> list[str]:
    """dense: what the weighed terms gain by a step. sparse: the weighed events."""
    states = [(name, weight) for name, weight in terms if name in library.terms]
    lines = [
        line for name, _ in states for line in (f"def {name}(state):", f"    return {library.terms[name]}", "", "")
    ]
    lines += ["def dense(before, action, after):"]
    gains = [f"{weight!r} * ({name}(after) - {name}(before))" for name, weight in states]
    lines += [f"    return {' + '.join(gains) or '0.0 * action'}", "", "", "def sparse(before, action, after):"]
    events = [(name, weight) for name, weight in terms if name in library.events]
    if not events:
        return [*lines, "    return 0.0 * action.reshape(len(action), -1)[:, 0]"]
    lines += [f"    {name} = {weight!r} * ({library.events[name]})" for name, weight in events]
    return [*lines, _returned([name for name, _ in events])]


def _progress(terms: Terms, library: Library) -> list[str]:
    names = [name for name, _ in terms]
    lines = [f"RISING = {{{', '.join(f'{chr(34)}{name}{chr(34)}: True' for name in names)}}}", "", ""]
    lines += ["def progress(state):", *(f"    {name} = {library.terms[name]}" for name in names)]
    return [*lines, f"    return {{{_named(names)}}}"]


def _factors(terms: Terms, library: Library) -> list[str]:
    names = [name for name, _ in terms]
    lines = ["def of(state):", *(f"    {name} = {library.terms[name]}" for name in names)]
    lines += [f"    return {{{_named(names)}}}", "", "", "def factors(before, action, after):"]
    effort = "(action.reshape(len(action), -1) ** 2).sum(axis=1)"
    return [*lines, "    return of(after)" if library.events else f'    return {{**of(after), "effort": {effort}}}']


_FUNCTIONS = {"potential": _potential, "split": _split, "progress": _progress, "factors": _factors}


def _returned(names: Sequence[str]) -> str:
    return f"    return {' + '.join(names)}, {{{_named(names)}}}"


def _named(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}": {name}' for name in names)


def _vector_terms(size: int) -> dict[str, str]:
    terms: dict[str, str] = {}
    for at in range(min(size, 32)):
        of = f"state.{VECTOR}[:, {at}]"
        terms |= {f"more_{at}": of, f"less_{at}": f"-{of}", f"size_{at}": f"np.abs({of})", f"square_{at}": f"{of} ** 2"}
    return terms
