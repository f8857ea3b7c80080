"""What training counts of achievements, from the environment to the report."""

import csv

import numpy as np
import pytest

pytest.importorskip("crafter", reason="needs the extra crafter")


def test_training_counts_achievements_and_the_score_reaches_the_report(rewardlab, tmp_path):
    line = ["env=crafter", "reward=none", "agent=random", "num_envs=4", "frames=4_000", "eval.episodes=4"]
    assert rewardlab("run", *line, f"results_dir={tmp_path}").code == 0
    (folder,) = (path.parent for path in tmp_path.rglob("train.csv"))
    last = list(csv.DictReader((folder / "train.csv").open()))[-1]
    shares = np.array([float(value) for name, value in last.items() if name.startswith("unlocked_")])
    assert shares.shape == (22,) and 0.5 < float(last["unlocked_wake_up"]) <= 1
    episodes = int(last["episodes"])
    np.testing.assert_allclose(shares * episodes, np.rint(shares * episodes), atol=1e-9)
    assert float(last["score"]) == pytest.approx(np.exp(np.mean(np.log(1 + 100 * shares))) - 1)
    evaluated = list(csv.DictReader((folder / "eval.csv").open()))[-1]
    assert float(evaluated["unlocked_wake_up_mean"]) in (0, 0.25, 0.5, 0.75, 1) and evaluated["success_rate"] == ""
    assert rewardlab("report", str(tmp_path)).code == 0
    for table, column in (("runs", "score"), ("sample_efficiency", "score_iqm")):
        (row,) = csv.DictReader((tmp_path / "report" / f"{table}.csv").open())
        assert float(row[column]) == float(last["score"])
