"""Runs from anywhere are data: whatever is wrong with them is named, and nothing stops the report."""

import json
import os
import random
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from run_folders import gif, make, write_run

from rewardlab.report.reading.collection import find_runs, read_found
from rewardlab.report.reading.plain import Unreadable, read_table


def damaged_study(tmp_path):
    for seed in range(2):
        write_run(tmp_path, seed=seed)
    return tmp_path / "runs/doorkey_5x5/rnd/ppo"


def problems(tmp_path):
    return read_found(find_runs([("", tmp_path)])).problems


@pytest.mark.parametrize("name", ["manifest.json", "status.json", "eval.csv"])
def test_every_truncation_is_named_or_harmless(tmp_path, name):
    run = write_run(tmp_path)
    content = (run / name).read_bytes()
    for length in range(len(content)):
        (run / name).write_bytes(content[:length])
        (problem,) = problems(tmp_path)
        assert name in problem.reason, (length, problem.reason)


@pytest.mark.parametrize("name", ["manifest.json", "status.json", "eval.csv"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\x89PNG\r\n\x1a\n\x00\x00\xff",
        b"[1, 2]\n",
        b"null\n",
        b"NaN\n",
        b'{"schema_version": 1}\n',
        b"[" * 200_000 + b"\n",
        b'{"schema_version": 99}\n',
        b"frames,return_mean\n0,nan\n30000,nan\n",
        b"frames,return_mean\n0,0.1\n0,0.2\n30000,1\n",
        b"frames,return_mean\n0,hello\n",
        b"frames,return_mean\n0\n",
        b"frames,return_mean\n0,0.1\n20000,0.9\n",  # cut off between two lines
        b"frames,return_mean\nnan,0.1\n30000,0.9\n",
        b'"' + b"x" * 300_000 + b'"\n',
    ],
)
def test_strange_contents_are_named(tmp_path, name, content):
    run = write_run(tmp_path)
    (run / name).write_bytes(content)
    (problem,) = problems(tmp_path)
    assert problem.reason


@pytest.mark.parametrize(
    "keys",
    [
        {"seed": "0"},
        {"seed": True},
        {"seed": 10**30},
        {"frames": 0},
        {"frames": float("nan")},
        {"labels": None},
        {"labels": {"env": ["x"], "reward": "rnd", "agent": "ppo"}},
        {"setting_id": 5},
        {"assumes": "privileged"},
        {"task": {"optimal_return": float("inf")}},
        {"task": {"optimal_return": "one"}},
        {"task": {"optimal_return": 10**400}},
    ],
)
def test_wrong_types_are_named(tmp_path, keys):
    manifest = write_run(tmp_path) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | keys))
    (problem,) = problems(tmp_path)
    assert problem.reason


def test_random_damage_is_never_fatal(tmp_path, monkeypatch):
    monkeypatch.setattr("rewardlab.report.writing.draw_figures", lambda *_: [])
    dice = random.Random(3)
    for round_ in range(25):
        folder = tmp_path / str(round_)
        where = damaged_study(folder)
        for path in where.rglob("*.*"):
            if path.is_file() and dice.random() < 0.4:
                content = bytearray(path.read_bytes())
                for _ in range(dice.randint(1, 20)):
                    content[dice.randrange(len(content))] = dice.randrange(256)
                path.write_bytes(content[: dice.randrange(len(content) + 1)] if dice.random() < 0.3 else content)
        make(folder)


def test_a_damaged_training_table_or_picture_costs_the_run_nothing_else(tmp_path):
    training = {"frames": [1, 2, 3], "reward/intrinsic_mean": [0.3, 0.2, 0.1]}
    run = write_run(tmp_path, training=training, picture=gif())
    for name in ("train.csv", "play.gif"):
        content = (run / name).read_bytes()
        for damaged in (*(content[:length] for length in range(0, len(content), 7)), b"\x00" * 50, b"frames\n2\n1\n"):
            (run / name).write_bytes(damaged)
            collection = read_found(find_runs([("", tmp_path)]))
            assert not collection.problems
            (read,) = collection.runs
            assert read.evaluations.frames.size == 4
            assert all(name in blemish for blemish in read.blemishes)
        assert read.blemishes
        (run / name).write_bytes(content)


def test_special_files_are_not_opened(tmp_path):
    run = write_run(tmp_path)
    (run / "status.json").unlink()
    os.mkfifo(run / "status.json")
    assert "not a regular file" in problems(tmp_path)[0].reason
    (run / "status.json").unlink()
    (run / "status.json").mkdir()
    assert "status.json" in problems(tmp_path)[0].reason


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    outside = write_run(tmp_path / "outside")
    results = tmp_path / "results"
    write_run(results, seed=1)
    (results / "link").symlink_to(outside, target_is_directory=True)
    run = write_run(results, seed=2)
    (run / "eval.csv").unlink()
    (run / "eval.csv").symlink_to(outside / "eval.csv")
    collection = read_found(find_runs([("", results)]))
    assert [run.seed for run in collection.runs] == [1]
    assert ["link out of" in problem.reason for problem in collection.problems] == [True]


@pytest.mark.parametrize(
    ("lead", "refused"),
    [("runs/other", False), ("../outside", True), ("../results/runs/other", False), ("nowhere", True)],
)
@pytest.mark.parametrize("file", [True, False])
def test_a_link_may_lead_to_another_place_in_the_folder(tmp_path, lead, refused, file):
    results = tmp_path / "results"
    for folder in (results / "runs/other", tmp_path / "outside"):
        folder.mkdir(parents=True)
        (folder / "eval.csv").write_text("frames\n1\n")
    (results / "runs/one").mkdir()
    target = results / lead
    (results / "runs/link").symlink_to(target, target_is_directory=True)
    (results / "runs/one/eval.csv").symlink_to(target / "eval.csv")
    (tmp_path / "by_a_link").symlink_to(results)
    for root in (results, tmp_path / "by_a_link"):
        path = root / ("runs/one/eval.csv" if file else "runs/link/eval.csv")
        if refused:
            with pytest.raises(Unreadable, match=r"link out of the results folder|^no eval\.csv"):
                read_table(path, root, lambda name: False, ("frames",), whole=True)
        else:
            assert read_table(path, root, lambda name: False, ("frames",), whole=True)["frames"].tolist() == [1]
    with pytest.raises(Unreadable, match="link out of"):
        read_table(results / "../outside/eval.csv", results, lambda name: False, ("frames",), whole=True)


def test_a_copy_counts_once(tmp_path):
    run = write_run(tmp_path)
    shutil.copytree(run, tmp_path / "zz_copy")
    assert len(read_found(find_runs([("", tmp_path)])).runs) == 1
    assert "same setting and seed" in problems(tmp_path)[0].reason


def test_a_running_table_may_end_in_the_middle_of_a_line(tmp_path):
    run = write_run(tmp_path, state="running", status={"frames": 10_000})
    with (run / "eval.csv").open("a") as file:
        file.write("40000,1.0,2")
    collection = read_found(find_runs([("", tmp_path)]))
    assert not collection.problems
    assert collection.runs[0].evaluations.frames.tolist() == [0, 10_000, 20_000, 30_000]


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs), attrs


def test_hostile_names_are_shown_and_not_obeyed(hostile_result):
    result = hostile_result
    page = (result.out / "report.html").read_text()
    tags = _Tags()
    tags.feed(page)
    assert tags.names.count("script") == 3
    assert "b" not in tags.names
    assert "<script>alert" not in page
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["envs"]
    for path in result.files:
        assert re.fullmatch(r"[A-Za-z0-9_.=-]+", path.name)
    latex = (result.out / "sample_efficiency.tex").read_text()
    assert "\\input{" not in latex
    assert r"\textbackslash{}input\{x\}" in latex
    lines = (result.out / "sample_efficiency.md").read_text().splitlines()
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")}) == 1


def test_the_page_loads_nothing(result):
    page = (result.out / "report.html").read_text()
    assert "default-src 'none'" in page
    assert "showSendToCloud: false" in page
    assert not re.search(r"<(?:link|img|iframe)\b|<script[^>]+src=", page.split('id="data"')[0])
    assert len(page) < 20_000_000


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("cell", "read"),
    [("0.25", 0.25), (" 7 ", 7.0), ("1_000", 1000.0), ("\uff11", 1.0), ('"0.5"', 0.5), ("inf", np.inf), ("", np.nan)]
    + [(text, None) for text in ("abc", "0x1", "1e", "\x1c1", "1\x00", "1 2", "True")],
)
def test_a_number_is_what_python_takes_for_one(tmp_path, cell, read, ends):
    """Tables are read by numpy where it agrees with `float`, and cell by cell where it might not."""
    table = tmp_path / "eval.csv"
    table.write_bytes(ends.join(["frames,return_mean,note", "0,0.1,a", f"5,{cell},b", "", "9,0.3,c", ""]).encode())
    if read is None:
        with pytest.raises(Unreadable, match=r"^eval.csv: column return_mean holds something that is not a number$"):
            read_table(table, tmp_path, lambda name: False, ("frames", "return_mean"), whole=True)
        return
    columns = read_table(table, tmp_path, lambda name: False, ("frames", "return_mean"), whole=True)
    assert list(columns) == ["frames", "return_mean"] and columns["frames"].tolist() == [0, 5, 9]
    np.testing.assert_array_equal(columns["return_mean"], [0.1, read, 0.3])


@pytest.mark.parametrize("row", ["5,1", "5,1,2,3", "5"])
def test_a_row_of_another_length_is_named(tmp_path, row):
    table = tmp_path / "eval.csv"
    table.write_text(f"frames,return_mean,note\n0,0.1,1\n\n{row}\n")
    with pytest.raises(Unreadable, match=rf"^eval.csv: line 3 has {len(row.split(','))} cells, the header 3$"):
        read_table(table, tmp_path, lambda name: False, ("frames",), whole=True)
