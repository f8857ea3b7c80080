"""Losses of comparisons, made-up teachers, questions and ranks against plain loops and closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from rewardlab.maths.preference_losses import agreement, along_preferences, preference_loss, rating_loss
from rewardlab.maths.probes import probed
from rewardlab.maths.queries import disagreement, farthest_first, uncertainty
from rewardlab.maths.ranks import rank_correlation
from rewardlab.maths.teachers import Answers, Habits, by_return, by_success, lexicographic, mistaken

D = torch.tensor([0.3, -1.2, 2.0, 0.0, -40.0])
Y = torch.tensor([1.0, 0.0, 0.5, 0.5, 1.0])
M = torch.tensor([1.0, 2.0, 3.0, 0.5, 0.0])
KINDS = ("bt", "margin", "scaled")


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def by_hand(kind: str) -> float:
    total = 0.0
    for d, y, m in zip(D.tolist(), Y.tolist(), M.tolist(), strict=True):
        moved = m if kind == "margin" and y != 0.5 else 0.0
        first, second = (math.log1p(math.exp(-(sign * d - moved))) for sign in (1, -1))
        total += (m if kind == "scaled" else 1.0) * (y * first + (1 - y) * second)
    return total / len(D)


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_those_of_a_plain_loop(kind: str) -> None:
    assert float(preference_loss(D, Y, M, kind)) == pytest.approx(by_hand(kind), rel=1e-5)
    of_members = preference_loss(torch.stack([D, 2 * D]), Y, M, kind)
    assert of_members.shape == (2,) and float(of_members[0]) == pytest.approx(by_hand(kind), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_swapping_both_items_and_the_label_keeps_the_loss(kind: str) -> None:
    assert torch.equal(preference_loss(D, Y, M, kind), preference_loss(-D, 1 - Y, M, kind))


def test_a_strength_of_one_is_bradley_and_terry_and_a_margin_moves_the_optimum() -> None:
    ones = torch.ones_like(M)
    assert torch.equal(preference_loss(D, Y, ones, "scaled"), preference_loss(D, Y, M, "bt"))
    grid = torch.linspace(-6, 6, 1201)
    # Three of four say the first: without a margin the best D is log 3, whatever the weight.
    labels = torch.tensor([1.0, 1.0, 1.0, 0.0])
    best = {
        kind: float(grid[preference_loss(grid[:, None].expand(-1, 4), labels, 2 * torch.ones(4), kind).argmin()])
        for kind in KINDS
    }
    assert best["bt"] == best["scaled"] == pytest.approx(math.log(3), abs=0.01)
    assert best["margin"] > best["bt"] + 0.5


def test_how_far_the_better_lies_ahead_is_a_plain_loop() -> None:
    apart = torch.randn(2, 40, 3, generator=draws())
    apart[:, 5] = 0.0
    found = along_preferences(apart)
    for member in range(2):
        direction = apart[member].numpy().mean(axis=0)
        direction = direction / np.linalg.norm(direction)
        expected = [max(0.0, float(row @ direction)) for row in apart[member].numpy()]
        assert found[member].numpy() == pytest.approx(expected, abs=1e-6)
    assert float(found[0, 5]) == 0 and torch.equal(along_preferences(torch.zeros(4, 3)), torch.zeros(4))
    alike = torch.tensor([[3.0, 4.0], [6.0, 8.0]])
    assert along_preferences(alike).numpy() == pytest.approx([5.0, 10.0])


def test_a_probe_is_ridge_regression_on_unseen_steps() -> None:
    rng = np.random.default_rng(0)
    seen, unseen = (rng.normal(size=(n, 3)) + 5 for n in (80, 50))
    weights, noise = np.array([[1.0, 0.0], [-2.0, 0.0], [0.5, 0.0]]), rng.normal(size=(130, 2)) * [0.0, 1.0]
    numbers, wanted = seen @ weights + noise[:80], unseen @ weights + noise[80:]
    found = probed(*(torch.from_numpy(each) for each in (seen, numbers, unseen, wanted))).numpy()
    centred = seen - seen.mean(axis=0)
    ridge = 1e-3 * (centred**2).sum(axis=0).mean()
    extended = np.concatenate([centred, np.sqrt(ridge) * np.eye(3)])
    for k in range(2):
        target = np.concatenate([numbers[:, k] - numbers[:, k].mean(), np.zeros(3)])
        slope = np.linalg.lstsq(extended, target, rcond=None)[0]
        told = numbers[:, k].mean() + (unseen - seen.mean(axis=0)) @ slope
        expected = 1 - ((wanted[:, k] - told) ** 2).sum() / ((wanted[:, k] - wanted[:, k].mean()) ** 2).sum()
        assert found[k] == pytest.approx(expected, abs=1e-9)
    assert found[0] > 0.9999 and found[1] < 0.1
    alike = (torch.from_numpy(each) for each in (seen, numbers, unseen, np.ones((50, 2))))
    assert torch.isnan(probed(*alike)).all()


def test_agreement_and_ratings() -> None:
    assert agreement(D, Y).tolist() == [True, True, False, False, False]
    assert float(rating_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))) == 2.5


@pytest.mark.parametrize("average", [3.0, -3.0])
def test_a_teacher_sums_rewards(average: float) -> None:
    rng = np.random.default_rng(0)
    length = rng.integers(1, 6, size=300)
    rewards = rng.normal(size=(300, 2, 5)).astype(np.float32) * (np.arange(5) < length[:, None, None])
    habits = Habits(myopic=0.5, skip=0.4, equal=0.1)
    given = torch.from_numpy(rewards), torch.from_numpy(length), torch.full((300,), average)
    found = by_return(*given, habits, draws())
    seen = set()
    for i in range(300):
        first, second = rewards[i, 0].sum(), rewards[i, 1].sum()
        weighed = [sum(0.5 ** (length[i] - 1 - t) * rewards[i, k, t] for t in range(length[i])) for k in (0, 1)]
        expected = 0.5 if abs(first - second) < 0.3 else float(weighed[0] > weighed[1])
        assert float(found.preferred[i]) == expected
        least = 0.4 * 3.0 if average > 0 else -3.0 - 0.6 * 3.0  # B-Pref's; and as far below where it is negative
        assert bool(found.given[i]) == (max(first, second) > least)
        assert float(found.strength[i]) == pytest.approx(abs(first - second), abs=1e-5)
        seen.add((expected, bool(found.given[i])))
    assert {value for value, _ in seen} == {0.0, 0.5, 1.0}


def test_a_teacher_without_habits_answers_all_and_calls_equals_equal() -> None:
    rewards = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    found = by_return(rewards, torch.tensor([2, 2]), torch.tensor([-9.0, -9.0]), Habits(), draws())
    assert found.preferred.tolist() == [1.0, 0.5] and found.given.all()


def test_a_teacher_draws_by_the_difference_and_errs_as_often_as_told() -> None:
    rewards = torch.zeros(20_000, 2, 1)
    rewards[:, 0] = 2.0
    length, average = torch.ones(20_000, dtype=torch.int64), torch.ones(20_000)
    found = by_return(rewards, length, average, Habits(beta=0.5), draws())
    assert float(found.preferred.mean()) == pytest.approx(1 / (1 + math.exp(-1.0)), abs=0.01)
    turned = mistaken(by_return(rewards, length, average, Habits(), draws()), 0.3, draws())
    assert float(turned.preferred.mean()) == pytest.approx(0.7, abs=0.01)


def test_the_first_factor_that_differs_clearly_decides() -> None:
    rng = np.random.default_rng(0)
    factors, scale = rng.normal(size=(400, 2, 3)).astype(np.float32), np.array([2.0, 1.0, 0.0], np.float32)
    found = lexicographic(torch.from_numpy(factors), torch.from_numpy(scale), 0.7)
    factors[:5, 1] = factors[:5, 0]
    for i in range(400):
        decided = None
        for k in range(3):
            apart = factors[i, 0, k] - factors[i, 1, k]
            if decided is None and abs(apart) > 0.7 * scale[k]:
                decided = float(apart > 0)
        if i >= 5:
            assert bool(found.given[i]) == (decided is not None) and float(found.preferred[i]) == decided
    same = lexicographic(torch.from_numpy(factors[:5]), torch.from_numpy(scale), 0.7)
    assert not same.given.any()


def test_an_order_with_margins_goes_in_circles() -> None:
    """a beats b, b beats c, c beats a: no reward fits all three, so none can be asked to."""
    a, b, c = [0.0, 3.0], [0.8, 2.0], [1.6, 1.0]
    found = lexicographic(torch.tensor([[a, b], [b, c], [c, a]]), torch.tensor([1.0, 0.5]), 1.0)
    assert found.preferred.tolist() == [1.0, 1.0, 1.0] and found.given.all()


def test_success_beats_failure() -> None:
    found = by_success(torch.tensor([[True, False], [False, True], [True, True]]))
    assert isinstance(found, Answers)
    assert found.preferred[:2].tolist() == [1.0, 0.0] and found.given.tolist() == [True, True, False]


def test_questions_are_where_members_disagree_or_are_unsure() -> None:
    differences = torch.tensor([[3.0, 0.0, -2.0], [-3.0, 0.0, -2.0]])
    chance = 1 / (1 + np.exp(-differences.numpy()))
    assert disagreement(differences).numpy() == pytest.approx(chance.std(axis=0), abs=1e-6)
    entropy = -(chance * np.log(chance) + (1 - chance) * np.log(1 - chance))
    assert uncertainty(differences).numpy() == pytest.approx(entropy.mean(axis=0), rel=1e-5)


def test_centres_are_farthest_first() -> None:
    rng = np.random.default_rng(0)
    candidates, known = rng.normal(size=(30, 2)), rng.normal(size=(4, 2))
    chosen: list[int] = []
    for _ in range(6):
        centres = np.concatenate([known, candidates[chosen]])
        chosen.append(max(range(30), key=lambda i: min(np.linalg.norm(candidates[i] - centre) for centre in centres)))
    found = farthest_first(torch.from_numpy(candidates), torch.from_numpy(known), 6)
    assert found.tolist() == chosen


def test_ranks_are_spearmans() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(5, size=50).astype(float), rng.normal(size=50)
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert rank_correlation(other, np.exp(other)) == pytest.approx(1.0)
    assert math.isnan(rank_correlation(np.zeros(3), other[:3]))
