"""What is asked of a language model, what it answers, and who can be asked.

| llm= | who answers |
|---|---|
| scripted | no model: a grammar that writes rewards and changes them, by the seed and the purpose alone |
| recorded:DIR | files of an earlier conversation, `ROUND-SAMPLE.answer.md`; what is missing is refused |
| openai | any server that speaks OpenAI's protocol: `base_url`, `model`; the key from OPENAI_API_KEY alone |
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rewardlab.errors import UserError

Message = dict[str, str]  # role and content
KINDS = ("scripted", "recorded", "openai")


@dataclass(frozen=True)
class Purpose:
    """What an answer is for: the sample of a round. It is the key of recorded answers, and of the scripted writer."""

    round: int
    sample: int

    def __str__(self) -> str:
        return f"{self.round}-{self.sample}"


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

    def ask(self, messages: Sequence[Message], purpose: Purpose) -> Answer:
        """Raises:
        UserError: there is no answer; one line says why.
        """


@dataclass(frozen=True)
class Scripted:
    """Answers by a function of the messages and the purpose, without a model."""

    write: Callable[[Sequence[Message], Purpose], str]

    def ask(self, messages: Sequence[Message], purpose: Purpose) -> Answer:
        return Answer(self.write(messages, purpose), "scripted")


@dataclass(frozen=True)
class Recorded:
    """Answers of an earlier conversation. A prompt may differ in figures, the purpose counts."""

    folder: Path

    def ask(self, messages: Sequence[Message], purpose: Purpose) -> Answer:
        file = self.folder / f"{purpose}.answer.md"
        try:
            return Answer(file.read_text(encoding="utf-8"), f"recorded:{self.folder.name}")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise UserError(f"llm=recorded:{self.folder}: no answer in {file.name} ({reason})") from None


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

    def ask(self, messages: Sequence[Message], purpose: Purpose) -> Answer:
        began = time.monotonic()
        given: Any = list(messages)
        try:
            # One call for each sample: servers may ignore `n`.
            told = self._client.chat.completions.create(
                model=self._model, messages=given, temperature=self._temperature, seed=self._seed + purpose.sample
            )
        except self._errors.OpenAIError as error:
            said = " ".join(str(error).split())[:300]
            raise UserError(f"llm=openai: no answer for {purpose}: {type(error).__name__}: {said}") from None
        text = told.choices[0].message.content if told.choices else None
        used = told.usage
        return Answer(
            (text or "").encode(errors="replace").decode(),  # half a letter can't be written to a file
            told.model or self._model,
            used.prompt_tokens if used is not None else 0,
            used.completion_tokens if used is not None else 0,
            time.monotonic() - began,
        )
