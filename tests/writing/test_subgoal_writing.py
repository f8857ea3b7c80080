"""Lists of subgoals from a model: what is asked and read, errors as they were measured, commands."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rewardlab.cli import main
from rewardlab.config import composition
from rewardlab.datasets.subgoal_lists import read_lists
from rewardlab.language.model import Message, Purpose, Scripted
from rewardlab.maths.subgoals import exact_list, moved_cell
from rewardlab.training.levels import evaluation_list, training_levels
from rewardlab.writing.scripted_subgoals import MODELS, Measured, SubgoalAnswers
from rewardlab.writing.subgoals import first_messages, grids_of, levels_of, list_in, quality, write_lists

DOORKEY = ["env=doorkey_6x6", "env.levels=3", "eval.levels=train", "eval.episodes=3"]


def test_a_file_of_the_command_is_exact_and_is_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*DOORKEY, f"results_dir={tmp_path}"]
    assert main(["write", *words, "--kind", "subgoals", "--writer", "once", "--runs", "2"]) == 0
    assert "100.0% of 12 subgoals are right; error 0.00" in capsys.readouterr().out
    (file,) = tmp_path.glob("writing/*-subgoals-scripted-*/subgoals.json")
    lists = read_lists("file", str(file), 6, 6)
    for seed in (0, 1):
        config = composition.compose([*DOORKEY, f"seed={seed}"]).config
        levels = training_levels(config)
        assert levels is not None and set(levels) == set(evaluation_list(config)) <= set(lists)
        for level, grid in grids_of(config, levels)[1].items():
            assert lists[level] == [divmod(cell, 6) for cell in exact_list(grid)]
    curriculum = ["curriculum=subgoal_list", f"curriculum.file={file}", "reward=none", "seed=1"]
    assert main(["run", *words, *curriculum, "frames=256", "num_envs=4", "agent.rollout_steps=16"]) == 0
    assert main(["run", *words, *curriculum[:-1], "seed=7", "frames=256"]) == 2
    # The answers are those of an earlier conversation now, and asked again, nothing is.
    answers = file.parent / "answers"
    words[-1] = f"results_dir={tmp_path / 'again'}"
    more = ["--kind", "subgoals", "--runs", "2", "--record", str(tmp_path / "kept")]
    assert main(["write", *words, *more, "--llm", f"recorded:{answers}"]) == 0
    (again,) = tmp_path.glob("again/writing/*/subgoals.json")
    assert again.read_bytes() == file.read_bytes()
    for one in answers.glob("*.md"):
        assert (tmp_path / "kept" / one.name).read_bytes() == one.read_bytes()


def test_errors_are_as_they_were_measured() -> None:
    """Shares and means of 600 positions of a grid that is large enough for the errors."""
    assert Measured(0.5, 1.0, 1.0).of_wrong == (2.0, 0.0)
    config = composition.compose(["env=doorkey_16x16", "env.levels=300", "eval.levels=train", "eval.episodes=1"]).config
    grids = grids_of(config, levels_of(config, [0]))[1]
    for name, model in MODELS.items():
        answers = SubgoalAnswers(grids, model, seed=1)
        width, height = next(iter(grids.values())).shape[:2]
        said = {level: list_in(answers([], Purpose(level, 0)), width, height) for level in grids}
        assert answers([], Purpose(min(grids), 0)) == SubgoalAnswers(grids, model, 1)([], Purpose(min(grids), 0))
        found = quality(said, grids)
        assert found["subgoals"] == 600 and not found["other_length"], name
        assert found["right"] == pytest.approx(model.accuracy, abs=3 * (0.5 / np.sqrt(600)))
        assert found["error_mean"] == pytest.approx(model.mean, abs=0.3)
        assert found["error_std"] == pytest.approx(model.std, abs=0.5)
    grid = next(iter(grids.values()))
    right = exact_list(grid)[0]
    cells = {moved_cell(grid, right, 0.0, lambda below, at=at: at % below) for at in range(8)}
    assert right not in cells and all(abs(cell - right) in (1, height) for cell in cells)


def test_prompts_and_what_is_read_of_answers() -> None:
    config = composition.compose(DOORKEY).config
    _, grids = grids_of(config, levels_of(config, [0])[:1])
    (grid,) = grids.values()
    key, door, goal = (divmod(cell, 6) for cell in exact_list(grid))
    asked = first_messages("open the door", grid)[1]["content"]
    lines = asked.split("\n")
    rows = lines[lines.index("######") :][:6]
    assert [rows[y][x] for x, y in (key, door, goal)] == ["K", "D", "G"] and "The task: open the door" in asked
    assert f"door (locked) at [{door[0]}, {door[1]}]" in asked and f"key at [{key[0]}, {key[1]}]" in asked
    said = "First [[9, 9]] came to mind.\n```json\n[[1, 2],\n [3, 4]]\n```"
    assert list_in(said, 6, 6) == [(1, 2), (3, 4)]
    for answer, reason in (
        ("no idea: [1, 2]", "no list"),
        ("[[1, 6]]", r"\[1, 6\] is no cell .* of 6 x 6"),
        ("[[1, 2.5]]", "is no cell"),
        ("[[one, 2]]", "no list of whole numbers"),
        (str([[1, 1]] * 65), "1 to 64 cells"),
    ):
        with pytest.raises(ValueError, match=reason):
            list_in(answer, 6, 6)


def test_what_cannot_be_used_is_sent_back_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = composition.compose(DOORKEY).config
    spec, grids = grids_of(config, levels_of(config, [0])[:2])
    first, other = grids
    asked: list[list[str]] = []

    def write(messages: Sequence[Message], purpose: Purpose) -> str:
        asked.append([message["content"] for message in messages])
        return "[[1, 1], [2, 2]]" if purpose == Purpose(first, 1) else "[[1, 9]]"

    assert write_lists(tmp_path, Scripted(write), "a task", spec, grids) == 0
    lists = json.loads((tmp_path / "subgoals.json").read_text())
    (agent,) = np.argwhere(grids[other][..., 0] == 10).tolist()
    assert lists == {str(first): [[1, 1], [2, 2]], str(other): [agent]}
    told = json.loads((tmp_path / "final.json").read_text())
    assert told["calls"] == len(asked) == 5 and told["unusable"] == [other] and told["other_length"] == 2
    assert "1 of them without a usable answer" in capsys.readouterr().out
    said = "That can't be used: [1, 9] is no cell [COLUMN, ROW] of 6 x 6. Answer with the list again."
    assert asked[1][2:] == ["[[1, 9]]", said]
    kept = (tmp_path / "subgoals.json").read_bytes()
    (tmp_path / "subgoals.json").unlink()
    assert write_lists(tmp_path, Scripted(lambda *_: 1 / 0), "a task", spec, grids) == 0
    assert (tmp_path / "subgoals.json").read_bytes() == kept


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["env=doorkey_6x6"], "set env.levels=K"),
        (["env=gym", "env.id=CartPole-v1", "env.levels=2"], "use a MiniGrid task"),
        (["env=empty_5x5", "env.levels=2"], "no exact lists are known for MiniGrid-Empty"),
        ([*DOORKEY, "--llm", "scripted:lama"], "did you mean scripted:llama?"),
        ([*DOORKEY, "--llm", "openai"], "name the model"),
        ([*DOORKEY, "--writer", "text2reward"], "asks once for each level"),
        ([*DOORKEY, "--frames", "100"], "leave out --frames"),
        ([*DOORKEY, "reward=rnd"], "rewardlab write sets reward itself"),
    ],
)
def test_what_does_not_fit_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["write", *words, "--kind", "subgoals"]) == 2
    line = capsys.readouterr().err
    assert said in line and len(line.splitlines()) == 1
