"""What a report shows where nothing is ever paid: how far policies got."""

import csv

import numpy as np
import pytest
from run_folders import make, write_run

from rewardlab import load

UNKNOWN = {"random_return": 0.0, "optimal_return": None, "optimum_kind": "unavailable", "success": None}
FRAMES = list(range(0, 20_001, 1000))  # 21 evaluations: the last two are late


def unpaid(folder, reward, seed, rooms, env="darkrooms", returns=None, **options):
    """A run whose rooms grow linearly to a number."""
    share = np.linspace(0, 1, len(FRAMES))
    told = {"cells_mean": (5 + 10 * share).tolist(), "rooms_visited_mean": (rooms * share).tolist()}
    write_run(folder, env=env, reward=reward, seed=seed, frames=FRAMES, returns=returns or [0.0] * len(FRAMES),
              success=False, evaluated=told, task=UNKNOWN, **options)  # fmt: skip


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "results"
    for seed, rooms in enumerate([2.0, 3.0, 4.0]):
        unpaid(folder, "rnd", seed, rooms)
        unpaid(folder, "none", seed, 1.0)
    return folder


def test_late_coverage_is_a_table_of_its_own_and_nobody_is_ahead_by_returns_of_zero(study, tmp_path):
    table = load(study).tables["coverage"].set_index("reward")
    assert list(table.index) == ["rnd", "none"]  # more rooms first
    rnd = table.loc["rnd"]
    late = (1 + 0.95) / 2  # the mean of the last two evaluations of a line to 1
    assert rnd["rooms_visited_iqm"] == pytest.approx(3 * late)
    assert (rnd["rooms_visited_iqm_low"], rnd["rooms_visited_iqm_high"]) == pytest.approx((2 * late, 4 * late))
    assert rnd["cells_visited_iqm"] == pytest.approx(5 + 10 * late)
    assert np.isnan(rnd["rooms_silenced_iqm"])  # not told
    out = tmp_path / "report"
    told = make(study, out=out).text
    assert told.startswith("Nothing was paid on darkrooms (nothing paid).")
    assert "rooms visited" in told and "rooms silenced" not in told
    assert "<h2>Coverage</h2>" in (out / "report.html").read_text()
    with (out / "evaluations.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["reward"] == "rnd" and row["seed"] == "1"]
    assert [float(row["rooms_visited_mean"]) for row in rows] == pytest.approx(3 * np.linspace(0, 1, len(FRAMES)))
    assert "rooms_silenced_mean" not in rows[0]
    assert (out / "figures" / "coverage_darkrooms.png").exists()


@pytest.mark.parametrize(
    "paid", [{"returns": [0.0] * 20 + [0.1]}, {"env": "doorkey", "task": UNKNOWN | {"optimal_return": 1.0}}]
)
def test_what_pays_or_has_a_known_optimum_has_no_such_table(tmp_path, paid):
    folder = tmp_path / "results"
    task = paid.pop("task", UNKNOWN)
    share = np.linspace(0, 1, len(FRAMES)).tolist()
    options = {"env": "darkrooms", "returns": [0.0] * len(FRAMES)} | paid
    write_run(folder, frames=FRAMES, success=False, evaluated={"cells_mean": share}, task=task, **options)
    assert "coverage" not in load(folder).tables
