"""Asking a model for code, and what is known of its answers before anything is trained on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from rewardlab.language.extraction import code_in
from rewardlab.language.model import Answer, Message, Model, Purpose, ask_once, shown
from rewardlab.parts.written_state import StateLayout
from rewardlab.records.files import write_atomic
from rewardlab.sandbox.process import printable
from rewardlab.schemas import RootConfig
from rewardlab.writing.acceptance import Verdict, judge
from rewardlab.writing.prompts import continued, criticising, merging, objection
from rewardlab.writing.reflection import failure
from rewardlab.writing.sample import Sample
from rewardlab.writing.writers import WRITERS

_MERGING = 0.3  # temperature


@dataclass(frozen=True)
class Task:
    """What a reward is written for.

    overrides: of every run, as of `rewardlab run`. config: composed of them and the writer's reward. words: the task in
    words.
    """

    overrides: tuple[str, ...]
    config: RootConfig
    words: str
    sample: Sample
    layout: StateLayout


@dataclass
class Candidate:
    """One answer and what came of it. fitness: None where it was refused or its run failed. run: its folder."""

    purpose: Purpose
    answer: Answer
    verdict: Verdict
    code: Path
    fitness: float | None = None
    frames: int = 0
    run: Path | None = None
    feedback: str = ""
    problems: list[str] = field(default_factory=list)


class Desk:
    """Where a loop's questions go and its answers are kept: what is on disk is not asked for again.

    Attributes:
        calls: every answer of the loop, in the order of its questions.
    """

    def __init__(self, folder: Path, model: Model, writer: str, task: Task, recorded: Path | None = None) -> None:
        """Args:
        recorded: a folder where prompts and answers are kept once more, for `Recorded`.
        """
        self.folder, self.calls = folder, dict[Purpose, Answer]()
        self._model, self._name, self._writer, self._task = model, writer, WRITERS[writer], task
        self._recorded = recorded

    def ask(self, messages: Sequence[Message], purpose: Purpose, temperature: float | None = None) -> Answer:
        """The answer on disk, or a new one that is written down at once."""
        place = self.folder / f"round{purpose.round}"
        name = f"answer{purpose.sample}" + (f".{purpose.role}" if purpose.role else "")
        answer = ask_once(place / f"{name}.md", self._model, messages, purpose, temperature, self._recorded)
        self.calls[purpose] = answer
        return answer

    def candidates(self, number: int, samples: int, messages: Sequence[Message]) -> list[Candidate]:
        """Those of a round, each tried on the sample."""
        place = self.folder / f"round{number}"
        place.mkdir(parents=True, exist_ok=True)
        write_atomic(place / "prompt.md", shown(messages).encode())
        if self._writer.merges:
            drafts = [self.ask(messages, Purpose(number, k, "draft")).text for k in range(samples)]
            messages = merging(messages[:2], drafts)
            write_atomic(place / "prompt.merged.md", shown(messages).encode())
        if not self._writer.repairs:
            return [self._candidate(Purpose(number, k), messages) for k in range(samples)]
        found = [self._candidate(Purpose(number, 0), messages)]
        while found[-1].problems and len(found) <= self._writer.repairs:
            asked = continued(list(messages)[:2], found[-1].answer.text, failure(found[-1].problems))
            write_atomic(place / f"prompt{len(found)}.md", shown(asked).encode())
            found.append(self._candidate(Purpose(number, len(found)), asked))
        return found

    def write_calls(self) -> None:
        """`calls.csv`: a row for each answer."""
        rows = [
            {
                "round": purpose.round,
                "sample": purpose.sample,
                "role": purpose.role or "writer",
                **{name: value for name, value in asdict(answer).items() if name != "text"},
            }
            for purpose, answer in self.calls.items()
        ]
        write_atomic(self.folder / "calls.csv", pd.DataFrame(rows).to_csv(index=False).encode())

    def _candidate(self, purpose: Purpose, messages: Sequence[Message]) -> Candidate:
        temperature = _MERGING if self._writer.merges else None
        answer = self.ask(messages, purpose, temperature)
        place, task = self.folder / f"round{purpose.round}", self._task
        code = place / f"candidate{purpose.sample}.py"
        # At its end, so that the lines of errors are those of the answer; and the last such line counts.
        source = f"{code_in(answer.text)}# writer: {printable(f'{self._name}, {answer.model}')}\n"
        write_atomic(code, source.encode())
        verdict = judge(source, task.sample, task.layout, task.config)
        if not verdict.problems and verdict.kind not in self._writer.kinds:
            verdict.problems.append(f"defines {verdict.kind}, and {' or '.join(self._writer.kinds)} is wanted")
        write_atomic(place / f"check{purpose.sample}.json", json.dumps(asdict(verdict), indent=1).encode())
        problems = list(verdict.problems)
        if self._writer.critic and not problems:
            asked = criticising(task.words, verdict.kind, code_in(answer.text))
            said = objection(self.ask(asked, Purpose(purpose.round, purpose.sample, "critic")).text)
            problems += [] if said is None else [f"a critic finds: {printable(said)}"]
        return Candidate(
            purpose, answer, verdict, code, feedback=failure(problems) if problems else "", problems=problems
        )
