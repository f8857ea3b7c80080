"""What is asked of written code before anything is trained on it."""

import ast
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from rewardlab.config import composition
from rewardlab.datasets.folders import answers_folder, code_file, codes
from rewardlab.language.extraction import code_in
from rewardlab.parts.written_code import HAND, kind_of, search_of, writer_of
from rewardlab.parts.written_state import facts_of
from rewardlab.sandbox import process
from rewardlab.writing.acceptance import Verdict, judge
from rewardlab.writing.asking import Task
from rewardlab.writing.sample import sample_of

pytestmark = pytest.mark.skipif(process.available() is not None, reason=f"no sandbox here: {process.available()}")


@pytest.fixture(scope="module")
def tried(task_of: Callable[..., Task]) -> Task:
    return task_of("env=doorkey_5x5")


def verdict(source: str, tried: Task) -> Verdict:
    return judge(source, tried.sample, tried.layout, tried.config)


def test_a_sample_has_random_play_and_whole_ways_to_success_however_long() -> None:
    sample = sample_of(composition.compose(["env=doorkey_16x16", "reward=written"]).config, facts_of(True))
    assert max(np.bincount(sample.way[sample.way >= 0])) > 32
    assert sample.distance is not None and (sample.way == -1).sum() == 512
    for way in range(16):
        rows = sample.way == way
        assert sample.task_reward[rows][-1] > 0 and (sample.task_reward[rows][:-1] == 0).all()
        assert sample.distance[rows].tolist() == list(range(rows.sum() - 1, -1, -1))  # the shortest


@pytest.mark.parametrize("name", codes())
def test_what_is_shipped_is_accepted_where_it_belongs(name: str, tried: Task) -> None:
    file = code_file(name)
    assert file is not None
    source = file.read_text()
    if ".vector" in source:
        assert kind_of(source) in ("potential", "progress", "factors")
        assert "which is not told" in verdict(source, tried).problems[0]
        return
    found = verdict(source, tried)
    assert found.problems == [] and found.correlation is not None
    if writer_of(source) != HAND:
        answers = [code_in(file.read_text()) for file in answers_folder(name).glob("*.answer.md")]
        written = [ast.dump(ast.parse(each)) for each in answers if "def " in each]
        assert ast.dump(ast.parse(source)) in written and search_of(source) is not None
        return
    assert (found.correlation > 0.5) == name.startswith("stages")
    assert [warning.split(" on ")[0] for warning in found.warnings] == (
        ["staying pays more than finishing"] if name == "loitering" else []
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return state.agent_x * 0 + 2", "is 2 in all of"),
        ("return np.where(state.agent_x == 2, np.nan, 1)", "is not finite in"),
        ("return state.agent_x * 1e4", "reaches 30000"),
        ("return (state.agent_x - state.agent_x.mean()) / state.agent_x.std()", "depends on the other rows"),
        ("return np.cumsum(state.agent_x) % 7", "depends on the other rows"),
        ("calls.append(1); return state.agent_x + len(calls)", "not the same when the same rows are asked for again"),
        ("return state.agent_x + hash('x') % 10**6 / 10**6", "not the same when the same rows are asked for again"),
        ("return state.agent_x[:3]", "is wanted"),
        (
            "return np.array([x + 0 * sum(range(3000)) for x in state.agent_x])",
            "s for 4096 rows (allowed: 0.05): let numpy",
        ),
        ("return state.agentx", "did you mean agent_x"),
        ("return state.agent_x, {'potential': 0}", "a part is named potential, as what is returned itself"),
        ("return state.agent_x, {'mean': 0}", "a part is named 'mean' (allowed: letters"),
        ("return state.agent_x, {'a,b': 0}", "a part is named 'a,b' (allowed: letters"),
    ],
)
def test_what_no_reward_may_do_is_found(body: str, says: str, tried: Task) -> None:
    source = f"import numpy as np\ncalls = []\ndef potential(state):\n    {body}\n"
    assert any(says in problem for problem in verdict(source, tried).problems)


def test_the_rank_correlation_is_that_of_ranks_with_ties(tried: Task) -> None:
    sample, after = tried.sample, tried.layout.arrays(tried.sample.after)
    said = pd.Series(after["agent_x"] + 3.0 * after["agent_y"])
    reached = sample.distance >= 0
    by_hand = np.corrcoef(said[reached].rank(), pd.Series(-sample.distance[reached]).rank())[0, 1]
    found = verdict("def potential(state): return state.agent_x + 3.0 * state.agent_y", tried).correlation
    assert found == pytest.approx(by_hand, abs=1e-9) and abs(by_hand) > 0.05


def test_a_reward_that_pays_little_for_staying_is_not_warned_of(tried: Task) -> None:
    source = "def compute_reward(before, action, after): return {} * opened(after)"
    source += "\ndef opened(state): return ((state.object_kind == DOOR) & (state.object_state == 0)).any(axis=1)"
    assert verdict(source.format(1.0), tried).warnings and not verdict(source.format(0.01), tried).warnings


def test_a_potential_that_falls_by_more_than_success_pays_is_warned_of(tried: Task) -> None:
    source = "def potential(state): return -{} * (state.agent_x + state.agent_y)"
    (warning,) = verdict(source.format(100.0), tried).warnings
    assert warning.startswith("staying pays more than finishing on 16 of 16 solved levels: let the potential rise")
    assert not verdict(source.format(0.1), tried).warnings
    for pay, text, warned in (("potential", source.format(100.0), 0), ("direct", source.format(-1.0), 1)):
        config = composition.compose(["env=doorkey_5x5", "reward=written", f"reward.pay={pay}"]).config
        assert len(judge(text, tried.sample, tried.layout, config).warnings) == warned


def test_progress_that_rises_is_what_is_returned(tried: Task) -> None:
    source = (
        "RISING = {{'x': True, '{}': False}}\ndef progress(state): return {{'x': state.agent_x, 'y': state.agent_y}}"
    )
    assert verdict(source.format("y"), tried).problems == []
    assert verdict(source.format("z"), tried).problems == ["RISING names z, and progress returns x, y"]
