"""What it took to find a reward that is code stands beside the frames of training, and marks its rows."""

import csv

import pytest
from run_folders import make, write_run


def test_calls_tokens_and_frames_of_the_search_are_told(tmp_path):
    results, out = tmp_path / "results", tmp_path / "out"
    search = {"frames": 450_000, "calls": 6, "tokens": 12_345}
    for seed in range(2):
        write_run(results, reward="none", seed=seed)
        write_run(results, reward="written", seed=seed, writer="eureka, m", search=search, assumes=["llm"])
        # A judge that was asked while it trained: calls and tokens are sums so far, and a mix names its schemes.
        asked = {"annotate/calls": ["", 64, 100 + seed], "annotate/far.tokens": ["", 900, 1_500]}
        write_run(results, reward="oni", seed=seed, training={"frames": [0, 64, 128], **asked})
    told = make(results, out=out).text
    with (out / "sample_efficiency.csv").open() as file:
        rows = {row["reward"]: row for row in csv.DictReader(file)}
    names = ("search_frames", "model_calls", "model_tokens")
    assert [rows["written"][name] for name in names] == ["450000", "6", "12345"]
    assert [rows["oni"][name] for name in names] == ["", "101", "1500"]
    assert [rows["none"][name] for name in names] == [""] * 3
    assert "written †" in told and "written: llm" in (out / "sample_efficiency.md").read_text()
    with (out / "runs.csv").open() as file:
        runs = {(row["reward"], row["seed"]): row for row in csv.DictReader(file)}
    assert runs["written", "1"]["writer"] == "eureka, m" and float(runs["written", "1"]["model_calls"]) == 6


@pytest.mark.usefixtures("without_figures")
def test_candidates_of_a_loop_are_no_methods(tmp_path):
    results, out = tmp_path / "results", tmp_path / "out"
    loop = results / "writing" / "doorkey_5x5-eureka-scripted-01234567"
    (loop / "round0").mkdir(parents=True)
    write_run(results, reward="none")
    for which in range(3):
        write_run(loop, reward="written", writer="eureka, m", setting_id=f"{which}" * 64, seed=0, assumes=["llm"])
    search = {"frames": 30_000, "calls": 3, "tokens": 0}
    write_run(loop, reward="written", writer="eureka, m", search=search, setting_id="a" * 64, seed=1000)
    told = make(results, out=out)
    with (out / "runs.csv").open() as file:
        assert [(row["reward"], row["seed"]) for row in csv.DictReader(file)] == [("none", "0"), ("written", "1000")]
    assert any(line.startswith("3 runs are candidates of rewardlab write and left out") for line in told.warnings)
    assert f"one of those that writing/{loop.name} chose from" in (out / "report.html").read_text()
    make(loop, out=tmp_path / "of_loop")
    with (tmp_path / "of_loop" / "runs.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4
    only = tmp_path / "only"
    (only / "writing" / "loop" / "round0").mkdir(parents=True)
    write_run(only / "writing" / "loop", reward="written", writer="eureka, m")
    assert any(line.startswith("1 run is a candidate") for line in make(only, out=out).warnings)
    write_run(only / "writing" / "other", reward="written", writer="by me")  # only looks like a loop's
    assert "1 run" in make(only, out=out).text and (out / "runs.csv").read_text().count("by me") == 1
