"""One run in numbers, against cases worked out by hand."""

import json

import numpy as np
import pytest

from rewardlab.records.summary import area_under_curve, first_reached, frames_to, normalise, summarise

KEYS = [
    "final_return",
    "final_success",
    "final_normalised",
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
    assert summary["final_return"] == 2.0
    others = {key: value for key, value in summary.items() if key not in ("final_return", "cpu_seconds")}
    assert set(others.values()) == {None}
    empty = summarise([], [], [], 0.0, 1.0, None, None, None)
    assert list(empty) == KEYS
    assert set(empty.values()) == {None}
