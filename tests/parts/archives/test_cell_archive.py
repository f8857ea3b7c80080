"""Go-Explore's archive: ways that can be walked, counts and probabilities recomputed by hand."""

from itertools import pairwise

import numpy as np
import pytest

from rewardlab.maths.cells import downscaled_keys, return_weights
from rewardlab.parts.archives.cell_archive import CellArchive


def place(*steps: int) -> dict[str, np.ndarray]:
    return {"cells": np.zeros((len(steps), 2, 2, 4), dtype=np.uint8), "steps": np.array(steps, dtype=np.int32)}


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def done(*actions: int, paid: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Actions, of which the last is paid."""
    rewards = np.zeros(len(actions), dtype=np.float32)
    rewards[-1] = paid
    return np.array(actions, dtype=np.uint8), rewards


@pytest.fixture
def archive() -> CellArchive:
    """Two levels, with the first cell of each."""
    made = CellArchive(2)
    made.add(ints(5, 5), ints(0, 1), np.zeros(2), ints(0, 0), ints(-1, -1), place(0, 0))
    return made


def test_cells_of_different_levels_are_different(archive: CellArchive) -> None:
    assert len(archive) == 2
    assert archive.rows(ints(5, 5, 6), ints(0, 1, 0)) == [0, 1, None]
    assert archive.level_of(ints(1, 0)).tolist() == [1, 0]


def test_ways_are_chains_of_pieces(archive: CellArchive) -> None:
    first = archive.new_piece(-1, *done(1, 2))
    second = archive.new_piece(first, *done(3, paid=7.0))
    other = archive.new_piece(first, *done(4, 5, 6))
    assert archive.way(second).tolist() == [1, 2, 3] and archive.way(other).tolist() == [1, 2, 4, 5, 6]
    assert archive.way(-1).tolist() == []
    assert archive.paid(second).tolist() == [0, 0, 7] and archive.paid(other).tolist() == [0] * 5


def test_a_better_way_replaces_state_and_way_and_begins_the_count_anew(archive: CellArchive) -> None:
    row = archive.add(
        ints(7), ints(0), np.array([2.0]), ints(9), ints(archive.new_piece(-1, *done(*range(9)))), place(9)
    )
    assert [archive.is_better(*way, 2) for way in ((2.0, 8), (2.0, 9), (3.0, 20), (1.0, 1))] == [
        True,
        False,
        True,
        False,
    ]
    archive.count(np.concatenate([row, row]))
    piece = archive.new_piece(-1, *done(*range(4)))
    archive.improve(row, np.array([5.0]), ints(4), ints(piece), place(4))
    assert archive.score_of(row).tolist() == [5.0]
    assert archive.steps_of(row).tolist() == [4] and archive.piece_of(row).tolist() == [piece]
    assert archive.places.get(row)["steps"].tolist() == [4]
    assert archive.state_dict()["arrays"]["seen"].tolist() == [0, 0, 0]


def test_returns_are_drawn_by_the_weights(archive: CellArchive) -> None:
    archive.add(ints(7, 8), ints(0, 0), np.zeros(2), ints(1, 1), ints(-1, -1), place(1, 1))
    archive.count(ints(0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2))
    weights = {0: 1 / np.sqrt(4), 2: 1 / np.sqrt(9), 3: 1.0}
    expected = {row: 0.5 * weight / sum(weights.values()) for row, weight in weights.items()} | {1: 0.5}
    drawn = np.bincount(archive.choose(40_000, np.random.default_rng(0)), minlength=4) / 40_000
    assert np.allclose(drawn, [expected[row] for row in range(4)], atol=0.01)
    archive.open[1] = False
    assert not (archive.choose(1000, np.random.default_rng(0)) == 1).any()
    archive.open[0] = False
    assert (archive.choose(1000, np.random.default_rng(0)) == 1).any()


def test_the_state_round_trips(archive: CellArchive) -> None:
    piece = archive.new_piece(archive.new_piece(-1, *done(1, 2)), *done(3, paid=2.0))
    archive.add(ints(7), ints(1), np.array([2.0]), ints(3), ints(piece), place(3))
    archive.count(ints(2, 2))
    other = CellArchive(0)
    other.load_state_dict(archive.state_dict())
    assert other.rows(ints(5, 7), ints(1, 1)) == [1, 2] and other.way(piece).tolist() == [1, 2, 3]
    assert other.paid(piece).tolist() == [0, 0, 2] and other.score_of(ints(2)).tolist() == [2.0]
    same = [one.choose(50, np.random.default_rng(1)).tolist() for one in (archive, other)]
    assert same[0] == same[1]


def test_weights_are_equal_in_sum_over_open_levels() -> None:
    found = return_weights(ints(0, 3, 8, 0), ints(0, 0, 1, 2), np.array([True, True, False]))
    assert np.allclose(found, [0.5 * 1 / 1.5, 0.5 * 0.5 / 1.5, 0.5, 0.0])


def test_images_are_averaged_over_patches_and_cut_to_levels() -> None:
    rng = np.random.default_rng(0)
    few = rng.integers(10, size=(5, 7, 7, 3))
    images = (few[rng.integers(5, size=40)] + rng.integers(2, size=(40, 7, 7, 3))).astype(np.uint8)

    def by_hand(image: np.ndarray) -> tuple[int, ...]:
        edges = [0, 2, 4, 7]  # 7 in three patches
        cut = []
        for y0, y1 in pairwise(edges):
            for x0, x1 in pairwise(edges):
                for channel in range(3):
                    mean = image[y0:y1, x0:x1, channel].astype(float).mean()
                    cut.append(min(int(mean / 11 * 2), 1))
        return tuple(cut)

    keys = downscaled_keys(images, 3, 2, 10)
    named = [by_hand(image) for image in images]
    for i in range(40):
        for j in range(40):
            assert (keys[i] == keys[j]) == (named[i] == named[j])
    assert len(set(named)) < 40
    assert len(set(downscaled_keys(images[:2], 20, 11, 10).tolist())) == 2, "small images stay as they are"
