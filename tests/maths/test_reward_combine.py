"""Rules that make one reward of several: numbers of the papers, and what each must never do."""

import numpy as np
import pytest
import torch

from rewardlab.maths import reward_combine as maths


def parts(*values: float) -> torch.Tensor:
    return torch.tensor(values).unsqueeze(-1)


def test_a_clean_route_totals_100_and_a_factor_of_zero_freezes():
    rng = np.random.default_rng(0)
    gains = torch.from_numpy(rng.dirichlet(np.ones(50)) * 100)
    clean = maths.product(torch.stack([gains, torch.ones(50).double(), torch.ones(50).double()]))
    assert float(clean.sum()) == pytest.approx(100.0)
    factor = torch.from_numpy(rng.choice([0.0, 0.5, 1.0, -3.0, 7.0], size=50))
    found = maths.product(torch.stack([gains, factor]))
    assert (found >= 0).all() and (found[factor <= 0] == 0).all()
    torch.testing.assert_close(found[factor > 1], gains[factor > 1])


@pytest.mark.parametrize(
    ("values", "expected"),
    [((0.25, 0.64), 0.4), ((-0.25, 0.64), -0.4), ((-0.25, -0.64), -0.4), ((0.0, 0.64), 0.0), ((8.0, 1.0, 1.0), 2.0)],
)
def test_the_kinesthetic_rule(values, expected):
    assert float(maths.kinesthetic(parts(*values))) == pytest.approx(expected)


def test_gates_open_one_after_the_other():
    rng = np.random.default_rng(1)
    given, thresholds = rng.normal(size=(4, 60)), np.array([-0.5, 0.0, 0.3])
    found = maths.gated(torch.from_numpy(given), torch.from_numpy(thresholds))
    for column in range(60):
        total, opened = 0.0, True
        for k in range(4):
            total += given[k, column] * opened
            opened = opened and k < 3 and given[k, column] >= thresholds[k]
        assert float(found[column]) == pytest.approx(total)


def test_the_harmonic_mean():
    assert float(maths.harmonic(parts(0.8, 0.2), 0.5)) == pytest.approx(0.32)
    assert float(maths.harmonic(parts(0.8, 0.2), 0.25)) == pytest.approx(1 / (0.25 / 0.8 + 0.75 / 0.2))
    for values in ((0.0, 0.2), (0.8, 0.0), (-1.0, 0.5), (-1.0, -1.0)):
        assert float(maths.harmonic(parts(*values), 0.5)) == 0.0
    assert float(maths.harmonic(parts(1e-6, 0.5), 0.5)) == pytest.approx(2e-6, rel=1e-3)  # the limit is what is paid


def test_r3_and_mixed_grain():
    assert float(maths.relevance_incentive_repetition(parts(0.5, 4.0, 0.25))) == 1.75
    assert float(maths.mixed_grain(parts(1.0, 3.0), 0.25)) == 2.5
