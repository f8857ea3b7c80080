"""The grid archive against dicts and loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.errors import UserError
from rewardlab.parts.archives.grid_archive import GridArchive


def batches(data: st.DataObject) -> list[tuple[np.ndarray, np.ndarray]]:
    found = []
    for _ in range(data.draw(st.integers(1, 4))):
        count = data.draw(st.integers(1, 12))
        values = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
        points = data.draw(st.lists(st.tuples(*[st.floats(-0.2, 1.2)] * 2), min_size=count, max_size=count))
        found.append((np.array(values, float), np.array(points)))
    return found


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans())
def test_the_best_of_each_cell_is_kept(data: st.DataObject, ties: bool) -> None:
    archive = GridArchive(3, 2, 2, ties)
    held: dict[tuple[int, ...], tuple[float, float]] = {}
    number = 0.0
    for values, points in batches(data):
        genomes = np.stack([number + np.arange(len(values)), values], axis=1).astype(np.float32)
        number += len(values)
        before, entered = dict(held), {}
        added = archive.add(genomes, values, points)
        for i, (value, point) in enumerate(zip(values, points, strict=True)):
            cell = tuple(min(max(int(np.floor(3 * x)), 0), 2) for x in point)
            there = before.get(cell)
            enters = there is None or value > there[1] or (ties and value == there[1])
            assert added.status[i] == (0 if not enters else 2 if there is None else 1)
            assert added.gain[i] == (value if there is None else value - there[1])
            if enters and (cell not in entered or value > entered[cell][1]):
                entered[cell] = (float(genomes[i, 0]), value)
        held |= entered
        found = {
            tuple(divmod(int(c), 3)): (g[0], v)
            for c, g, v in zip(archive.cells, archive.genomes, archive.values, strict=True)
        }
        assert found == held
        assert np.array_equal(archive.cells_of(archive.points), archive.cells)
    other = GridArchive(3, 2, 2, ties)
    other.load_state_dict(archive.state_dict())
    values, points = batches(data)[0]
    genomes = np.zeros((len(values), 2), np.float32)
    for one in (archive, other):
        one.add(genomes, values, points)
    for name in ("genomes", "values", "cells", "points"):
        assert np.array_equal(getattr(archive, name), getattr(other, name))


def test_thresholds_follow_what_enters() -> None:
    whole, single = (GridArchive(1, 2, 1, rate=0.1, lowest=0.0) for _ in range(2))
    genomes, point = np.zeros((2, 1), np.float32), np.full((2, 2), 0.5)
    added = whole.add(genomes, np.array([1.0, 3.0]), point)
    assert added.status.tolist() == [2, 2] and added.gain.tolist() == [1, 3]
    assert whole._threshold[0] == pytest.approx(0.38)
    for value in (1.0, 3.0):
        single.add(genomes[:1], np.array([value]), point[:1])
    assert single._threshold[0] == pytest.approx(0.39)
    assert whole.add(genomes, np.array([0.37, 0.2]), point).status.tolist() == [0, 0]
    assert GridArchive(1, 2, 1, rate=0.1, lowest=2.0).add(genomes, np.array([1.0, 2.0]), point).status.tolist() == [
        0,
        0,
    ]


def test_too_many_cells_are_refused() -> None:
    with pytest.raises(UserError, match=r"50\^6 cells are too many"):
        GridArchive(50, 6, 1)
