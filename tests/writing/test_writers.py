"""What tells the writers apart: whom else they ask, what they ask for, and that nobody is asked twice."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from rewardlab.config import composition
from rewardlab.language.extraction import code_in
from rewardlab.language.model import Answer, Message, Purpose, Recorded, Scripted, record
from rewardlab.parts.written_code import kind_of
from rewardlab.records.status import write_status
from rewardlab.sandbox import process
from rewardlab.training.build import build
from rewardlab.writing.acceptance import judge
from rewardlab.writing.asking import Task
from rewardlab.writing.failures import STEPS, failed_episodes
from rewardlab.writing.grammar import Grammar
from rewardlab.writing.prompts import analysed, analysing, continued, first_messages, merging, objection
from rewardlab.writing.reflection import reflection
from rewardlab.writing.rounds import LoopOptions, run_loop
from rewardlab.writing.trainings import Trainings
from rewardlab.writing.writers import WRITERS

pytestmark = pytest.mark.skipif(process.available() is not None, reason=f"no sandbox here: {process.available()}")
LAVA = ["env=lavacrossing_s9n1", "num_envs=4", "agent.hidden=[16]"]


@pytest.fixture(scope="module")
def lava(task_of: Callable[..., Task]) -> Task:
    return task_of(*LAVA)


def trained_at_once(trainings: Trainings, codes: Sequence[Path], seeds: Sequence[int]) -> None:
    """In the place of real runs: those that punish lava do better."""
    for code in codes:
        folder = trainings.prepared(code, seeds[0]).folder
        folder.mkdir(parents=True, exist_ok=True)
        success = 0.8 if "into_lava" in code.read_text() else 0.3
        pd.DataFrame({"frames": [100], "success_rate": [success], "return_mean": [success]}).to_csv(folder / "eval.csv")
        pd.DataFrame({"frames": [100], "written/sparse.onto_goal": [0.1]}).to_csv(folder / "train.csv")
        write_status(folder, "finished", 100)


class Killed(Exception): ...


def test_auto_mc_learns_of_lava_from_failed_episodes_and_goes_on_where_it_was_killed(
    lava: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainings, "sweep", trained_at_once)
    monkeypatch.setattr(Trainings, "failures", lambda *given: ["- moved\n- fell into the lava\n- the episode ended"])
    grammar = Grammar(lava.layout, 0, "split")
    asked: list[str] = []

    def model(last: int) -> Callable[[Sequence[Message], Purpose], str]:
        def write(messages: Sequence[Message], purpose: Purpose) -> str:
            if len(asked) == last:
                raise Killed
            asked.append(str(purpose))
            return grammar(messages, purpose)

        return write

    options = LoopOptions("auto_mc", rounds=2, samples=4, frames=100, seed=0, final_seeds=0)
    runs = tmp_path / "loop"
    for last in (1, 4):  # in the middle of either round
        with pytest.raises(Killed):
            run_loop(runs, Scripted(model(last)), lava, options)
    assert run_loop(runs, Scripted(model(-1)), lava, options, recorded=tmp_path / "kept") == 0
    once = ["0-0", "0-0.critic", "0-0.analyser", "1-0", "1-0.critic"]  # after the last round nobody would read it
    assert asked == once
    assert "1 of 1 episodes: fell into the lava" in (runs / "round0" / "feedback0.md").read_text()
    best = (runs / "best.py").read_text()
    assert "into_lava = 1.0 * (-1.0 * ((before.front_kind == LAVA)" in best and kind_of(best) == "split"
    assert pd.read_csv(runs / "calls.csv")["role"].tolist() == ["writer", "critic", "analyser", "writer", "critic"]
    assert json.loads((runs / "final.json").read_text())["calls"] == 5
    # What was recorded gives the same loop again, and a prompt that differs is told.
    again = tmp_path / "again"
    assert run_loop(again, Recorded(tmp_path / "kept"), lava, options) == 0
    code = best.partition("# writer")[0]
    assert (again / "best.py").read_text().startswith(f"{code}# writer: auto_mc, recorded\n")


def test_a_recorded_prompt_that_differs_is_told_once(
    lava: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("0-0", "0-1"):
        (tmp_path / f"{name}.answer.md").write_text("answer")
        (tmp_path / f"{name}.prompt.md").write_text("another")
    record(tmp_path / "m", [], Purpose(2, 0, "draft"), Answer("text", "a-model", 70, 30, 1.5))
    told_again = Recorded(tmp_path / "m").ask([], Purpose(2, 0, "draft"))
    assert told_again == Answer("text", "recorded by a-model", 70, 30)
    recorded = Recorded(tmp_path)
    assert [recorded.ask([], Purpose(0, k)).text for k in range(2)] == ["answer"] * 2
    told = capsys.readouterr().err
    assert told.count("warning") == 1 and "0-0.prompt.md is another prompt" in told


def test_what_a_critic_objects_to_goes_back(lava: Task, tmp_path: Path) -> None:
    told: list[str] = []
    grammar = Grammar(lava.layout, 0, "split")

    def write(messages: Sequence[Message], purpose: Purpose) -> str:
        told.append(messages[-1]["content"])
        if purpose.role == "critic":
            return "INCONSISTENT: it pays for lava." if purpose.sample == 0 else "CONSISTENT"
        return grammar(messages[:2], purpose)

    options = LoopOptions("auto_mc", rounds=1, samples=1, frames=0, seed=0, final_seeds=0)
    assert run_loop(tmp_path, Scripted(write), lava, options) == 0
    assert "a critic finds: it pays for lava." in told[2] and "def dense" in told[1]
    assert objection("CONSISTENT") is None and objection("well") is None
    assert objection("**INCONSISTENT**") == "no reason is given"


def test_drafts_of_factors_are_merged_into_one(lava: Task, tmp_path: Path) -> None:
    grammar = Grammar(lava.layout, 1, "factors")
    asked: list[tuple[str, str]] = []

    def write(messages: Sequence[Message], purpose: Purpose) -> str:
        asked.append((str(purpose), messages[-1]["content"]))
        if str(purpose) == "0-0":
            return "def factors(before, action, after): return {'a': after.agent_z}"
        return grammar(messages if purpose.role else merging(messages[:2], [grammar(messages[:2], purpose)]), purpose)

    options = LoopOptions("lare", rounds=1, samples=3, frames=0, seed=0, final_seeds=0)
    assert run_loop(tmp_path, Scripted(write), lava, options) == 0
    assert [name for name, _ in asked] == ["0-0.draft", "0-1.draft", "0-2.draft", "0-0", "0-1"]
    assert asked[3][1].count("### Answer") == 3 and "agent_z" in asked[4][1]
    assert kind_of((tmp_path / "round0" / "candidate1.py").read_text()) == "factors"


@pytest.mark.parametrize("kind", ["split", "progress", "factors"])
def test_the_grammar_writes_every_kind(kind: str, lava: Task) -> None:
    assert kind in {writer.kinds[0] for writer in WRITERS.values()}
    grammar, begin, accepted = Grammar(lava.layout, 3, kind), first_messages("x", lava.layout, kind), 0
    for sample in range(4):
        found = judge(code_in(grammar(begin, Purpose(0, sample))), lava.sample, lava.layout, lava.config)
        accepted += not found.problems
        assert found.kind == kind and all("in all of" in problem for problem in found.problems)
    assert accepted >= 2
    drafts = [grammar(begin, Purpose(0, sample)) for sample in range(2)]
    terms = json.loads(grammar(merging(begin, drafts), Purpose(0, 0)).split("# terms: ")[1].split("\n")[0])
    named = [json.loads(draft.split("# terms: ")[1].split("\n")[0]) for draft in drafts]
    assert {name for name, _ in terms} == {name for draft in named for name, _ in draft}


def test_failed_episodes_are_told_by_their_last_steps(lava: Task) -> None:
    config = composition.compose([*LAVA, "reward=none"]).config
    parts = build(config)
    parts.env.close()
    told = failed_episodes(config, parts.agent, None, lava.layout)
    assert len(told) == 10 and told == failed_episodes(config, parts.agent, None, lava.layout)
    ends = [episode.splitlines()[-2:] for episode in told]
    assert ["- fell into the lava", "- the episode ended"] in ends
    for episode in told:
        counts = [int(line.rpartition("(")[2].split()[0]) if "times)" in line else 1 for line in episode.splitlines()]
        assert sum(counts) <= STEPS + 1
    causes = Grammar(lava.layout, 0, "split")(
        analysing("x", "### Episode 1\n\n" + told[0], 1), Purpose(0, 0, "analyser")
    )
    assert causes.startswith("- 1 of 1 episodes: ")
    feedback = analysed(reflection([0.5], {}), "- 1 of 1 episodes: fell into the lava")
    answer = '```python\n# terms: [["near_goal", 0.1]]\n```'
    told_again = continued(first_messages("x", lava.layout, "split"), answer, feedback)
    assert '["into_lava", 1.0]' in Grammar(lava.layout, 0, "split")(told_again, Purpose(1, 0))
