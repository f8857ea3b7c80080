"""What is asked of a language model, what it answers, and who can be asked.

| llm= | who answers |
|---|---|
| scripted | no model: a grammar that writes rewards and changes them, by the seed and the purpose alone |
| recorded:DIR | `ROUND-SAMPLE.answer.md` of an earlier conversation, or a name in conf/answers; others are refused |
| openai | any server that speaks OpenAI's protocol: `base_url`, `model`; the key from OPENAI_API_KEY alone |
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rewardlab.errors import UserError
from rewardlab.records.files import write_atomic

Message = dict[str, str]  # role and content
KINDS = ("scripted", "recorded", "openai")


@dataclass(frozen=True)
class Purpose:
    """What an answer is for: the sample of a round. It is the key of recorded answers, and of the scripted writer.

    role: who is asked, where it is not the writer: critic, analyser, draft.
    """

    round: int
    sample: int
    role: str = ""

    def __str__(self) -> str:
        return f"{self.round}-{self.sample}" + (f".{self.role}" if self.role else "")


@dataclass(frozen=True)
class Answer:
    """What came back. Tokens are 0 where nobody counts them. seconds: waited for it."""

    text: str
    model: str
    prompt_tokens: int = 0
    answer_tokens: int = 0
    seconds: float = 0.0


class Model(Protocol):
    """Who can be asked."""

    def ask(self, messages: Sequence[Message], purpose: Purpose, temperature: float | None = None) -> Answer:
        """Args:
            temperature: instead of the model's own.

        Raises:
            UserError: there is no answer; one line says why.
        """


def shown(messages: Sequence[Message]) -> str:
    """Messages as a text to be read and compared."""
    return "\n\n".join(f"## {message['role']}\n\n{message['content']}" for message in messages) + "\n"


def record(folder: Path, messages: Sequence[Message], purpose: Purpose, answer: Answer) -> None:
    """Keep an answer, and what it answers, so that `Recorded` gives it again."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / f"{purpose}.prompt.md", shown(messages).encode())
    write_atomic(folder / f"{purpose}.answer.md", answer.text.encode())
    if answer.prompt_tokens or answer.answer_tokens:
        told = {name: value for name, value in asdict(answer).items() if name not in ("text", "seconds")}
        write_atomic(folder / f"{purpose}.answer.json", (json.dumps(told) + "\n").encode())


def ask_once(
    text: Path,
    model: Model,
    messages: Sequence[Message],
    purpose: Purpose,
    temperature: float | None = None,
    recorded: Path | None = None,
) -> Answer:
    """The answer on disk, or a new one that is written down at once.

    Args:
        text: the file of its words, NAME.md; the rest of it is in NAME.json.
        recorded: a folder where prompt and answer are kept once more, for `Recorded`.

    Raises:
        UserError: there is no answer.
    """
    facts = text.with_suffix(".json")
    if text.is_file() and facts.is_file():
        try:
            answer = Answer(text.read_text(encoding="utf-8"), **json.loads(facts.read_text()))
        except (ValueError, TypeError):
            raise UserError(f"{facts}: it, or the text beside it, is damaged; delete it to ask again") from None
    else:
        answer = model.ask(messages, purpose, temperature)
        text.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(text, answer.text.encode())
        told = {name: value for name, value in asdict(answer).items() if name != "text"}
        write_atomic(facts, json.dumps(told).encode())
    if recorded is not None:
        record(recorded, messages, purpose, answer)
    return answer


@dataclass(frozen=True)
class Scripted:
    """Answers by a function of the messages and the purpose, without a model."""

    write: Callable[[Sequence[Message], Purpose], str]

    def ask(self, messages: Sequence[Message], purpose: Purpose, temperature: float | None = None) -> Answer:
        return Answer(self.write(messages, purpose), "scripted")


def recorded_name(model: str) -> str:
    """What stands for whoever gave a recorded answer, wherever the recording lies. model: empty where nobody knows."""
    return model if model.startswith("recorded") else f"recorded by {model}" if model else "recorded"


@dataclass
class Recorded:
    """Answers of an earlier conversation. A prompt may differ, as in figures, since the purpose counts; it is told."""

    folder: Path
    _told: bool = field(default=False, init=False)

    def ask(self, messages: Sequence[Message], purpose: Purpose, temperature: float | None = None) -> Answer:
        """Tokens are those of the time when it was recorded."""
        text = self._read(f"{purpose}.answer.md")
        if text is None:
            raise UserError(f"llm=recorded:{self.folder}: no answer in {purpose}.answer.md ({self._reason(purpose)})")
        prompt = self._read(f"{purpose}.prompt.md")
        if prompt is not None and prompt != shown(messages) and not self._told:
            self._told = True
            line = f"llm=recorded:{self.folder}: {purpose}.prompt.md is another prompt than the one that is asked now"
            print(f"warning: {line}; later ones are not compared", file=sys.stderr, flush=True)
        try:
            told = json.loads(self._read(f"{purpose}.answer.json") or "{}")
            counts = {key: int(told.get(key, 0)) for key in ("prompt_tokens", "answer_tokens")}
            by = recorded_name(str(told.get("model") or ""))
        except (ValueError, TypeError, AttributeError):
            raise UserError(f"llm=recorded:{self.folder}: {purpose}.answer.json is damaged") from None
        return Answer(text, by, **counts)

    def _read(self, name: str) -> str | None:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _reason(self, purpose: Purpose) -> str:
        there = (self.folder / f"{purpose}.answer.md").is_file()
        return "it is no UTF-8 text" if there else "No such file"


class OpenAI:
    """A server that speaks OpenAI's protocol, such as llama.cpp's, vLLM's or ollama's."""

    def __init__(self, model: str, base_url: str | None, temperature: float, seed: int, timeout: float) -> None:
        """Raises:
        UserError: the package is missing, or there is neither a key nor a server of one's own.
        """
        try:
            import openai
        except ImportError:
            raise UserError("llm=openai: needs a package: pip install 'rewardlab[llm]'") from None
        key = os.environ.get("OPENAI_API_KEY")
        if key is None and base_url is None:
            raise UserError(
                "llm=openai: set OPENAI_API_KEY, or --base-url http://localhost:8080/v1 for your own server"
            )
        self._errors: Any = openai
        self._client = openai.OpenAI(api_key=key or "none", base_url=base_url, timeout=timeout, max_retries=5)
        self._model, self._temperature, self._seed = model, temperature, seed

    def ask(self, messages: Sequence[Message], purpose: Purpose, temperature: float | None = None) -> Answer:
        began = time.monotonic()
        given: Any = list(messages)
        try:
            # One call for each sample: servers may ignore `n`.
            told = self._client.chat.completions.create(
                model=self._model,
                messages=given,
                temperature=self._temperature if temperature is None else temperature,
                seed=self._seed + purpose.sample,
            )
        except (self._errors.OpenAIError, ValueError) as error:  # ValueError: what came is no JSON
            said = " ".join(str(error).split())[:300]
            raise UserError(f"llm=openai: no answer for {purpose}: {type(error).__name__}: {said}") from None
        choices = getattr(told, "choices", None)  # what came is not checked: a page of a web server is a string
        if not choices or getattr(choices[0], "message", None) is None:
            raise UserError(
                f"llm=openai: no answer for {purpose}: what came is no chat completion; most servers' URLs end in /v1"
            )
        used = told.usage
        return Answer(
            (choices[0].message.content or "").encode(errors="replace").decode(),  # half a letter can't be written
            told.model or self._model,
            (used.prompt_tokens or 0) if used is not None else 0,
            (used.completion_tokens or 0) if used is not None else 0,
            time.monotonic() - began,
        )
