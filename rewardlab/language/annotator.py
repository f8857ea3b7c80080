"""Questions that are asked while a run trains, and what was answered so far.

Questions neither answered nor pending lie on a stack: the newest is asked first. `step`, called once at the end of an
iteration, asks `per_iteration` of them and makes known what is due: the answers to those asked `delay` iterations ago.
With a delay of 1 the next rollout is the first that is paid by them. Answers become known there and nowhere else, which
is why equal seeds give equal runs.

With `wait`, `step` waits for what is due; without, an answer counts when it came, and a run that goes on asks again
what was pending. Servers are asked from threads, so that they work while the learner does.

    annotator = Annotator(options, make_judge(options, INSTRUCTIONS, seed), read)
    annotator.put([Question(key, text, truth="1", wrong="0")])
    told = annotator.step()              # annotations that are known from now on
    annotator.answers[key]               # what `read` made of the answer; None: nothing can be read in it
    annotator.metrics(keys)              # columns of train.csv; their names are METRICS

Source: Klissarov et al. 2024, Online intrinsic rewards (arXiv:2410.23022) and its code, which asks unanswered
captions again in each minibatch; here each is asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
import torch

from rewardlab.errors import OfTheTask
from rewardlab.language.judges import Annotation, Judge, JudgeOptions, Question, as_table
from rewardlab.language.model import Answer
from rewardlab.types import Array, Metrics, State

METRICS = tuple(
    f"annotate/{name}"
    for name in ("coverage", "distinct", "labelled", "positive", "queue", "age", "f1", "calls", "tokens")
)
_MOST = 20_000  # questions on the stack


class Annotator:
    """A stack of questions, those that are pending, and the answers.

    Args:
        options: how many are asked, and when answers are known.
        judge: who answers.
        read: what an answer says, of plain values; None: nothing. Truths are read by it too.

    Attributes:
        answers: what was read, by the questions' keys.
        annotations: all answers that are known, in the order in which they came.
    """

    def __init__(self, options: JudgeOptions, judge: Judge, read: Callable[[str], Any]) -> None:
        self._options, self._judge, self._read = options, judge, read
        self.answers: dict[int, Any] = {}
        self.annotations: list[Annotation] = []
        self._iteration = self._asked = 0
        self._stack: list[tuple[int, Question]] = []  # with the iteration in which each was put there
        self._pending: list[tuple[int, int, Question, Future[Answer]]] = []  # when asked, its number
        self._met: set[int] = set()  # all keys that were ever put
        self._told = _Told()
        self._waiting: SimpleQueue[tuple[Future[Answer], Question, int]] | None = None

    def __contains__(self, key: object) -> bool:
        """Whether a question of this key was put before, so that it needs no words again."""
        return key in self._met

    def __len__(self) -> int:
        """Questions on the stack or pending."""
        return len(self._stack) + len(self._pending)

    def put(self, questions: Iterable[Question]) -> None:
        """Lay questions on the stack, the newest last; those that were put before are left out.

        What lies lowest falls out of a full stack, as if it had not been put.
        """
        for question in questions:
            if question.key not in self._met:
                self._met.add(question.key)
                self._stack.append((self._iteration, question))
        if (over := len(self._stack) - _MOST) > 0:
            self._met.difference_update(question.key for _, question in self._stack[:over])
            del self._stack[:over]

    def step(self) -> list[Annotation]:
        """End an iteration: ask what is on top of the stack, and make known what is due.

        Returns:
            what is known from now on.

        Raises:
            OfTheTask: a question has no answer.
        """
        options = self._options
        for _ in range(min(options.per_iteration, len(self._stack))):
            _, question = self._stack.pop()
            self._pending.append((self._iteration, self._asked, question, self._asking(question, self._asked)))
            self._asked += 1
        self._iteration += 1
        told, left = [], []
        for each in self._pending:
            asked, _, question, answer = each
            if self._iteration >= asked + options.delay and (options.wait or answer.done()):
                told.append(Annotation(asked, question, answer.result()))
            else:
                left.append(each)
        self._pending = left
        for annotation in told:
            self._take(annotation)
        return told

    def metrics(self, keys: Array | None = None) -> Metrics:
        """Columns `METRICS`.

        coverage: the share of steps whose captions are answered. distinct: questions on the stack, pending and
        answered. labelled: answers.
        positive: the share of yes among them. queue: those on the stack or pending. age: the mean of iterations since
        these were put. f1: of yes against the engine's truth. calls, tokens: of all that is answered.

        Args:
            keys: int64 [T, N], of the steps of a rollout.
        """
        known = self.annotations
        told = {
            "distinct": len(self._met),
            "labelled": len(known),
            "positive": self._told.yes / max(1, len(known)),
            "queue": len(self),
            "calls": len(known),
            "tokens": self._told.tokens,
        }
        waiting = [put for put, _ in self._stack] + [asked for asked, *_ in self._pending]
        told["age"] = self._iteration - sum(waiting) / len(waiting) if waiting else 0.0
        if self._told.yes or self._told.true:
            told["f1"] = 2 * self._told.right / (self._told.yes + self._told.true)
        if keys is not None:
            distinct, times = np.unique(keys, return_counts=True)
            answered = [key in self.answers for key in distinct.tolist()]
            told["coverage"] = float(times[answered].sum() / times.sum())
        return {f"annotate/{name}": float(value) for name, value in told.items()}

    def table(self) -> str:
        """The text of `annotations.csv`."""
        return as_table(self.annotations)

    def state_dict(self) -> State:
        """With `wait`, answers that are pending are waited for, so that none is asked for again."""
        return {
            "iteration": self._iteration,
            "asked": self._asked,
            "seed": self._judge.seed,
            "met": torch.tensor(sorted(self._met), dtype=torch.int64),
            "stack": [[put, *_plain(question)] for put, question in self._stack],
            "pending": [
                [asked, number, *_plain(question), *self._come(answer)]
                for asked, number, question, answer in self._pending
            ],
            "annotations": [[each.iteration, *_plain(each.question), *_said(each.answer)] for each in self.annotations],
        }

    def load_state_dict(self, state: State) -> None:
        self._iteration, self._asked, self._judge.seed = state["iteration"], state["asked"], state["seed"]
        self._met = set(state["met"].tolist())
        self._stack = [(put, Question(*words)) for put, *words in state["stack"]]
        self._pending = []
        for asked, number, *words in state["pending"]:
            question, said = Question(*words[:4]), words[4:]
            answer = _answered(Answer(*said)) if said else self._asking(question, number)
            self._pending.append((asked, number, question, answer))
        self.answers, self.annotations = {}, []
        self._told = _Told()
        for asked, *words in state["annotations"]:
            self._take(Annotation(asked, Question(*words[:4]), Answer(*words[4:])))

    def _come(self, answer: Future[Answer]) -> list[int | float | str]:
        """What is kept of a pending answer; nothing where it would not be waited for, or does not come."""
        if not (self._options.wait or answer.done()):
            return []
        try:
            return _said(answer.result())
        except OfTheTask:  # asked again by the run that goes on
            return []

    def _asking(self, question: Question, number: int) -> Future[Answer]:
        if self._judge.instant:
            return _answered(self._judge.ask(question, number))
        if self._waiting is None:
            self._waiting = SimpleQueue()
            for _ in range(self._options.parallel):  # none of which keeps a process from ending
                Thread(target=_work, args=(self._judge, self._waiting), daemon=True).start()
        answer: Future[Answer] = Future()
        self._waiting.put((answer, question, number))
        return answer

    def _take(self, annotation: Annotation) -> None:
        self.annotations.append(annotation)
        found = self._read(annotation.answer.text)
        self.answers[annotation.question.key] = found
        self._told.add(found, self._read(annotation.question.truth), annotation.answer)


@dataclass
class _Told:
    """Counts over all answers: yes, those that should be, those that are rightly so, and tokens."""

    yes: int = 0
    true: int = 0
    right: int = 0
    tokens: int = 0

    def add(self, found: Any, truth: Any, answer: Answer) -> None:
        self.yes += bool(found)
        self.true += bool(truth)
        self.right += bool(found) and found == truth
        self.tokens += answer.prompt_tokens + answer.answer_tokens


def _work(judge: Judge, waiting: SimpleQueue[tuple[Future[Answer], Question, int]]) -> None:
    """Answer questions, one after the other, to the end of the process."""
    while True:
        answer, question, number = waiting.get()
        try:
            answer.set_result(judge.ask(question, number))
        except Exception as error:
            answer.set_exception(error)


def _answered(answer: Answer) -> Future[Answer]:
    future: Future[Answer] = Future()
    future.set_result(answer)
    return future


def _plain(question: Question) -> list[int | str]:
    return [question.key, question.text, question.truth, question.wrong]


def _said(answer: Answer) -> list[int | float | str]:
    return [answer.text, answer.model, answer.prompt_tokens, answer.answer_tokens, answer.seconds]
