"""Groups of attempts and their hints, followed by hand and beside a plain loop."""

import numpy as np
import pytest

from rewardlab.parts.archives.hint_groups import HintGroups, HintOptions
from rewardlab.types import Outcomes, Trail


def groups(lengths: tuple[int, ...], **options) -> HintGroups:
    trails = [Trail(i, np.zeros(n, dtype=np.int64), np.eye(n, dtype=np.float32)[-1]) for i, n in enumerate(lengths)]
    return HintGroups(HintOptions(**options), trails, np.random.default_rng(0))


def attempts(starts: HintGroups, count: int, reach: int, lengths: tuple[int, ...], at_once: int) -> list:
    """So many attempts, some at once, of a policy that can do `reach` steps of any trail: where each began."""
    begun: list[tuple[int, int]] = []
    while len(begun) < count:
        trail, step = starts.propose(at_once)
        left = np.array([lengths[i] if i >= 0 else 99 for i in trail.tolist()]) - step
        starts.feedback(Outcomes(trail, step, (left <= reach).astype(float)))
        begun += zip(trail.tolist(), step.tolist(), strict=True)
    return begun


@pytest.mark.parametrize("at_once", [1, 2, 4, 8])
def test_a_corridor_of_eight_steps_is_rescued_at_three_quarters(at_once: int) -> None:
    """A policy that can do three: 8, 6 and 4 are too many, the last 2 are not."""
    starts = groups((8,))
    assert attempts(starts, 64, 3, (8,), at_once) == 2 * [(0, step) for step in (0, 2, 4, 6) for _ in range(8)]
    assert starts.update(0.5) == {"hints/unhinted": 0.0, "hints/rescued": 1.0, "hints/given": 3 / 8}


@pytest.mark.parametrize(("reach", "last"), [(1, 6), (2, 6), (3, 6), (4, 4), (5, 4), (6, 2), (7, 2), (8, 0)])
def test_hints_end_where_they_help(reach: int, last: int) -> None:
    starts = groups((8,))
    begun = attempts(starts, 8 * (1 + last // 2) + 1, reach, (8,), 1)
    assert begun == [(0, step) for step in range(0, last + 1, 2) for _ in range(8)] + [(0, 0)]
    told = starts.update(0.0)
    assert told["hints/rescued"] == float(reach < 8 and reach >= 2) and told["hints/unhinted"] == float(reach >= 8)


def test_groups_that_succeed_unhinted_use_no_extra_frames() -> None:
    lengths = (3, 20, 2)
    starts = groups(lengths)
    begun = attempts(starts, 400, 3, lengths, 1)
    plain = [begun[i : i + 8] for i in range(0, 400, 8)]
    at = 0
    while at < len(plain):  # group after group, as the paper tells it
        (trail,) = {trail for trail, _ in plain[at]}
        stages = [0, 5, 10, 15] if trail == 1 else [0]
        for step in stages[: len(plain) - at]:
            assert plain[at] == [(trail, step)] * 8
            at += 1


def test_one_success_of_eight_is_enough() -> None:
    starts = groups((8,))
    for k in range(8):
        trail, step = starts.propose(1)
        starts.feedback(Outcomes(trail, step, np.array([0.5 * (k == 2)])))
    assert starts.propose(1)[1].tolist() == [0]
    assert starts.update(0.0)["hints/unhinted"] == 1.0


def test_attempts_under_way_are_waited_for_on_other_trails() -> None:
    """Nine environments, one trail: the ninth begins as the task has it. With two, on the other one."""
    alone, two = groups((8,)), groups((8, 8))
    assert alone.propose(9)[0].tolist() == [0] * 8 + [-1]
    begun = two.propose(9)[0].tolist()
    assert len(set(begun[:8])) == 1 and {begun[0], begun[8]} == {0, 1}
    alone.feedback(Outcomes(np.full(7, 0), np.zeros(7, dtype=np.int64), np.zeros(7)))
    assert alone.propose(1)[0].tolist() == [-1]  # the eighth may still succeed
    alone.feedback(Outcomes(np.array([0, -1]), np.zeros(2, dtype=np.int64), np.zeros(2)))
    assert [entry.tolist() for entry in alone.propose(1)] == [[0], [2]]


def test_a_hint_that_is_no_longer_than_the_one_before_is_passed_over() -> None:
    starts = groups((2,))  # 25 % are no step, 50 and 75 % are one
    assert attempts(starts, 24, 0, (2,), 1) == [(0, 0)] * 8 + [(0, 1)] * 8 + [(0, 0)] * 8
    assert starts.update(0.0)["hints/rescued"] == 0.0


def test_an_ordinary_share() -> None:
    starts = groups((50,) * 200, ordinary=0.25)
    share = float((starts.propose(1000)[0] == -1).mean())
    assert abs(share - 0.25) < 3 * np.sqrt(0.25 * 0.75 / 1000)
