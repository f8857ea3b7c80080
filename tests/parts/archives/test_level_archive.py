"""Archived levels: weights, draws and replacement, worked by hand."""

import numpy as np
import pytest

from rewardlab.parts.archives.level_archive import LevelArchive

NONE = np.array([-np.inf])


def _three() -> LevelArchive:
    archive = LevelArchive(3, temperature=0.3, staleness_share=0.3)
    for k, (score, staleness) in enumerate(((0.2, 3), (0.6, 0), (0.4, 1))):
        archive.insert(bytes([k]), score, NONE, staleness)
    return archive


def test_weights_are_of_ranks_and_ages() -> None:
    archive = _three()
    assert archive.weights == pytest.approx([0.2410, 0.6223, 0.1367], abs=1e-4)
    archive.staleness[:] = 0
    by_rank = np.array([3, 1, 2]) ** (-1 / 0.3)
    assert archive.weights == pytest.approx(0.7 * by_rank / by_rank.sum() + 0.3 / 3)


def test_the_slot_of_least_weight_gives_way_not_that_of_the_least_score() -> None:
    archive = _three()
    assert archive.insert(b"worse", 0.3, NONE) is None
    assert archive.insert(b"better", 0.45, NONE) == 2
    assert archive.scores.tolist() == [0.2, 0.6, 0.45] and archive.fill == 1
    assert (archive.slot_of(b"better"), archive.slot_of(bytes([2]))) == (2, None)


def test_each_draw_makes_the_others_older_and_follows_the_weights() -> None:
    archive, rng = _three(), np.random.default_rng(0)
    slot = int(archive.draw(1, rng)[0])
    before = np.array([3, 0, 1]) + 1
    before[slot] = 0
    assert archive.staleness.tolist() == before.tolist()
    counts = np.zeros(3)
    for _ in range(4000):
        archive.staleness[:] = (3, 0, 1)
        counts[archive.draw(1, rng)] += 1
    assert counts / 4000 == pytest.approx([0.2410, 0.6223, 0.1367], abs=0.03)


def test_best_returns_only_rise_and_a_state_brings_all_back() -> None:
    archive = _three()
    archive.score_anew(1, 0.1, np.array([0.5]))
    archive.score_anew(1, 0.3, np.array([0.2]))
    assert (archive.scores[1], archive.highest[1, 0]) == (0.3, 0.5)
    other = LevelArchive(3, 0.3, 0.3)
    other.load_state_dict(archive.state_dict())
    assert other.weights.tolist() == archive.weights.tolist() and other.slot_of(bytes([1])) == 1
    assert (other.draw(20, np.random.default_rng(1)) == archive.draw(20, np.random.default_rng(1))).all()
