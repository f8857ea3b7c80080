"""Runs on one grid: no point is of fewer seeds, and no number of a setting depends on who else is in the folder."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_folders import make, write_run
from scipy import stats

from rewardlab import load

pytestmark = pytest.mark.usefixtures("without_figures")
BUDGET = 100_000


def areas(folder: Path) -> dict[str, float]:
    table = load(folder).tables["sample_efficiency"]
    return dict(zip(table["agent"], table["auc_iqm"], strict=True))


def curve_rows(folder: Path, **labels: str) -> list[dict[str, str]]:
    make(folder)
    with (folder / "report/curves.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if all(row[name] == value for name, value in labels.items())]


def learner(folder: Path, seed: int = 0, **options) -> None:
    """Rises to 0.8 within the first half; its last iteration ends before the budget."""
    frames = [0, 25_000, 50_000, 75_000, 99_328]
    write_run(folder, seed=seed, frames=frames, returns=[0.0, 0.4, 0.8, 0.8, 0.8], budget=BUDGET, **options)


def test_a_run_evaluated_late_changes_nobody_elses_area_and_was_random_before(tmp_path):
    learner(tmp_path / "alone")
    learner(tmp_path / "beside")
    late = {"agent": "go_explore", "frames": [60_000, 80_000, 100_000], "returns": [0.1, 0.9, 0.9], "budget": BUDGET}
    write_run(tmp_path / "beside", **late)
    found = areas(tmp_path / "beside")
    assert found["ppo"] == areas(tmp_path / "alone")["ppo"]
    assert found["ppo"] == pytest.approx((25e3 * 0.2 + 25e3 * 0.6 + 50e3 * 0.8) / BUDGET)
    assert found["go_explore"] == pytest.approx((0.05 + 20e3 * 0.5 + 20e3 * 0.9) / BUDGET)

    rows = curve_rows(tmp_path / "beside", agent="go_explore")
    assert int(rows[0]["frames"]) >= 60_000 and all(row["iqm"] for row in rows)
    shared = load(tmp_path / "beside").tables["aggregate_curves"]
    start = shared[(shared["agent"] == "go_explore") & (shared["budget_share"] < 0.59)]
    assert len(start) and (start["iqm"] == 0).all(), "no policy: as random play"


def test_rounded_ends_and_a_diverged_seed_leave_no_point_to_fewer_seeds(tmp_path):
    for seed in range(3):
        learner(tmp_path, seed)
    write_run(tmp_path, seed=3, state="diverged", frames=[0, 25_000], returns=[0.0, 0.2], budget=BUDGET)
    exact = list(range(0, BUDGET + 1, 20_000))
    write_run(tmp_path, agent="dqn", frames=exact, returns=[0.0] * 6, budget=BUDGET)
    rows = curve_rows(tmp_path, agent="ppo")
    assert {row["n_seeds"] for row in rows} == {"4"}
    assert int(rows[-1]["frames"]) == BUDGET
    assert float(rows[-1]["iqm"]) == pytest.approx(stats.trim_mean([0.8, 0.8, 0.8, 0.2], 0.25))


def test_series_of_training_are_of_all_seeds_too(tmp_path):
    from rewardlab.report.gather import compare, find, labelled
    from rewardlab.report.tables.curves import training_curves_of

    def bonus(frames: list[int], level: float) -> dict[str, list[float]]:
        return {"frames": frames, "reward/intrinsic_mean": [level] * len(frames)}

    learner(tmp_path, 0, training=bonus([1_000, 50_000, 99_328], 1.0))
    learner(tmp_path, 1, training=bonus([2_000, 50_000, 99_328], 1.0))
    write_run(tmp_path, seed=2, state="diverged", frames=[0], returns=[0.0], budget=BUDGET,
              training=bonus([1_000, 9_000], 4.0))  # fmt: skip
    _, comparison = compare(find(labelled([str(tmp_path)])), labelled([str(tmp_path)]), [])
    (curve,) = training_curves_of(comparison, "doorkey_5x5")
    band = curve.bands["bonus:intrinsic"]
    there = np.isfinite(band.middle)
    assert not there[curve.frames < 2_000].any() and there[curve.frames >= 2_000].all()
    np.testing.assert_allclose(band.middle[there], stats.trim_mean([1.0, 1.0, 4.0], 0.25))


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_whoever_is_beside_it_a_setting_of_the_same_budget_keeps_its_numbers(tmp_path_factory, data):
    def a_run(folder: Path, agent: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
        inside = st.lists(st.integers(1, BUDGET), min_size=1, max_size=6, unique=True)
        frames = np.unique([*data.draw(st.sampled_from([[0], []])), *data.draw(inside)])
        returns = np.array([data.draw(st.floats(0, 1)) for _ in frames])
        write_run(folder, agent=agent, seed=seed, frames=frames.tolist(), returns=returns.tolist(), budget=BUDGET)
        return frames, returns

    folder = tmp_path_factory.mktemp("runs")
    runs = [a_run(folder, "ppo", seed) for seed in range(3)]
    alone = areas(folder)["ppo"]
    for seed in range(2):
        a_run(folder, "dqn", seed)
    assert areas(folder)["ppo"] == alone
    # The mean over every single frame of the budget, read off run by run.
    every = np.arange(BUDGET + 1)
    curves = []
    for frames, returns in runs:
        values = np.interp(every, frames, returns)
        values[every < frames[0]] = 0.0
        curves.append(np.trapezoid(values) / BUDGET)
    assert alone == pytest.approx(stats.trim_mean(curves, 0.25), abs=1e-9)
    rows = curve_rows(folder, agent="ppo")
    assert {row["n_seeds"] for row in rows} <= {"3"} and all(row["iqm"] for row in rows)
