"""What a report makes of replicates: suffix failures, slopes, and files that cannot be used."""

import csv

import numpy as np
import pytest
from run_folders import make, write_run

from rewardlab.report.reading.regret import OF_REPLICATES, OF_STEPS, REPLICATES, WITHIN, read_regret
from rewardlab.report.tables.regret import failing, of_bound, slope


def test_suffix_failures_are_the_distribution_of_last_best_steps():
    last = np.random.default_rng(0).integers(0, 101, size=500).astype(float)
    steps = np.array([1.0, 10.0, 50.0, 100.0])
    curve = failing({"last_best": last}, steps)
    np.testing.assert_allclose(curve, [(last <= step).mean() for step in steps])
    assert (np.diff(curve) >= 0).all() and curve[-1] == 1


def test_slopes_tell_growth():
    step = np.unique(np.geomspace(1, 1000, 200).round())
    for power in (0.5, 1.0):
        assert slope({"step": step, "regret_mean": 3 * step**power}) == pytest.approx(power)
    assert np.isnan(slope({"step": step, "regret_mean": -step}))


def test_tables_that_cannot_be_used_cost_nothing_else(tmp_path):
    assert read_regret(tmp_path, tmp_path) == ({}, {}, ())
    (tmp_path / REPLICATES).write_text(",".join(OF_REPLICATES) + "\n100,1.5,90,.4,.9,.1\n")
    (tmp_path / WITHIN).write_text(",".join(OF_STEPS) + "\n1,.1,0\n2,.2,.5\n")
    replicates, within, problems = read_regret(tmp_path, tmp_path)
    assert replicates["last_best"].tolist() == [90] and within["step"].tolist() == [1, 2] and not problems
    for text in ("step,regret_mean,best_share\n2,1,0\n1,2,0\n", "step\n1\n", "step,regret_mean,best_share\n1,x,0\n"):
        (tmp_path / WITHIN).write_text(text)
        replicates, within, problems = read_regret(tmp_path, tmp_path)
        assert not replicates and not within and len(problems) == 1


def test_regrets_are_told_as_multiples_of_the_bound(tmp_path):
    header = ",".join((*OF_REPLICATES, "lower_bound"))
    (tmp_path / WITHIN).write_text(",".join(OF_STEPS) + "\n1,.1,0\n")
    for rows, expected in (("100,3,90,.4,.9,.1,1\n100,5,90,.4,.9,.1,3\n", 2.0), ("100,3,90,.4,.9,.1,\n", None)):
        (tmp_path / REPLICATES).write_text(f"{header}\n{rows}")
        replicates, _, problems = read_regret(tmp_path, tmp_path)
        assert not problems and replicates["regret"][0] == 3
        assert of_bound(replicates) == expected if expected else np.isnan(of_bound(replicates))


def test_frames_are_told_as_multiples_of_rmaxs(tmp_path):
    """Of the quickest of its settings, by medians over seeds."""
    results, out = tmp_path / "results", tmp_path / "out"
    for agent, returns, seeds in (
        ("ppo", (0, 0, 0, 0, 1, 1), 3),
        ("tabular", (0, 0, 1, 1, 1, 1), 1),
        ("dqn", (0,) * 6, 2),
    ):
        for seed in range(seeds):
            config = {"agent.plugin": agent, **({"agent.rule": "rmax"} if agent == "tabular" else {})}
            write_run(results, env="deepsea", reward="none", agent=agent, seed=seed, returns=returns, config=config)
    write_run(results, env="cliff", reward="none", agent="ppo", returns=(0, 1, 1))
    make(results, out=out)
    with (out / "sample_efficiency.csv").open() as file:
        told = {(row["env"], row["agent"]): row["frames_to_90_of_rmax"] for row in csv.DictReader(file)}
    assert told == {
        ("deepsea", "ppo"): "2.0",
        ("deepsea", "tabular"): "1.0",
        ("deepsea", "dqn"): "",
        ("cliff", "ppo"): "",
    }
