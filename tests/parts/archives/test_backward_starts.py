"""Starting points that move backwards, followed by hand."""

import numpy as np
import pytest

from rewardlab.parts.archives.backward_starts import BackwardOptions, BackwardStarts
from rewardlab.types import Outcomes, Trail


def trails(*lengths: int) -> list[Trail]:
    return [Trail(i, np.zeros(n, dtype=np.int64), np.eye(n, dtype=np.float32)[-1]) for i, n in enumerate(lengths)]


def starts(lengths: tuple[int, ...], **options) -> BackwardStarts:
    return BackwardStarts(BackwardOptions(**options), trails(*lengths), np.random.default_rng(0))


def told(trail: int, step: int, paid: float) -> Outcomes:
    return Outcomes(np.array([trail]), np.array([step]), np.array([paid]))


def test_starts_lie_within_reach_of_the_end() -> None:
    one = starts((20, 3), stride=5, ordinary=0.25)
    trail, step = one.propose(4000)
    assert abs((trail == -1).mean() - 0.25) < 0.03 and not step[trail == -1].any()
    assert set(step[trail == 0]) == set(range(15, 20)) and set(step[trail == 1]) == {0, 1, 2}
    narrow = starts((20,), stride=5, window=2, ordinary=0)
    assert set(narrow.propose(500)[1]) == {15, 16}


def test_they_move_back_when_enough_of_the_latest_match() -> None:
    one = starts((20,), stride=5, trials=4, threshold=0.5, match=0.8)
    for paid in (0.79, 0.0, 0.8):
        one.feedback(told(0, 17, paid))
    assert one.reach.tolist() == [5]
    one.feedback(told(0, 15, 1.0))
    assert one.reach.tolist() == [10]
    for _ in range(10):  # nearer the end than the farthest stride, and ordinary ones: no say
        one.feedback(told(0, 15, 1.0))
        one.feedback(told(-1, 0, 1.0))
    assert one.reach.tolist() == [10]
    for _ in range(4):
        one.feedback(told(0, 12, 1.0))
    assert one.reach.tolist() == [15] and not one.finished
    for _ in range(4):
        one.feedback(told(0, 6, 1.0))
    assert one.reach.tolist() == [20] and one.finished


def test_each_demonstration_may_have_a_reach_of_its_own() -> None:
    one = starts((20, 10), stride=5, trials=1, threshold=1.0, frontier="each")
    one.feedback(told(1, 6, 1.0))
    assert one.reach.tolist() == [5, 10]
    trail, step = one.propose(2000)
    assert step[trail == 0].min() == 15 and step[trail == 1].min() == 0


def test_the_budget_may_move_them() -> None:
    one = starts((20,), advance="schedule", until=0.5, stride=2)
    for progress, reach in ((0.0, 2), (0.125, 5), (0.25, 10), (0.5, 20), (1.0, 20)):
        assert one.update(progress)["starts/reach"] == pytest.approx(reach / 20)
    one = starts((20,), advance="schedule", trials=1)
    one.feedback(told(0, 15, 1.0))
    assert one.reach.tolist() == [5]


def test_what_a_return_must_match_is_what_was_paid_from_there_on() -> None:
    paid = np.array([1.0, 0.0, 2.0], dtype=np.float32)
    one = BackwardStarts(BackwardOptions(trials=1, threshold=1.0, match=1.0, stride=2),
                         [Trail(0, np.zeros(3, dtype=np.int64), paid)], np.random.default_rng(0))  # fmt: skip
    one.feedback(told(0, 1, 1.9))
    assert one.reach.tolist() == [2]
    one.feedback(told(0, 1, 2.0))
    assert one.reach.tolist() == [3]


def test_when_they_are_through_more_episodes_are_ordinary() -> None:
    one = starts((4,), stride=4, ordinary=0.0, ordinary_after=1.0)
    assert one.finished and (one.propose(100)[0] == -1).all()


def test_without_trails_every_episode_is_ordinary() -> None:
    trail, step = starts(()).propose(5)
    assert trail.tolist() == [-1] * 5 and not step.any()
