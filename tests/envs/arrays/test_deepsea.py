"""DeepSea: its rules written out once more, step by step, and the returns of every sequence of moves."""

import itertools

import numpy as np
import pytest

from rewardlab.envs.arrays import deepsea
from rewardlab.envs.levels import Levels


def make(n: int, num_envs: int = 1, deterministic: bool = True, **options):
    return deepsea.make(deepsea.Config(n=n, deterministic=deterministic), Levels(num_envs), **options)


def dive(moves: tuple[str, ...]) -> tuple[float, bool, list[tuple[int, int]]]:
    """The return of a sequence of moves, whether the episode is bad, and the cells after each move."""
    n, column, total, bad, cells = len(moves), 0, 0.0, False, []
    for row, move in enumerate(moves):
        if move == "right":
            if column == n - 1:
                total += 1.0
            total -= 0.01 / n
            column = min(column + 1, n - 1)
        else:
            if row == column:
                bad = True
            column = max(column - 1, 0)
        cells.append((row + 1, column))
    return total, bad, cells


@pytest.mark.parametrize("n", [2, 3, 5])
def test_every_sequence_of_moves(n: int) -> None:
    env, totals = make(n), []
    for moves in itertools.product(("left", "right"), repeat=n):
        env.reset([0])
        total, bad, cells = dive(moves)
        totals.append(total)
        paid, at = 0.0, (0, 0)
        for step, move in enumerate(moves):
            meaning = int(env.right[at])
            batch = env.step(np.array([meaning if move == "right" else 1 - meaning]))
            paid += float(batch.task_reward[0])
            at, last = cells[step], step == n - 1
            assert batch.next_obs["cell"].tolist() == [[n * n if last else at[0] * n + at[1]]]
            assert (batch.terminated[0], batch.success[0]) == (last, last and not bad)
        assert paid == pytest.approx(total, abs=1e-6)
        assert (total > 0.5) == (not bad) == (set(moves) == {"right"})
        assert batch.obs["cell"].tolist() == [[0]]
    random, best = deepsea.returns(n, True)
    assert random == pytest.approx(np.mean(totals), abs=1e-12)
    assert best == pytest.approx(max(totals), abs=1e-12) == pytest.approx(0.99)


def test_actions_mean_the_same_in_all_environments_and_something_else_under_another_mapping() -> None:
    first, second = make(12), deepsea.make(deepsea.Config(n=12, mapping=1), Levels(1))
    assert 40 < first.right.sum() < 104 and not np.array_equal(first.right, second.right)
    np.testing.assert_array_equal(first.right, make(12, 5).right)


def test_right_moves_slip_and_corners_are_noisy_where_asked_for() -> None:
    n, count = 4, 4000
    env = make(n, count, deterministic=False)
    env.reset(range(count))
    row = np.zeros(count, dtype=int)
    column, corner = np.zeros(count, dtype=int), []
    for _ in range(n):
        batch = env.step(env.right[row, column])
        cell = batch.next_obs["cell"][:, 0]
        before, row = column, row + 1
        if row[0] < n:
            column = cell - row * n
            assert np.isin(column - before, (0, 1)).all()
            assert abs((column == before).mean() - 1 / n) < 0.03
            np.testing.assert_allclose(batch.task_reward, -0.01 / n, rtol=1e-5)
        else:
            corner = [batch.task_reward[before == c] for c in range(n)]
    assert corner[n - 1].mean() == pytest.approx(1 - 0.01 / n, abs=0.1) and corner[n - 1].std() == pytest.approx(1, 0.1)
    assert corner[0].std() == pytest.approx(1, abs=0.3)
    assert np.ptp(corner[1]) == np.ptp(corner[2]) == 0
    assert len(corner[n - 1]) / count == pytest.approx((1 - 1 / n) ** (n - 1), abs=0.03)


def test_the_stochastic_optimum_is_found_by_trying_every_policy() -> None:
    """n = 3: six cells above the diagonal, every assignment of left and right, its value by the chain of chances."""
    n, slip = 3, 1 / 3
    cells = [(row, column) for row in range(n) for column in range(row + 1)]
    values = []
    for moves in itertools.product((False, True), repeat=len(cells)):
        rule, where, value = dict(zip(cells, moves, strict=True)), {0: 1.0}, 0.0
        for row in range(n):
            after: dict[int, float] = {}
            for column, chance in where.items():
                if rule[row, column]:
                    value += chance * ((column == n - 1) - 0.01 / n)
                    reached = [(min(column + 1, n - 1), 1 - slip), (column, slip)]
                else:
                    reached = [(max(column - 1, 0), 1.0)]
                for place, share in reached:
                    after[place] = after.get(place, 0.0) + chance * share
            where = after
        values.append(value)
    assert deepsea.returns(n, False)[1] == pytest.approx(max(values), abs=1e-12)


def test_a_picture_shows_the_diver_and_the_treasure() -> None:
    env = make(5, 2, privileged=("picture",))
    env.reset([0, 1])
    picture = env.privileged()["picture"]
    assert picture.shape == (2, 400, 400, 3)
    assert picture[0, 40, 40].tolist() == [240, 240, 240] and picture[0, 360, 360].tolist() == [230, 190, 40]
