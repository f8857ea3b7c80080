"""The latest whole episodes and the best ones, against lists."""

import numpy as np
import pytest
import torch

from rewardlab.parts.buffers.best_episodes import BestEpisodes
from rewardlab.parts.buffers.whole_episodes import WholeEpisodes
from rewardlab.types import Episode, Transitions


def episode(number: int, length: int) -> Episode:
    """Its observations are 100 number + t, its actions t, its rewards number."""
    time = torch.arange(length)
    shown = (100 * number + time).unsqueeze(-1)
    return Episode({"x": shown}, time, torch.full((length,), float(number)), True, False, False, {"x": shown + 1})


def filled() -> WholeEpisodes:
    memory = WholeEpisodes(20)
    for number, length in enumerate(
        [3, 7, 30, 2, 5, 6, 4]
    ):  # of these the longest never fits, and the first is dropped
        memory.add([episode(number, length)])
    return memory


@pytest.mark.parametrize("at_once", [1, 2, 4, 7])
def test_the_oldest_are_dropped_whole(at_once):
    memory, every = WholeEpisodes(20), [episode(n, length) for n, length in enumerate([3, 7, 30, 2, 5, 6, 4])]
    for start in range(0, 7, at_once):
        memory.add(every[start : start + at_once])
    drawn = memory.whole(np.arange(4)).steps.obs["x"].flatten().tolist()
    assert drawn == [100 * n + t for n, length in ((3, 2), (4, 5), (5, 6), (6, 4)) for t in range(length)]
    assert memory.lengths.tolist() == [2, 5, 6, 4]
    assert memory.returns.tolist() == [6.0, 20.0, 30.0, 24.0]
    assert memory.seen == 7


def test_whole_episodes_come_step_by_step_across_the_rings_end():
    drawn = filled().whole(np.array([3, 1, 3]))
    assert drawn.counts.tolist() == drawn.lengths.tolist() == [4, 5, 4]
    assert drawn.returns.tolist() == [24.0, 20.0, 24.0]
    expected = [*range(600, 604), *range(400, 405), *range(600, 604)]
    assert drawn.steps.obs["x"].flatten().tolist() == expected
    assert drawn.steps.next_obs["x"].flatten().tolist() == [shown + 1 for shown in expected]
    assert drawn.steps.action.tolist() == [shown % 100 for shown in expected]


def test_some_steps_are_of_one_episode_each_and_drawn_once_where_there_are_enough():
    memory, rng, met = filled(), np.random.default_rng(0), np.zeros(7)
    for _ in range(150):
        drawn = memory.some_steps(2, 4, rng)
        rows = drawn.steps.obs["x"].view(2, 4)
        for row, length, total in zip(rows.tolist(), drawn.lengths.tolist(), drawn.returns.tolist(), strict=True):
            number = row[0] // 100
            assert {shown // 100 for shown in row} == {number}
            assert total == number * length
            assert len(set(row)) == 4 or length == 2
            met[number] += 1
    assert met[[3, 4, 5, 6]] == pytest.approx(300 * np.array([2, 5, 6, 4]) / 17, abs=45)


def test_all_steps_are_about_as_many_as_asked_for():
    drawn = filled().all_steps(17, np.random.default_rng(1))
    assert len(drawn.counts) == 4 and torch.equal(drawn.counts, drawn.lengths)
    assert len(drawn.steps.action) == int(drawn.counts.sum())
    assert len(filled().all_steps(1, np.random.default_rng(1)).counts) == 1


def test_the_memory_goes_on_where_it_was():
    memory, other = filled(), WholeEpisodes(20)
    other.load_state_dict(memory.state_dict())
    for each in (memory, other):
        each.add([episode(7, 11)])
    assert memory.lengths.tolist() == other.lengths.tolist() == [4, 11]
    found = [each.whole(np.arange(2)).steps.obs["x"].flatten().tolist() for each in (memory, other)]
    assert found[0] == found[1] == [*range(600, 604), *range(700, 711)]


def test_the_best_are_kept_and_of_equals_the_newer():
    best = BestEpisodes(2)
    for number, total in enumerate([1.0, 5.0, 0.0, 1.0, 3.0, 2.0]):
        best.add(total, Transitions({"x": torch.full((number + 1, 1), number)}, torch.zeros(number + 1)))
    other = BestEpisodes(2)
    other.load_state_dict(best.state_dict())
    for each in (best, other):
        assert len(each) == 2 + 5
        shown = each.sample(300, np.random.default_rng(2)).obs["x"].flatten()
        assert set(shown.tolist()) == {1, 4}
        assert int((shown == 1).sum()) == pytest.approx(300 * 2 / 7, abs=40)  # steps are drawn alike
