"""Signatures against sums over all tuples of steps, closed forms, and what they cannot see."""

from itertools import product

import numpy as np
import pytest

from rewardlab.maths.signature import log_signature, signature


def by_sums(path: np.ndarray, order: int) -> list[float]:
    """Over steps s <= t <= ...; a step that is taken k times in a row shares its simplex: 1 / k!."""
    steps, found = np.diff(path, axis=0), []
    for level in range(1, order + 1):
        for letters in product(range(path.shape[1]), repeat=level):
            total = 0.0
            for times in product(range(len(steps)), repeat=level):
                if list(times) == sorted(times):
                    share = np.prod([1 / np.prod(range(1, times.count(t) + 1)) for t in set(times)])
                    total += share * np.prod([steps[t][i] for t, i in zip(times, letters, strict=True)])
            found.append(total)
    return found


@pytest.mark.parametrize("order", [1, 2, 3])
def test_levels_are_sums_over_steps_in_order(order: int) -> None:
    paths = np.random.default_rng(order).normal(size=(3, 6, 3))
    found = signature(paths, order)
    assert found.shape == (3, sum(3**k for k in range(1, order + 1)))
    for path, row in zip(paths, found, strict=True):
        assert row == pytest.approx(by_sums(path, order), abs=1e-12)


def test_closed_forms() -> None:
    corner = np.array([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]])
    assert signature(corner, 2)[0].tolist() == [1, 1, 0.5, 1, 0, 0.5]
    assert log_signature(corner)[0].tolist() == [1, 1, 0.5]
    square = np.array([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]])
    assert log_signature(square)[0].tolist() == [0, 0, 1]
    assert log_signature(square[:, ::-1])[0].tolist() == [0, 0, -1]
    line = np.array([[[0.0], [2.0], [3.0]]])
    assert signature(line, 3)[0] == pytest.approx([3, 9 / 2, 27 / 6])


def test_what_paths_are_not_told_apart_by() -> None:
    path = np.random.default_rng(0).normal(size=(1, 5, 2))
    elsewhere = path + 3.0
    slow = np.insert(path, 2, (path[:, 1] + path[:, 2]) / 2, axis=1)
    detour = np.concatenate([path[:, :3], path[:, 2:3] + 1.0, path[:, 2:]], axis=1)
    for other in (elsewhere, slow, detour):
        assert signature(other, 3) == pytest.approx(signature(path, 3), abs=1e-12)
    assert signature(path[:, ::-1], 3) != pytest.approx(signature(path, 3), abs=1e-3)
