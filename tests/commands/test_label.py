"""`rewardlab label`: pairs of a real run, answered in the terminal and in the page, and what learns from them."""

import http.client
import io
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rewardlab.cli import main
from rewardlab.commands.label import Questions
from rewardlab.commands.label_page import page_server
from rewardlab.config.composition import compose
from rewardlab.datasets.comparisons import read_comparisons
from rewardlab.records import checkpoint
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning.on_policy import Learning

TINY = ["env=empty_5x5", "num_envs=4", "frames=256", "agent.rollout_steps=32", "eval.every=256", "eval.episodes=2"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prepared = compose([*TINY, f"results_dir={tmp_path_factory.mktemp('results')}"])
    assert run(prepared) == 0
    return prepared.folder


def label(finished: Path, out: Path, answers: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(answers) + "\n"))
    flags = ["--pairs", "5", "--segment", "6", "--episodes", "3", "--terminal", "--out", str(out)]
    return main(["label", str(finished), *flags])


@pytest.fixture(scope="module")
def once(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("labels") / "labels"
    with pytest.MonkeyPatch.context() as patch:
        assert label(finished, out, "1=2", patch) == 0
    return out


@pytest.fixture
def labelled(once: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(once, tmp_path / "labels"))


def test_answers_are_written_down_and_it_goes_on_where_it_was_left(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "labels"
    assert label(finished, out, "1xs=q", monkeypatch) == 0
    assert (out / "labels.csv").read_text() == "pair,answer,strength\n0,left,1\n2,same,1\n"
    assert "2 of 5 pairs" in capsys.readouterr().out
    before = (out / "segments.npz").read_bytes()
    assert label(finished, out, "222", monkeypatch) == 0
    assert (out / "segments.npz").read_bytes() == before
    rows = (out / "labels.csv").read_text().splitlines()
    assert rows[3:] == ["1,right,1", "3,right,1", "4,right,1"]
    assert label(finished, out, "", monkeypatch) == 0
    assert "all 5 pairs are answered" in capsys.readouterr().out


def test_pairs_are_pieces_of_play_and_gifs_show_every_step(labelled: Path) -> None:
    spec = build(compose(TINY).config).env.spec
    found = read_comparisons("reward.labels", str(labelled / "labels.csv"), spec)
    assert found.preferred.tolist() == [1.0, 0.5, 0.0] and found.segment == 6
    with np.load(labelled / "segments.npz") as raw:
        lengths, images, reached = raw["length"], raw["obs.image"], raw["next_obs.image"]
    for pair, length in enumerate(lengths):
        for side, index in (("left", 0), ("right", 1)):
            one, other = reached[pair, index, : length - 1], images[pair, index, 1:length]
            assert np.array_equal(one, other), "each step follows from the one before"
            with Image.open(labelled / f"pair-{pair:04}-{side}.gif") as gif:
                distinct = 1 + int(
                    (one[:, :, :, 0] != images[pair, index, : length - 1, :, :, 0]).any(axis=(1, 2)).sum()
                )
                assert min(distinct, 1) <= gif.n_frames <= length


def test_episodes_are_played_on_other_levels(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the run's evaluation, one after the other: here gymnasium's, whose levels begin in other states."""
    options = [
        "env=gym",
        "env.id=Pendulum-v1",
        "num_envs=4",
        "frames=256",
        "agent.rollout_steps=32",
        "agent.hidden=[8]",
    ]
    prepared = compose([*options, "eval.every=256", "eval.episodes=3", f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    out = tmp_path / "labels"
    flags = ["--pairs", "4", "--segment", "200", "--episodes", "3", "--terminal", "--out", str(out)]
    assert main(["label", str(prepared.folder), *flags]) == 0
    with np.load(out / "segments.npz") as raw:
        begun = np.unique(raw["obs.vector"][:, :, 0].reshape(-1, 3), axis=0)
        assert raw["action"].shape == (4, 2, 200, 1) and len(begun) == 3


def test_a_run_learns_from_them_and_goes_on_exactly(labelled: Path, tmp_path: Path, fault) -> None:
    options = [*TINY, "reward=preference", f"reward.labels={labelled / 'labels.csv'}", "reward.hidden=[8]"]
    whole, broken = (
        compose([*options, "reward.epochs=4", "checkpoint.every=64", f"results_dir={tmp_path / name}"])
        for name in ("whole", "broken")
    )
    assert run(whole) == 0
    with fault(Learning, "iterate", 2):
        assert run(broken) == 1
    assert run(broken) == 0
    states = [checkpoint.load(each.folder / "checkpoint.pt")[0]["scheme"] for each in (whole, broken)]
    assert states[0]["counts"]["answered"] == 3
    one, other = (state["learner"]["model"] for state in states)
    assert all(torch.equal(one[name], other[name]) for name in one)
    rows = (whole.folder / "train.csv").read_text()
    assert "explore/preference_answered" in rows.splitlines()[0]


def test_their_content_distinguishes_settings(labelled: Path, tmp_path: Path) -> None:
    def setting(folder: Path) -> str:
        return compose([*TINY, "reward=preference", f"reward.labels={folder / 'labels.csv'}"]).setting_id

    elsewhere = tmp_path / "elsewhere"
    labelled.rename(elsewhere)
    before = setting(elsewhere)
    with open(elsewhere / "labels.csv", "a") as file:
        file.write("4,left,2\n")
    assert setting(elsewhere) != before
    elsewhere.rename(labelled)
    assert setting(labelled) != before


def test_the_page_asks_and_takes_answers(labelled: Path) -> None:
    questions = Questions(labelled)
    server = page_server(questions, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(method: str, path: str, body: str = "", **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        return reply.status, reply.read()

    try:
        assert b"Which piece of play is better?" in ask("GET", "/")[1]
        assert json.loads(ask("GET", "/next")[1]) == {"pair": 3, "left": 2, "pairs": 5}
        assert ask("GET", "/gif/3/left")[1].startswith(b"GIF8")
        for path in ("/gif/3/middle", "/gif/99/left", "/gif/../labels.csv", "/labels.csv"):
            assert ask("GET", path)[0] == 404
        for body in ("{}", "[1]", "nonsense", '{"pair": 0, "answer": "left"}', '{"pair": 3, "answer": "up"}'):
            assert ask("POST", "/answer", body)[0] == 400
        assert ask("POST", "/answer", '{"pair": 3, "answer": "left"}', Origin="http://elsewhere.example")[0] == 403
        assert ask("GET", "/next", Host="elsewhere.example")[0] == 403
        for given, told in (
            ({"pair": 3, "answer": "skip"}, {"pair": 4, "left": 2, "pairs": 5}),
            ({"pair": 4, "answer": "right"}, {"pair": 3, "left": 1, "pairs": 5}),
            ({"pair": 3, "answer": "same"}, {"pair": None, "left": 0, "pairs": 5}),
        ):
            assert json.loads(ask("POST", "/answer", json.dumps(given))[1]) == told
    finally:
        server.shutdown()
        server.server_close()
    assert (labelled / "labels.csv").read_text().endswith("4,right,1\n3,same,1\n")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("9,left,1", "line 5: pair=9: must be from 0 to 4"),
        ("1,up,1", "line 5: answer=up"),
        ("1,left,-2", "line 5: strength=-2"),
        ("1", "line 5: answer=None"),
    ],
)
def test_rows_that_are_none_are_named(labelled: Path, row: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with open(labelled / "labels.csv", "a") as file:
        file.write(row + "\n")
    assert main(["run", *TINY, "reward=preference", f"reward.labels={labelled / 'labels.csv'}"]) == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert said in told


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("reward.labels=nowhere.csv", "nowhere.csv: no such file; rewardlab label RUN makes one"),
        ("reward.labels=HERE reward.comparator=success", "labels=FILE"),
        ("reward.labels=HERE reward.terms=['distance'] reward.features=both", "labels=FILE"),
        ("reward.labels=HERE env.view_size=5", "its obs.image is uint8 (7, 7, 3)"),
        ("reward.labels=EMPTY", "holds no answer yet"),
        ("reward.labels=ALONE", "no segments.npz beside it"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    labelled: Path, line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (labelled / "empty.csv").write_text("pair,answer\n")
    (tmp_path / "alone.csv").write_text("pair,answer\n0,left\n")
    for name, file in (
        ("HERE", labelled / "labels.csv"),
        ("EMPTY", labelled / "empty.csv"),
        ("ALONE", tmp_path / "alone.csv"),
    ):
        line = line.replace(name, str(file))
    assert main(["run", *TINY, "reward=preference", *line.split()]) == 2
    *_, told = capsys.readouterr().err.strip().splitlines()  # kernels may have been compiled before
    assert said in told


@pytest.mark.parametrize(
    ("flags", "said"), [(["--pairs", "0"], "--pairs 0"), (["--random", "2"], "--random 2"), (["--episodes", "1"], "2")]
)
def test_flags_out_of_range_are_refused(
    finished: Path, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", str(finished), *flags]) == 2
    assert said in capsys.readouterr().err
