"""Cuts of series, chosen features and likelihoods against enumeration, a planted series and single numbers."""

from itertools import combinations, pairwise
from statistics import NormalDist

import numpy as np
import pytest
import torch

from rewardlab.maths.perceptual_steps import in_step, partition, step_model, step_reward

LEVELS = np.array([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [2.0, -3.0, 1.0]])  # three regimes of three features


def series(lengths: tuple[int, ...], noise: float, seed: int = 0) -> np.ndarray:
    """Three features by regimes, and five of noise alone."""
    rng, regime = np.random.default_rng(seed), np.repeat(np.arange(3), lengths)
    shown = LEVELS[regime] + noise * rng.normal(size=(len(regime), 3))
    return np.concatenate([shown, rng.normal(size=(len(regime), 5))], axis=1)


@pytest.mark.parametrize("lengths", [(20, 15, 30), (40, 10, 10), (9, 30, 12)])
def test_three_regimes_are_cut_where_they_change(lengths: tuple[int, ...]) -> None:
    features = series(lengths, 0.1) * np.array([4.0] * 3 + [1.0] * 5)
    assert partition(features, 3) == [0, lengths[0], lengths[0] + lengths[1], sum(lengths)]


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_no_other_cuts_are_better(steps: int) -> None:
    features = np.random.default_rng(5).normal(size=(9, 3))

    def cost(bounds: tuple[int, ...]) -> float:
        pieces = [features[begin:end] for begin, end in pairwise(bounds)]
        return sum(float(((piece - piece.mean(axis=0)) ** 2).sum()) for piece in pieces)

    best = min(((0, *cuts, 9) for cuts in combinations(range(1, 9), steps - 1)), key=cost)
    assert partition(features, steps) == list(best)
    assert partition(features[:steps], steps) == list(range(steps + 1))


def test_features_of_noise_are_left_out() -> None:
    features, step = torch.from_numpy(series((20, 15, 30), 0.1)), np.repeat(np.arange(3), (20, 15, 30))
    for i, shows in ((1, {0, 1}), (2, {0, 1})):
        model = step_model(features[step == i], features[step != i], 2)
        assert set(model.chosen.tolist()) == shows
        likely = in_step(features, model)
        assert (likely[step == i] > 0.5).all()
        assert likely[step != i].mean() < 0.1


def test_likelihoods_are_those_of_normal_distributions() -> None:
    rng = np.random.default_rng(1)
    inside, outside, states = (rng.normal(size=(n, 3)) + shift for n, shift in ((6, 1.0), (9, 0.0), (4, 0.5)))
    model = step_model(torch.from_numpy(inside), torch.from_numpy(outside), 2)
    scores = 5 * abs(inside.mean(0) - outside.mean(0)) - inside.std(0) - outside.std(0)
    assert model.chosen.tolist() == np.argsort(-scores)[:2].tolist()
    for state, likely in zip(states, in_step(torch.from_numpy(states), model).tolist(), strict=True):
        odds = 1.0
        for k in model.chosen.tolist():
            of = [NormalDist(side[:, k].mean(), side[:, k].std()).pdf(state[k]) for side in (inside, outside)]
            odds *= of[0] / of[1]
        assert likely == pytest.approx(odds / (1 + odds), abs=1e-6)


def test_each_step_counts_twice_the_one_before() -> None:
    assert step_reward([torch.tensor([1.0, 0.0]), torch.tensor([0.5, 1.0])]).tolist() == [4.0, 4.0]
