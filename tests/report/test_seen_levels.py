"""The report says where evaluations play levels that training meets too, and whose scale is their own."""

import pytest
from run_folders import make, write_run

SCALE = {"random_return": 0.0, "optimal_return": 1.0, "optimum_kind": "exact", "success": "goal"}
START = "Evaluation levels that training meets too"


def told(folder) -> list[str]:
    return [line for line in make(folder).warnings if line.startswith(START)]


@pytest.mark.usefixtures("without_figures")
def test_environments_are_named_with_share_and_number_of_levels(tmp_path):
    for env, share, levels in (
        ("doorkey_5x5", 1.0, 48), ("empty_5x5", 1.0, 1), ("doorkey_8x8", 0.82, None), ("fetch", 0.02, None),
        ("multiroom_n7_s4", 0.0, None), ("gym", None, None),
    ):  # fmt: skip
        write_run(tmp_path, env=env, task=SCALE | {"seen_in_training": share, "distinct_levels": levels})
    (line,) = told(tmp_path)
    for name in ("doorkey_5x5 (all, and there are 48)", "empty_5x5 (all, there is only one)", "doorkey_8x8 (82 %)"):
        assert name in line
    assert not any(name in line for name in ("fetch", "multiroom", "gym"))


@pytest.mark.usefixtures("without_figures")
def test_old_manifests_say_nothing_of_it(tmp_path):
    write_run(tmp_path)
    write_run(tmp_path, seed=1, task=SCALE | {"seen_in_training": "much", "distinct_levels": [3]})
    assert told(tmp_path) == []


@pytest.mark.usefixtures("without_figures")
def test_runs_on_training_levels_have_their_own_scales(tmp_path):
    for seed, best in ((0, 0.9), (1, 0.8)):
        write_run(
            tmp_path,
            seed=seed,
            returns=(0, best),
            task=SCALE | {"optimal_return": best},
            config={"eval.levels": "train"},
        )
    warnings = make(tmp_path).warnings
    assert any("normalised by the optimum of the training levels" in line for line in warnings)
    assert not any("disagree" in line for line in warnings)
