"""Scores of levels: worked by hand, and against loops over episodes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.maths.level_scores import (
    SCORES,
    TEACHER_REWARDS,
    attempted,
    level_scores,
    oracle_regret,
    teacher_reward,
)
from rewardlab.types import Attempted

ONE = (np.array([[0.49762], [0.10645], [-0.2]]), np.array([[0.2], [0.6], [0.9]]))
REWARDS, ENDED = np.array([[0.0], [0.0], [0.7]]), np.array([[False], [False], [True]])


@pytest.mark.parametrize(
    ("kind", "highest", "score"),
    [("pvl", 0.7, 0.20136), ("l1", 0.7, 0.26802), ("max_mc", 0.7, 0.13333), ("max_mc", 0.9, 0.33333)],
)
def test_of_one_episode(kind: str, highest: float, score: float) -> None:
    tried = attempted(REWARDS, ENDED, ENDED)
    for over in ("mean", "last"):
        found = level_scores(kind, *ONE, ENDED, np.array([highest]), tried, over)
        assert found == pytest.approx([score], abs=1e-5)


@given(st.integers(0, 10**6), st.sampled_from(SCORES), st.sampled_from(("mean", "last")))
def test_they_are_those_of_a_loop_over_whole_episodes(seed: int, kind: str, over: str) -> None:
    rng = np.random.default_rng(seed)
    rewards, values, advantages = rng.normal(size=(3, 12, 4))
    ended, success, highest = rng.random((12, 4)) < 0.3, rng.random((12, 4)) < 0.5, rng.normal(size=4)
    tried = attempted(rewards, ended, success)
    found = level_scores(kind, advantages, values, ended, highest, tried, over)
    for n in range(4):
        ends = np.flatnonzero(ended[:, n])
        starts = np.concatenate([[0], ends[:-1] + 1])
        spans = [slice(a, b + 1) for a, b in zip(starts, ends, strict=True)] if len(ends) else []
        returns = [rewards[span, n].sum() for span in spans]
        solved = [success[end, n] for end in ends]
        assert tried.count[n] == len(spans)
        if not spans:
            assert np.isnan(found[n]) and np.isnan(tried.mean[n])
            continue
        assert (tried.mean[n], tried.best[n]) == pytest.approx((np.mean(returns), np.max(returns)))
        if kind == "learnability":
            share = np.mean(solved)
            expected = share * (1 - share) if len(spans) > 1 else np.nan
        else:
            of = {"pvl": np.maximum(advantages, 0), "l1": np.abs(advantages), "max_mc": highest - values}[kind]
            each = [of[span, n].mean() for span in spans]
            expected = each[-1] if over == "last" else np.mean(each)
        assert found[n] == pytest.approx(expected, nan_ok=True)


def _tried(*returns: float) -> Attempted:
    whole = np.array(returns)
    return Attempted(np.array([len(whole)]), whole.mean(keepdims=True), whole.max(keepdims=True), np.zeros(1))


def test_teachers_are_paid_as_published() -> None:
    protagonist, antagonist = _tried(0.2, 0.4, 0.0), _tried(0.9, 0.5)
    for kind in ("paired", "paired_signed"):
        assert teacher_reward(kind, protagonist, antagonist) == pytest.approx([0.7])
    protagonist, antagonist = _tried(0.8, 0.6), _tried(0.1)
    assert teacher_reward("paired", protagonist, antagonist) == pytest.approx([0.0])
    assert teacher_reward("flexible_paired", protagonist, antagonist) == pytest.approx([0.7])
    assert teacher_reward("paired_signed", protagonist, antagonist) == pytest.approx([-0.6])
    assert teacher_reward("minimax", protagonist) == pytest.approx([-0.8])
    assert teacher_reward("minimax_mean", protagonist) == pytest.approx([-0.7])
    nothing = Attempted(np.array([0]), *(np.full(1, np.nan),) * 3)
    for kind in TEACHER_REWARDS:
        assert teacher_reward(kind, nothing, nothing) == pytest.approx([0.0])


def test_regret_is_of_the_optimum() -> None:
    steps, mean = np.array([113, 9, -1, 451]), np.array([0.0, 0.5, 0.0, 0.0])
    assert oracle_regret(steps, 450, mean) == pytest.approx([1 - 0.9 * 113 / 450, 1 - 0.9 * 9 / 450 - 0.5, 0.0, 0.0])
