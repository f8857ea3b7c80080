"""Tasks drawn by p (1 - p), followed by hand."""

from collections import Counter

import numpy as np
import pytest

from rewardlab.parts.archives.learnable_tasks import LearnableTasks


def archive(capacity: int, replay: float = 1.0, seed: int = 0) -> LearnableTasks:
    return LearnableTasks(capacity, replay, np.random.default_rng(seed))


def tried(one: LearnableTasks, *outcomes: tuple[bool, ...]) -> None:
    """New tasks, each asked for twice and told all of its outcomes."""
    for told in outcomes:
        task = one.draw()[1]
        assert one.draw()[1] == task, "a new task is tried twice"
        for solved in told:
            one.tell(task, solved)


def test_p_is_known_from_two_tries_on_and_weighs_the_latest_more() -> None:
    one = archive(4, replay=0.0)
    tried(one, (True,), (True, False), (False, True, True), (True, True))
    p = (0.9 * 1 + 1) / (0.9 * 0.9 + 0.9 + 1)
    known = 0.9 / 1.9
    assert one.learnability.tolist() == pytest.approx([0.0, known * (1 - known), p * (1 - p), 0.0])


def test_tasks_come_back_as_often_as_they_are_learnable() -> None:
    before, one = archive(3, replay=0.0), archive(3, replay=1.0)
    tried(before, (True, True), (True, False), (False, True, True))
    one.load_state_dict(before.state_dict())
    weights = one.learnability
    drawn = Counter(one.draw()[1] for _ in range(6000))
    assert drawn[0] == 0 and len(drawn) == 2
    assert drawn[1] / 6000 == pytest.approx(weights[1] / weights.sum(), abs=0.02)


def test_where_there_is_no_room_the_least_learnable_goes() -> None:
    one = archive(3, replay=0.0)
    tried(one, (True, False), (True, True), (False, False))
    at, task = one.draw()  # 1 and 2 are worth nothing; 1 is the older
    assert (at, task) == (1, 3) and one.tasks.tolist() == [0, 3, 2]
    one.tell(1, True)  # of a task that has gone
    assert one.learnability[1] == 0.0 and one.draw() == (1, 3)
    assert one.draw() == (2, 4), "3 was asked for twice and not told, and may not go"
    assert one.draw() == (2, 4) and one.draw() == (0, 5)


def test_nothing_goes_that_is_still_to_be_told() -> None:
    one = archive(2, replay=0.0)
    tried(one, (), ())
    assert {one.draw()[1] for _ in range(50)} == {0, 1}


def test_without_anything_learnable_tasks_are_new() -> None:
    one = archive(2, replay=1.0)
    tried(one, (True, True))
    assert one.draw() == (1, 1)
