"""What it took to find a reward that is code stands beside the frames of training, and marks its rows."""

import csv

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
