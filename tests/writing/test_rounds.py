"""The loop: what is asked, what is trained, what is told, and that a loop which was ended goes on."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from rewardlab.cli import main
from rewardlab.errors import UserError
from rewardlab.language.extraction import code_in
from rewardlab.language.model import Message, Purpose, Recorded, Scripted
from rewardlab.parts.written_code import search_of
from rewardlab.sandbox import process
from rewardlab.writing.acceptance import judge
from rewardlab.writing.asking import Task
from rewardlab.writing.grammar import Grammar
from rewardlab.writing.prompts import continued, first_messages
from rewardlab.writing.reflection import reflection
from rewardlab.writing.rounds import LoopOptions, run_loop

pytestmark = pytest.mark.skipif(process.available() is not None, reason=f"no sandbox here: {process.available()}")
TINY = ["env=empty_5x5", "num_envs=4", "agent.rollout_steps=16", "eval.episodes=8", "eval.every=2000"]
OPTIONS = LoopOptions("eureka", rounds=2, samples=3, frames=8000, seed=0, final_seeds=0, fitness="auc")
GOOD = "def potential(state): return state.agent_x + state.agent_y, {'sum': state.agent_x + state.agent_y}"
BAD = "def potential(state): return -1.0 * state.agent_x - state.agent_y"


@pytest.fixture(scope="module")
def task(task_of: Callable[..., Task]) -> Task:
    return task_of(*TINY)


def test_the_planted_reward_wins_and_a_loop_goes_on_where_it_was(task: Task, tmp_path: Path) -> None:
    asked: list[tuple[Purpose, list[Message]]] = []

    def write(messages: Sequence[Message], purpose: Purpose) -> str:
        asked.append((purpose, list(messages)))
        answers = ("no code at all", BAD, GOOD if purpose.round == 0 else "def potential(state): return 1.0")
        return f"Here:\n```python\n{answers[purpose.sample]}\n```"

    assert run_loop(tmp_path / "loop", Scripted(write), task, OPTIONS) == 0
    files = {path.relative_to(tmp_path): path.read_bytes() for path in (tmp_path / "loop").glob("*.*")}
    history = pd.read_csv(tmp_path / "loop" / "history.csv")
    assert history["accepted"].tolist() == [False, True, True, False, True, False]
    assert history["fitness"][2] == history["fitness"].max() > history["fitness"][1]
    searched = f"# search: {history['frames'].sum()} frames, 6 calls, 0 tokens\n"
    assert (tmp_path / "loop" / "best.py").read_text() == GOOD + "\n# writer: eureka, scripted\n" + searched
    assert search_of(searched) == {"frames": history["frames"].sum(), "calls": 6, "tokens": 0}
    final = json.loads((tmp_path / "loop" / "final.json").read_text())
    # One of the two of round 1 that could be used is the one of round 0 once more: trained already.
    assert final["best"] == "0-2" and final["search_frames"] == history["frames"].sum() and final["calls"] == 6
    # The second round is told of the best answer and what came of it, in four messages.
    second = asked[3][1]
    assert [message["role"] for message in second] == ["system", "user", "assistant", "user"]
    assert GOOD in second[2]["content"] and "\nsum: [" in second[3]["content"]
    assert "is 1 in all of" in (tmp_path / "loop" / "round1" / "feedback2.md").read_text()

    def silent(messages: Sequence[Message], purpose: Purpose) -> str:
        raise AssertionError("asked again")

    (tmp_path / "loop" / "history.csv").unlink()
    (tmp_path / "loop" / "round1" / "check1.json").unlink()
    assert run_loop(tmp_path / "loop", Scripted(silent), task, OPTIONS) == 0
    assert {path.relative_to(tmp_path): path.read_bytes() for path in (tmp_path / "loop").glob("*.*")} == files


def test_text2reward_sends_errors_back(task: Task, tmp_path: Path) -> None:
    told: list[str] = []
    folder = tmp_path / "a 'b', c" / "loop"  # a path that Hydra has to be told in quotes

    def write(messages: Sequence[Message], purpose: Purpose) -> str:
        told.append(messages[-1]["content"])
        return GOOD if purpose.sample == 2 else "def potential(state): return state.agent_q"

    options = LoopOptions("text2reward", rounds=1, samples=1, frames=2000, seed=0, final_seeds=1)
    assert run_loop(folder, Scripted(write), task, options) == 0
    final = json.loads((folder / "final.json").read_text())
    assert final["calls"] == 3 and "agent_q" in (folder / "round0" / "prompt2.md").read_text()
    assert len(told) == 3 and all("line 1 reads agent_q" in text for text in told[1:])
    assert pd.read_csv(folder / "history.csv")["accepted"].tolist() == [False, False, True]
    options = LoopOptions("eureka", rounds=1, samples=1, frames=2000, seed=0, final_seeds=0)
    with pytest.raises(UserError, match="no reward could be used in 1 rounds"):
        run_loop(tmp_path / "other", Scripted(lambda messages, purpose: "nothing"), task, options)


def test_a_training_that_was_stopped_is_no_fault_of_the_code(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = LoopOptions("once", rounds=1, samples=1, frames=2000, seed=0, final_seeds=0)
    monkeypatch.setattr("rewardlab.writing.trainings.Trainings.sweep", lambda *given: None)
    with pytest.raises(UserError, match="its training is missing; the same command goes on"):
        run_loop(tmp_path / "loop", Scripted(lambda messages, purpose: GOOD), task, options)
    checked = LoopOptions("once", rounds=1, samples=1, frames=0, seed=0, final_seeds=0)
    assert run_loop(tmp_path / "checked", Scripted(lambda messages, purpose: GOOD), task, checked) == 0
    assert run_loop(tmp_path / "refused", Scripted(lambda messages, purpose: "nothing"), task, checked) == 1


def test_the_grammar_writes_what_is_accepted_and_follows_the_hints(task: Task) -> None:
    grammar = Grammar(task.layout, seed=3)
    begin = first_messages("reach the goal", task.layout)
    accepted = 0
    for sample in range(8):
        answer = grammar(begin, Purpose(0, sample))
        assert answer == grammar(begin, Purpose(0, sample))
        found = judge(code_in(answer), task.sample, task.layout, task.config)
        accepted += not found.problems
        assert all("is 0 in all" in problem or "in all of" in problem for problem in found.problems)
    assert accepted >= 4  # an empty room has no doors, and some terms are of doors alone

    def next_terms(success: list[float], parts: dict[str, list[float]]) -> list[list[object]]:
        answer = '```python\n# terms: [["near_goal", 0.1], ["column", 1.0]]\n```'
        told = grammar(continued(begin, answer, reflection(success, parts)), Purpose(1, 0))
        return json.loads(told.split("# terms: ")[1].split("\n")[0])

    changing = [0.0, 0.5, 1.0]
    assert next_terms([0.5], {"near_goal": [0, 0.01], "column": changing}) == [["near_goal", 0.1], ["column", 0.1]]
    replaced = next_terms([0.5], {"near_goal": [0.2, 0.2], "column": changing})
    assert replaced[1] == ["column", 1.0] and replaced[0][0] not in ("near_goal", "column")
    fresh = next_terms([0.0, 0.01], {"near_goal": changing, "column": changing})
    assert fresh != [["near_goal", 0.1], ["column", 1.0]]


def test_a_reflection_tells_every_tenth_value() -> None:
    values = [k / 25 for k in range(25)]
    told = reflection([0.0, 1.0], {"near": values}).splitlines()
    assert told[1] == "success: [0.00, 1.00], max: 1.00, mean: 0.50, min: 0.00"
    shown = ", ".join(f"{values[k]:.2f}" for k in range(0, 25, 2))
    assert told[2] == f"near: [{shown}], max: 0.96, mean: 0.48, min: 0.00"


def test_recorded_answers_and_bad_input_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "0-0.answer.md").write_text(GOOD)
    recorded = Recorded(tmp_path)
    assert recorded.ask([], Purpose(0, 0)).text == GOOD
    with pytest.raises(UserError, match=r"no answer in 0-1\.answer\.md \(No such file"):
        recorded.ask([], Purpose(0, 1))
    latin = tmp_path / "latin.py"
    latin.write_bytes(b"# \xff")
    for words, says in (
        (["--llm", "scriptd"], "did you mean scripted?"),
        (["--llm", "recorded:nowhere"], "no such folder"),
        (["--llm", "scripted:nowhere"], "only recorded has a folder"),
        (["--llm", "recorded:lare_pendulun"], "did you mean recorded:lare_pendulum?"),
        (["--writer", "auto_mcc"], "invalid choice: 'auto_mcc'"),
        (["--frames", "0", "--samples", "1", "--record", "/dev/null/x"], "/dev/null/x: can't be written (Not a dir"),
        (["--rounds", "0"], "--rounds: 0: must be a whole number from 1 on"),
        (["--temperature", "nan"], "--temperature: nan: must be a number from 0 on"),
        (["reward=rnd"], "reward=rnd: rewardlab write sets reward itself"),
        (["seed=3"], "seed=3: rewardlab write sets seed itself: --seed S"),
        (["reward.state=vector"], "reward code reads grids and vectors"),
        (["--code", str(latin)], "cannot be read (it is no UTF-8 text)"),
        (["--llm", "openai"], "name the model"),
        (["--code", "stagse"], "did you mean stages?"),
    ):
        assert main(["write", "env=empty_5x5", f"results_dir={tmp_path}", *words]) == 2
        assert says in capsys.readouterr().err
    assert main(["write", "env=doorkey_5x5", "--code", "loitering"]) == 0
    assert "warning: staying pays more than finishing" in capsys.readouterr().out
