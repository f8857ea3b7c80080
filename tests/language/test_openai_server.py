"""A server of our own that speaks OpenAI's protocol, and misbehaves: nothing of it costs more than a line."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rewardlab.errors import OfTheTask, UserError
from rewardlab.language.annotator import Annotator
from rewardlab.language.extraction import code_in
from rewardlab.language.judges import JudgeOptions, Question, make_judge
from rewardlab.language.model import OpenAI, Purpose

pytest.importorskip("openai", reason="needs the extra llm")
USED = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


class Server(ThreadingHTTPServer):
    answers: list[tuple[int, Any]]
    asked: list[dict[str, Any]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({**told, "authorization": self.headers.get("Authorization")})
        status, body = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Retry-After-Ms", "1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.answers, made.asked = [], []
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def reply(text: str | None) -> tuple[int, dict[str, Any]]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m-1", "choices": [choice], "usage": USED}
    return 200, body


def client(server: Server) -> OpenAI:
    return OpenAI("m", f"http://127.0.0.1:{server.server_address[1]}/v1", 0.5, seed=10, timeout=20.0)


def test_what_is_asked_and_what_comes_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-user")
    server.answers = [(429, {"error": {"message": "slow down"}}), (500, {}), reply("text")]
    answer = client(server).ask([{"role": "user", "content": "hello"}], Purpose(0, 4))
    assert (answer.text, answer.model, answer.prompt_tokens, answer.answer_tokens) == ("text", "m-1", 7, 3)
    assert len(server.asked) == 3  # two that failed were asked again
    told = server.asked[-1]
    assert (told["seed"], told["temperature"], told["model"]) == (14, 0.5, "m")
    assert told["messages"] == [{"role": "user", "content": "hello"}] and told["authorization"] == "Bearer of-the-user"
    server.answers = [reply(None)]
    server.answers[0][1]["usage"] = {"prompt_tokens": 7, "completion_tokens": None}
    assert client(server).ask([], Purpose(0, 0, "draft"), temperature=0.3).text == ""
    assert server.asked[-1]["temperature"] == 0.3


def test_a_refusal_is_one_line_and_keeps_the_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-user")
    server.answers = [(401, {"error": {"message": "no such\nuser"}})]
    with pytest.raises(UserError, match=r"llm=openai: no answer for 1-0: AuthenticationError: .*no such") as raised:
        client(server).ask([], Purpose(1, 0))
    assert "\n" not in str(raised.value) and "of-the-user" not in str(raised.value)
    for nothing in ({}, {"choices": []}, {"choices": [{"index": 0}]}, "a page"):
        server.answers = [(200, nothing)]
        with pytest.raises(UserError, match=r"no answer for 1-0: .*no chat completion"):
            client(server).ask([], Purpose(1, 0))
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="set OPENAI_API_KEY"):
        OpenAI("m", None, 1.0, seed=0, timeout=1.0)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("Think.\n```python\na = 1\n```\nThen\n```\nlonger = 22\n```\n", "longer = 22\n"),
        ("```py\nhalf = 1", "half = 1\n"),
        ("a = 1", "a = 1\n"),
        ("", "\n"),
    ],
)
def test_the_code_in_an_answer(answer: str, code: str) -> None:
    assert code_in(answer) == code


def test_a_judge_shows_its_instructions_and_one_that_gets_no_answer_fails_the_run(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-user")
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    options = JudgeOptions(llm="openai", model="m", base_url=url, per_iteration=1, parallel=1)
    options.validate()
    annotator = Annotator(options, make_judge(options, "Yes or no?", 3), lambda text: text == "yes")
    annotator.put([Question(1, "turned", "no", "yes"), Question(2, "opened the red door", "yes", "no")])
    server.answers = [reply("yes")]
    assert [each.question.key for each in annotator.step()] == [2] and annotator.answers == {2: True}
    assert [each["content"] for each in server.asked[0]["messages"]] == ["Yes or no?", "opened the red door"]
    assert annotator.metrics()["annotate/tokens"] == 10.0 and "opened the red door,yes,m-1,7,3," in annotator.table()
    server.answers = [(400, {"error": {"message": "too\nlong"}})]
    with pytest.raises(OfTheTask, match=r"^llm=openai: no answer for .*too long"):
        annotator.step()
    monkeypatch.delenv("OPENAI_API_KEY")
    options.base_url = None
    with pytest.raises(UserError, match=r"set OPENAI_API_KEY, or reward.base_url="):
        make_judge(options, "", 0)
