"""A writer without a model: code of a few terms, changed by what came of the last ones.

It takes a language model's place wherever the loop is to run without one. It knows the three hints of Eureka's feedback
(Ma et al. 2023, arXiv:2310.12931): success near 0 asks for something else, a part that never changes for another one, a
part that is ten times the others for a smaller weight. As an analyser it counts how failed episodes ended, and as a
writer it makes a penalty of steps into lava. As a critic it objects to nothing. Everything follows from seed, purpose
and messages.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from rewardlab.language.model import Message, Purpose
from rewardlab.parts.written_state import StateLayout
from rewardlab.writing.terms import LAVA, Terms, code_of, library_of

_WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0)
_TERMS = re.compile(r"^# terms: (\[.*\])$", re.MULTILINE)
_PART = re.compile(r"^([\w.]+): \[[^]]*\], max: (\S+), mean: (\S+), min: (\S+)$", re.MULTILINE)
_ENDS = re.compile(r"^### Episode \d+\n\n(.*?)(?=^### |^Name the causes|\Z)", re.MULTILINE | re.DOTALL)
_FAILED = 0.02  # success up to which nothing was learned
_OUTWEIGHS = 10.0
_MOST = 10  # terms of a merged answer
_OF_LAVA, _PUNISHED = "fell into the lava", 1.0
_SAID = {
    "potential": "The potential is a weighted sum.",
    "split": "Events have a sign, and what the sum gains.",
    "progress": "Each number is one part of the way.",
    "factors": "Each number is a factor.",
}


class Grammar:
    """Writes code of one kind for one layout of states, and answers for whoever else is asked."""

    def __init__(self, layout: StateLayout, seed: int, kind: str = "potential") -> None:
        self._seed, self._kind, self._library = seed, kind, library_of(layout)

    def __call__(self, messages: Sequence[Message], purpose: Purpose) -> str:
        """An answer as a model's: a sentence, and fenced code whose first line names the terms."""
        if purpose.role == "critic":
            return "CONSISTENT"
        if purpose.role == "analyser":
            return _causes(messages[-1]["content"])
        rng = np.random.default_rng([self._seed, purpose.round, purpose.sample])
        before = [message["content"] for message in messages if message["role"] == "assistant"]
        found = _TERMS.findall(before[-1] if before else messages[-1]["content"])
        if before and found:
            told = [(name, weight) for name, weight in json.loads(found[0])]
            terms = self._changed(told, messages[-1]["content"], rng, again=purpose.round > 1)
        else:  # several drafts that are to be merged, or nothing at all
            terms = _merged([json.loads(each) for each in found]) or self._drawn(rng)
        return f"{_SAID[self._kind]}\n\n```python\n{code_of(self._kind, terms, self._library)}```\n"

    def _drawn(self, rng: np.random.Generator) -> Terms:
        library = self._library.terms
        count = int(rng.integers(2, 1 + min(5, len(library))))
        terms = [
            (str(name), float(rng.choice(_WEIGHTS))) for name in rng.choice(list(library), size=count, replace=False)
        ]
        events = [name for name in self._library.events if name != LAVA] if self._kind == "split" else []
        if events:
            count = int(rng.integers(1, 1 + len(events)))
            terms += [(str(name), 1.0) for name in rng.choice(events, size=count, replace=False)]
        return terms

    def _changed(self, terms: Terms, feedback: str, rng: np.random.Generator, again: bool) -> Terms:
        if self._kind == "split" and _OF_LAVA in feedback and LAVA not in dict(terms):
            terms = [*terms, (LAVA, _PUNISHED)]
            if not again:  # else that alone may have been tried, and was no better
                return terms
        success = re.search(r"^success: \[[^]]*\], max: (\S+),", feedback, re.MULTILINE)
        if success is None or float(success[1]) <= _FAILED:
            kept = [each for each in terms if each[0] == LAVA]
            return self._drawn(rng) + kept
        spans = {
            name.rpartition(".")[2]: float(most) - float(least) for name, most, _, least in _PART.findall(feedback)
        }
        parts = {name: span for name, span in spans.items() if name in dict(terms) and name != LAVA}
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
            fresh = [name for name in self._library.terms if name not in dict(terms)]
            return [*terms, (str(rng.choice(fresh)), float(rng.choice(_WEIGHTS)))] if fresh else terms
        return terms[:at] + terms[at + 1 :] if change == "drop" else self._replaced(terms, terms[at][0], rng)

    def _replaced(self, terms: Terms, name: str, rng: np.random.Generator) -> Terms:
        fresh = [each for each in self._library.terms if each not in dict(terms)]
        other = str(rng.choice(fresh)) if fresh else name
        return [(other if key == name else key, weight) for key, weight in terms]


def _merged(drafts: Sequence[Terms]) -> Terms:
    """The terms of several drafts, those of most of them first."""
    counts = Counter(name for terms in drafts for name, _ in terms)
    return [(name, 1.0) for name, _ in counts.most_common(_MOST)]


def _causes(prompt: str) -> str:
    """How the episodes of an analyser's prompt ended, most frequent first."""
    last = [episode.strip().splitlines() for episode in _ENDS.findall(prompt)]
    ends = Counter(
        _OF_LAVA if any(_OF_LAVA in line for line in lines) else lines[-1].removeprefix("- ") for lines in last if lines
    )
    return "\n".join(f"- {count} of {len(last)} episodes: {end}" for end, count in ends.most_common())
