"""CMA-ES against the author's own small code, and on functions whose minimum is known."""

import numpy as np
import pytest
from cma.more_algorithms.purecma import CMAES, CMAESParameters

from rewardlab.maths.cma_es import CmaEs, _rates, default_samples, recombination_weights


def test_weights_by_hand() -> None:
    weights = recombination_weights(3)
    assert weights == pytest.approx([0.6370, 0.2846, 0.0784], abs=5e-5)
    assert 1 / (weights**2).sum() == pytest.approx(2.029, abs=1e-3)


@pytest.mark.parametrize("samples", [6, 14])
def test_it_moves_as_the_authors_does(samples: int) -> None:
    size, rng = 4, np.random.default_rng(samples)
    ours = CmaEs(np.array([0.5, -0.3, 0.2, 1.0]), 0.7)
    theirs = CMAES(list(ours.mean), 0.7, popsize=samples)
    theirs.params = CMAESParameters(size, samples)  # without negative weights
    theirs.params.lazy_gap_evals = 0
    theirs.params.damps = _rates(size, theirs.params.mueff, False).damping  # theirs is an approximation
    for generation in range(30):
        drawn = ours.ask(samples, rng)
        scores = drawn @ np.arange(1.0, 5) if generation < 12 else ((drawn - 3) ** 2 * [1, 10, 100, 1000]).sum(axis=1)
        order = np.argsort(scores)
        ours.tell(drawn[order[: samples // 2]])
        theirs.C.update_eigensystem(theirs.counteval, 0)
        before = theirs.sigma
        theirs.tell(drawn.tolist(), scores.tolist())
        assert np.allclose(ours.mean, theirs.xmean, rtol=1e-9)
        length, params = np.linalg.norm(theirs.ps), theirs.params  # theirs has the tutorial's step size as a comment
        before *= np.exp(params.cs / params.damps * (length / params.chiN - 1))
        assert ours.sigma == pytest.approx(before, rel=1e-9)
        theirs.sigma = ours.sigma
        covariance = [[theirs.C[i][j] for j in range(size)] for i in range(size)]
        assert np.allclose(ours.covariance, covariance, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(("separable", "most"), [(False, 6500), (True, 6500)])
def test_an_ellipsoid_of_condition_a_million(separable: bool, most: int) -> None:
    size, scale = 10, 10.0 ** (6 * np.arange(10) / 9)
    found = []
    for seed in range(3):
        rng, es = np.random.default_rng(seed), CmaEs(np.full(size, 1.0), 0.5, separable)
        count, played, best = default_samples(size), 0, np.inf
        while best > 1e-8 and played < 20_000:
            drawn = es.ask(count, rng)
            scores = (scale * drawn**2).sum(axis=1)
            es.tell(drawn[np.argsort(scores)[: count // 2]])
            best, played = min(best, float(scores.min())), played + count
        found.append(played)
    assert max(found) < most


def test_samples_have_the_distribution_and_stay_within_bounds() -> None:
    es = CmaEs(np.array([1.0, -1.0]), 0.5)
    es.covariance = np.array([[2.0, 1.2], [1.2, 1.0]])
    drawn = es.ask(40_000, np.random.default_rng(0))
    assert np.cov(drawn.T) == pytest.approx(0.25 * es.covariance, abs=0.01)
    assert drawn.mean(axis=0) == pytest.approx(es.mean, abs=0.02)
    bounded = es.ask(500, np.random.default_rng(0), bound=1.1)
    assert np.abs(bounded).max() <= 1.1 and (np.abs(bounded) < 1.1).all()
    assert np.abs(CmaEs(np.full(3, 50.0), 1e-3).ask(2, np.random.default_rng(0), bound=5.0)).max() == 5.0


def test_it_stays_without_parents_and_knows_when_it_is_a_line() -> None:
    es = CmaEs(np.zeros(3), 1.0)
    before = es.mean.copy(), es.covariance.copy(), es.sigma
    es.tell(np.zeros((0, 3)))
    assert np.array_equal(before[0], es.mean) and np.array_equal(before[1], es.covariance) and before[2] == es.sigma
    assert not es.degenerate
    es.covariance = np.diag([1.0, 1e-15, 1.0])
    assert es.degenerate
    assert CmaEs(np.zeros(3), 1e-12).degenerate
