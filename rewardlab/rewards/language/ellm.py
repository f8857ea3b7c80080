"""ELLM: pays for doing what a language model suggested in the state before.

Paper: Du et al. 2023, Guiding pretraining in reinforcement learning with large language models (arXiv:2302.06692)
Source: https://github.com/yuqingd/ellm
Assumes: privileged, for captions are made of facts of the full state; llm where one answers

    rewardlab run env=doorkey reward=ellm reward.error=0.1
    rewardlab run env=keycorridor_s3r3 reward=ellm reward.llm=openai reward.model=NAME

The judge reads what is in sight and what is carried, each such caption once, and suggests what to do, in the words in
which steps are told: `picked up the red key`. A step is compared with the suggestions of the state that it began in,
and is paid the largest cosine, where that is at least `threshold`. A suggestion that was matched is not made again in
that episode. Steps that did nothing, or bumped into something, are not paid.

Texts are means of fixed random word vectors (`maths/word_vectors.py`), for MiniLM's: with the default threshold, same
words are paid and others are not. Of equal texts rounding may leave a cosine just below 1, so that a threshold of 1 is
met from 1 - 1e-5 on. The paper leaves the task's reward out, and pays health in Crafter: reward.task_coef=0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.language import captions
from rewardlab.language.annotator import METRICS
from rewardlab.language.captions import Captioned
from rewardlab.language.judges import Annotation, Question
from rewardlab.maths import captions as events
from rewardlab.maths.counting import combine_keys
from rewardlab.maths.word_vectors import cosines
from rewardlab.rewards.language.asking import AskingConfig, AskingScheme
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Metrics, Rollout, State

VERSION = 1
_MOST = 10  # suggestions of a state
_TOLERANCE = 1e-5
_CODES = events.EVENTS // len(events.VERBS)  # of a verb
_ASK = (
    "You suggest what an agent in a grid world should do next. Its task: {task}. You read what it sees and carries."
    " Answer with one suggestion a line, ten at most, as if it had been done: picked up the red key; unlocked the red"
    " door; opened the blue door; opened the green box; dropped the grey ball; reached the goal."
)
_MARK = re.compile(r"^\s*(?:[-*•]|\d+[.)])?\s*")
_THING = re.compile(r"\b(?:an?) (?:(open|closed|locked) )?(?:(\w+) )?(door|key|ball|box|goal)\b")


@dataclass
class Config(AskingConfig):
    coef: float = option(0.1, "weight of what it pays", minimum=0)
    threshold: float = option(0.99, "cosine from which on a step matches a suggestion", minimum=0, maximum=1)
    task: str | None = option(None, "the task in words, for a model; null: not told, as published")

    def privileged(self) -> tuple[str, ...]:
        return captions.FACTS


class Scheme(AskingScheme):
    """Suggestions of captions are texts; those that an episode has matched are remembered to its end."""

    metrics = (*METRICS, "ellm/matched", "ellm/suggested")
    episodic_memory = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: the world tells no captions, or nobody can be asked.
        """
        super().__init__(config, context, "view", _ASK.format(task=config.task or "not known"), suggestions_in)
        self.config = config
        self.matched: list[set[str]] = [set() for _ in range(context.num_envs)]
        self._near: dict[int, list[tuple[float, str]]] = {}  # what a state and what was done there match, best first
        self._share = 0.0

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        seen = self.captioned(rollout)
        place, near = self._near_of(seen)
        first = rollout.first.cpu().numpy()
        paid = np.zeros(first.shape, dtype=np.float32)
        matches = np.array([bool(each) for each in near])[place]
        for t, env in zip(*np.nonzero(first | matches), strict=True):
            if first[t, env]:
                self.matched[env].clear()
            fresh = ((each, text) for each, text in near[place[t, env]] if text not in self.matched[env])
            cosine, text = next(fresh, (0.0, None))
            if text is not None:
                self.matched[env].add(text)
                paid[t, env] = cosine
        self._share = float((paid > 0).mean())
        return torch.from_numpy(paid).to(rollout.task_reward.device)

    def keys(self, seen: Captioned) -> Array:
        return seen.begun

    def ask(self, seen: Captioned, rollout: Rollout) -> None:
        keys, at = np.unique(seen.begun, return_index=True)
        new = sorted((at, key) for key, at in zip(keys.tolist(), at.tolist(), strict=True) if key not in self.annotator)
        questions = []
        for place, key in new:
            text = seen.text(place, acted_on=True)
            said = ("\n".join(some) for some in (helpful(text), useless(text)))
            questions.append(Question(key, text, *said))
        self.annotator.put(questions)

    def learn(self, seen: Captioned, told: list[Annotation], rollout: Rollout) -> Metrics:
        answers = self.annotator.answers.values()
        suggested = sum(len(each or ()) for each in answers) / max(1, len(answers))
        return {"ellm/matched": self._share, "ellm/suggested": suggested}

    def state_dict(self) -> State:
        return {**super().state_dict(), "matched": [sorted(each) for each in self.matched]}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.matched = [set(each) for each in state["matched"]]
        self._near = {}

    def _near_of(self, seen: Captioned) -> tuple[Array, list[list[tuple[float, str]]]]:
        """Which pair of a state and what was done in it each step has, int64 [T, N], and what each pair matches."""
        pairs, at, place = np.unique(combine_keys(seen.begun, seen.events), return_index=True, return_inverse=True)
        states, codes = seen.begun.ravel()[at].tolist(), seen.events.ravel()[at].tolist()
        for pair, state, code in zip(pairs.tolist(), states, codes, strict=True):
            if pair not in self._near and state in self.annotator.answers:
                self._near[pair] = self._compared(code, self.annotator.answers[state] or [])
        return place.reshape(seen.events.shape), [self._near.get(pair, []) for pair in pairs.tolist()]

    def _compared(self, event: int, suggested: list[str]) -> list[tuple[float, str]]:
        """Suggestions that an event matches, and how well, the best first."""
        if not suggested or event // _CODES in (events.NOTHING, events.BUMPED):
            return []
        found = cosines([events.event_text(event)], suggested)[0].tolist()
        least = self.config.threshold - _TOLERANCE
        return sorted(
            ((each, text) for each, text in zip(found, suggested, strict=True) if each >= least), reverse=True
        )


def suggestions_in(answer: str) -> list[str] | None:
    """The suggestions of an answer, one a line, without marks; None: there are none."""
    lines = [" ".join(_MARK.sub("", line).lower().rstrip(" .!").split())[:200] for line in answer.splitlines()]
    return list(dict.fromkeys(line for line in lines if line))[:_MOST] or None


def helpful(caption: str) -> list[str]:
    """What leads on in most tasks, by the words of a view: things in sight taken, opened or reached."""
    seen, _, carried = caption.partition("; carrying: ")
    has = _THING.search(carried)
    key = has[2] if has and has[3] == "key" else None
    found = []
    for state, colour, kind in _THING.findall(seen):
        if kind == "goal":
            found.append("reached the goal")
        elif kind == "door" and state == "closed":
            found.append(f"opened the {colour} door")
        elif kind == "door" and state == "locked" and colour == key:
            found.append(f"unlocked the {colour} door")
        elif kind in ("key", "ball") and not has:
            found.append(f"picked up the {colour} {kind}")
        elif kind == "box":
            found.append(f"opened the {colour} box")
    return list(dict.fromkeys(found)) or ["explored"]


def useless(caption: str) -> list[str]:
    """What can be done and leads nowhere."""
    seen, _, carried = caption.partition("; carrying: ")
    found = [f"closed the {colour} door" for state, colour, kind in _THING.findall(seen) if state == "open"]
    has = _THING.search(carried)
    return list(dict.fromkeys([*found, *([f"dropped the {has[2]} {has[3]}"] if has else [])])) or ["turned"]
