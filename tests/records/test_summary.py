"""One run in numbers, against cases worked out by hand."""

import json

import numpy as np
import pytest

from rewardlab.records.summary import area_under_curve, first_reached, frames_to, normalise, summarise

KEYS = [
    "final_return",
    "final_success",
    "final_normalised",
    "late_return",
    "late_success",
    "late_normalised",
    "late_evaluations",
    "frames_to_50",
    "frames_to_90",
    "auc",
    "fps_mean",
    "wall_seconds",
    "cpu_seconds",
]


def test_normalise_puts_random_at_zero_and_optimal_at_one():
    np.testing.assert_allclose(normalise([-1.0, 3.0, 1.0], -1.0, 3.0), [0.0, 1.0, 0.5])


@pytest.mark.parametrize("anchors", [(1.0, 1.0), (0.0, float("nan")), (0.0, float("inf"))])
def test_normalise_refuses_anchors_without_a_scale(anchors):
    with pytest.raises(ValueError, match="cannot normalise"):
        normalise([0.5], *anchors)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.95, 0.2, 0.92, 0.93], 30),  # the lone 0.95 does not count
        ([0.9, 0.9], 0),
        ([0.1, 0.2, 0.95], None),  # one alone at the very end
        ([float("nan"), 0.95, float("nan"), 0.95], None),
        ([0.95], None),
        ([], None),
    ],
)
def test_frames_to_wants_two_in_a_row(values, expected):
    assert frames_to(np.arange(len(values)) * 10, values, 0.9) == expected


def test_first_reached_is_an_index():
    assert first_reached([0, 1, 1], 1.0) == 1


def test_area_is_the_mean_height_whatever_the_spacing():
    assert area_under_curve([0, 10, 20], [0.0, 1.0, 1.0]) == pytest.approx(0.75)
    assert area_under_curve([100, 110, 140], [2.0, 2.0, 2.0]) == pytest.approx(2.0)
    assert area_under_curve([5], [0.3]) == 0.3
    with pytest.raises(ValueError, match="no evaluation"):
        area_under_curve([], [])


def test_summarise_has_exactly_the_keys_of_summary_json():
    summary = summarise([0, 10, 20, 30], [1.0, 2.0, 2.9, 3.0], [0.0, 0.5, 1.0, 1.0], 1.0, 3.0, 1000.0, 3.0, 5.0)
    assert list(summary) == KEYS
    assert summary == {
        "final_return": 3.0,
        "final_success": 1.0,
        "final_normalised": 1.0,
        "late_return": 3.0,
        "late_success": 1.0,
        "late_normalised": 1.0,
        "late_evaluations": 1,
        "frames_to_50": 10,
        "frames_to_90": 20,
        "auc": pytest.approx((0.25 + 0.725 + 0.975) / 3),
        "fps_mean": 1000.0,
        "wall_seconds": 3.0,
        "cpu_seconds": 5.0,
    }
    json.dumps(summary, allow_nan=False)


def test_summarise_leaves_open_what_cannot_be_had():
    summary = summarise([0, 10], [1.0, 2.0], None, 0.0, None, None, float("nan"), 1.0)
    known = {"final_return": 2.0, "late_return": 2.0, "late_evaluations": 1, "cpu_seconds": 1.0}
    assert {key: value for key, value in summary.items() if value is not None} == known
    empty = summarise([], [], [], 0.0, 1.0, None, None, None)
    assert list(empty) == KEYS
    assert {key: value for key, value in empty.items() if value is not None} == {"late_evaluations": 0}


def test_late_is_the_mean_of_the_last_tenth_of_the_evaluations():
    returns = np.arange(51.0)
    summary = summarise(np.arange(51), returns, returns / 50, 0.0, 50.0, None, None, None)
    assert (summary["final_return"], summary["late_return"], summary["late_evaluations"]) == (50.0, 48.0, 5)
    assert (summary["late_success"], summary["late_normalised"]) == (pytest.approx(0.96), pytest.approx(0.96))


def test_the_area_is_over_the_budget_and_without_a_policy_a_run_is_random():
    """Evaluated at frames 40 and 80 of 100: nothing up to 40, from 0.5 to 1.0 between them, 1.0 to the end."""
    summary = summarise([40, 80], [0.5, 1.0], None, 0.0, 1.0, None, None, None, 100)
    rise = (0.0 + 0.5) / 2  # from frame 39 to 40
    assert summary["auc"] == pytest.approx((rise + 40 * 0.75 + 20 * 1.0) / 100)
    ongoing = summarise([40, 80], [0.5, 1.0], None, 0.0, 1.0, None, None, None)
    assert ongoing["auc"] == pytest.approx((rise + 40 * 0.75) / 80)
