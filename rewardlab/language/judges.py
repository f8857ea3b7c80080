"""Who answers questions about captions while a run trains, and the options that say so.

| llm= | who answers |
|---|---|
| scripted | no model: the engine's truth, wrong of a share `error` of the questions, the same ones each time |
| recorded:DIR | the `annotations.csv` of earlier runs in a folder; a question that is missing fails the run |
| openai | any server that speaks OpenAI's protocol: `model`, `base_url`; the key from OPENAI_API_KEY alone |
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from rewardlab.errors import OfTheTask, UserError, unknown
from rewardlab.language.model import KINDS, Answer, Model, OpenAI, Purpose, recorded_name
from rewardlab.maths.counting import combine_keys
from rewardlab.records.store import ANNOTATIONS
from rewardlab.schemas import RewardConfig, RootConfig, option, shown

SCRIPTED = "scripted"  # the name of whoever answers without a model
COLUMNS = ("iteration", "question", "answer", "model", "prompt_tokens", "answer_tokens", "seconds")
_TIMEOUT = 120.0
_LONGEST = 10_000  # letters of an answer that are kept


@dataclass(frozen=True)
class Question:
    """What is asked.

    key: int64, what tells it from others. text: what a model is shown. truth: what the engine would answer, and wrong:
    what the scripted judge says where it errs.
    """

    key: int
    text: str
    truth: str
    wrong: str


@dataclass
class JudgeOptions(RewardConfig):
    """What every scheme has that asks while it trains."""

    llm: str = option("scripted", "who answers: scripted, recorded:DIR or openai", dataset="recorded:")
    model: str | None = option(None, "the model's name, of llm=openai")
    base_url: str | None = option(None, "where llm=openai is served; null: OpenAI's own")
    temperature: float = option(0.1, "of llm=openai", minimum=0, maximum=2)
    error: float = option(0.0, "share of the questions that llm=scripted answers wrongly", minimum=0, maximum=1)
    per_iteration: int = option(64, "questions that are answered in an iteration, newest first", above=0)
    delay: int = option(1, "iterations until an answer is known", above=0)
    wait: bool = option(
        True, "whether an iteration waits for answers that are due; false: they count when they come, so runs vary"
    )
    parallel: int = option(4, "questions that are put to a server at once", above=0, maximum=256)

    def asking(self) -> list[str]:
        """Of these options those that were set, as KEY=VALUE."""
        usual = {name: getattr(JudgeOptions, name) for name in JudgeOptions.__annotations__}
        told = {name: getattr(self, name) for name in usual}
        return [f"{name}={shown(value)}" for name, value in told.items() if value != usual[name]]

    def validate(self) -> None:
        kind, _, where = self.llm.partition(":")
        if kind not in KINDS:
            raise ValueError(str(unknown("llm", self.llm, KINDS, "language model")))
        if bool(where) != (kind == "recorded"):
            raise ValueError(
                f"llm={self.llm}: " + ("name its folder, as recorded:DIR" if not where else "has no folder")
            )
        if kind == "recorded":
            read_annotations(Path(where))
        if (self.model is None) == (kind == "openai"):
            needed = "name it, as in reward.model=gpt-oss-20b" if kind == "openai" else "only with reward.llm=openai"
            raise ValueError(f"model={'null' if self.model is None else self.model}: {needed}")
        if self.base_url is not None and kind != "openai":
            raise ValueError(f"base_url={self.base_url}: only with reward.llm=openai")
        if self.error and kind != "scripted":
            raise ValueError(f"error={self.error:g}: only with reward.llm=scripted")

    def settle(self, setting: RootConfig) -> None:
        kind, _, where = self.llm.partition(":")
        if kind == "recorded":
            refuse_own("llm=recorded:", where, setting.results_dir)


class Judge(Protocol):
    """Who answers.

    instant: whether it does so at once, so that nothing is gained by asking from another thread. seed: of what it
    draws; it is saved with what was answered.
    """

    instant: bool
    seed: int

    def ask(self, question: Question, number: int) -> Answer:
        """Raises:
        OfTheTask: there is no answer.
        """


def make_judge(options: JudgeOptions, instructions: str, seed: int) -> Judge:
    """Who answers by the options.

    Args:
        instructions: what a model is told before each question.
        seed: of the errors, and of a model's answers.

    Raises:
        UserError: there is none.
    """
    kind, _, where = options.llm.partition(":")
    if kind == "scripted":
        return ScriptedJudge(options.error, seed)
    if kind == "recorded":
        try:
            return RecordedJudge(Path(where))
        except ValueError as error:
            raise UserError(f"reward.{error}") from None
    if options.base_url is None and "OPENAI_API_KEY" not in os.environ:
        own = "reward.base_url=http://localhost:8080/v1 for your own server"
        raise UserError(f"reward.llm=openai: set OPENAI_API_KEY, or {own}")
    model = OpenAI(options.model or "", options.base_url, options.temperature, seed, _TIMEOUT)
    return AskedJudge(model, instructions)


class ScriptedJudge:
    """The truth, flipped for a share of the questions: which, is said by their keys and the seed."""

    instant = True

    def __init__(self, error: float, seed: int) -> None:
        self._error, self.seed = error, seed

    def errs(self, key: int) -> bool:
        """Whether it answers the question of this key wrongly."""
        if not self._error:
            return False
        mixed = combine_keys(np.array([key], dtype=np.int64), np.array([self.seed + 1])).view(np.uint64)
        return int(mixed[0] >> np.uint64(11)) / 2**53 < self._error

    def ask(self, question: Question, number: int) -> Answer:
        return Answer(question.wrong if self.errs(question.key) else question.truth, SCRIPTED)


class RecordedJudge:
    """Answers of an earlier run, by the words of the questions; their tokens are those of that time."""

    instant, seed = True, 0

    def __init__(self, folder: Path) -> None:
        """Raises:
        ValueError: there are none.
        """
        self._folder, self._answers = folder, dict(read_annotations(folder))

    def ask(self, question: Question, number: int) -> Answer:
        if question.text not in self._answers:
            raise OfTheTask(f"llm=recorded:{self._folder}: {ANNOTATIONS} has no answer to: {question.text[:200]}")
        answer = self._answers[question.text]
        return replace(answer, model=recorded_name(answer.model))


class AskedJudge:
    """A language model that is shown the instructions and the question."""

    instant, seed = False, 0

    def __init__(self, model: Model, instructions: str) -> None:
        self._model, self._instructions = model, instructions

    def ask(self, question: Question, number: int) -> Answer:
        messages = [{"role": "system", "content": self._instructions}, {"role": "user", "content": question.text}]
        try:
            return self._model.ask(messages, Purpose(0, number))
        except UserError as error:
            raise OfTheTask(str(error)) from None


@dataclass(frozen=True)
class Annotation:
    """An answer, when it was asked for, and to what."""

    iteration: int
    question: Question
    answer: Answer


def as_table(annotations: Sequence[Annotation]) -> str:
    """`annotations.csv`: what `llm=recorded` reads."""
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in annotations:
        answer = each.answer
        tokens = (answer.prompt_tokens, answer.answer_tokens)
        said = answer.text[:_LONGEST].replace("\0", "")
        writer.writerow([each.iteration, each.question.text, said, answer.model, *tokens, f"{answer.seconds:.3f}"])
    return held.getvalue()


def refuse_own(key: str, folder: str, results_dir: str) -> None:
    """Refuse answers of a folder in which the run would keep its own: they would make it another setting each time.

    Raises:
        UserError: it holds `results_dir`.
    """
    if Path(results_dir).resolve().is_relative_to(Path(folder).expanduser().resolve()):
        raise UserError(f"reward.{key}{folder}: this run would keep its answers there too; name another results_dir")


def read_annotations(folder: Path, key: str = "llm=recorded:") -> list[tuple[str, Answer]]:
    """Questions and answers of all runs in a folder, be it one's own or one of many.

    Args:
        key: the option that names the folder, for messages.

    Raises:
        ValueError: there are none.
    """
    found: list[tuple[str, Answer]] = []
    place = folder.expanduser()
    files = sorted(place.rglob(ANNOTATIONS)) if place.is_dir() else []
    if not files:
        raise ValueError(f"{key}{folder}: holds no {ANNOTATIONS}, which a run writes that asks a judge")
    for file in files:
        try:
            with file.open(encoding="utf-8", newline="") as opened:
                rows = csv.DictReader(opened)
                if not {"question", "answer"} <= set(rows.fieldnames or ()):
                    raise ValueError("needs the columns question and answer")
                found += [(row["question"] or "", _answer_in(row)) for row in rows]
        except OSError as error:
            raise ValueError(f"{key}{folder}: {file.name}: {error.strerror}") from None
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{key}{folder}: {file.name}: {error}") from None
    return found


def _answer_in(row: Mapping[str, str | None]) -> Answer:
    """Raises:
    ValueError: its tokens are no numbers.
    """
    prompt, answered = (int(row.get(name) or 0) for name in ("prompt_tokens", "answer_tokens"))
    return Answer(row["answer"] or "", row.get("model") or "", prompt, answered)
