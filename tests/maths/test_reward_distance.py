"""Distances between rewards: values known from EPIC's grid, and what each canonicalisation must not see."""

import numpy as np
import pytest

from rewardlab.maths.reward_distance import CANONICAL, absorbing, canonical, distance, expected, regret, shaped
from rewardlab.maths.tables import best_actions
from rewardlab.types import Mdp

GAMMA = 0.9
SHAPING_FREE = [name for name in CANONICAL if name != "none"]


def drawn(seed: int, states: int = 8, actions: int = 3, successors: int = 3):
    """Chances to a few successors of each pair, and a reward of all triples."""
    rng = np.random.default_rng(seed)
    chance = np.zeros((states, actions, states))
    for pair in np.ndindex(states, actions):
        chance[pair][rng.choice(states, successors, replace=False)] = rng.dirichlet(np.ones(successors))
    return chance, rng.standard_normal((states, actions, states)), rng


def apart(name: str, first, second, chance, gamma: float = GAMMA, weighted: bool = False) -> float:
    made = [canonical(name, reward, chance, gamma, weighted) for reward in (first, second)]
    return distance(*made, chance if weighted else None)


GRID = {
    "sparse": np.eye(9)[8],
    "path": np.array([0, -1, -1, 0, 0, 0, -1, -1, 4.0]),
    "cliff": np.array([0, -1, -1, 0, 0, 0, -4, -4, 4.0]),
}
PUBLISHED = {("sparse", "path"): 0.1602, ("sparse", "cliff"): 0.3676, ("path", "cliff"): 0.2672}


def grid() -> np.ndarray:
    """3 x 3 cells; left, right, up, down, and stay."""
    chance = np.zeros((9, 5, 9))
    for cell in range(9):
        row, column = divmod(cell, 3)
        for action, (down, right) in enumerate(((0, -1), (0, 1), (-1, 0), (1, 0), (0, 0))):
            chance[cell, action, min(2, max(0, row + down)) * 3 + min(2, max(0, column + right))] = 1
    return chance


@pytest.mark.parametrize(("one", "other"), PUBLISHED)
def test_epic_of_its_own_grid(one, other):
    """EPIC is half of the distance of unit vectors; of rewards of states it is Pearson's distance of the 9 numbers."""
    chance, gamma = grid(), 0.99
    first, second = (np.broadcast_to(GRID[name][:, None, None], chance.shape) for name in (one, other))
    found = apart("epic", first, second, chance, gamma) / 2
    assert found == pytest.approx(PUBLISHED[one, other], abs=5e-5)
    rho = np.corrcoef(GRID[one], GRID[other])[0, 1]
    assert found == pytest.approx(((1 - rho) / 2) ** 0.5, abs=1e-9)
    potential = np.random.default_rng(0).standard_normal(9)
    assert apart("epic", first, shaped(first, potential, gamma), chance, gamma) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SHAPING_FREE)
def test_scale_and_shaping_do_not_count(name, weighted):
    """A constant is shaping, too, by one that is the same in all states."""
    for seed in range(5):
        chance, reward, rng = drawn(seed)
        other = 3 * shaped(reward, 2 * rng.standard_normal(8), GAMMA) + 0.7
        assert apart(name, reward, other, chance, weighted=weighted) == pytest.approx(0, abs=1e-7)
        assert apart("none", reward, other, chance, weighted=weighted) > 0.1
        assert apart(name, reward, -reward, chance, weighted=weighted) == pytest.approx(2)
        only = shaped(np.zeros_like(reward), rng.standard_normal(8), GAMMA)
        assert apart(name, only, 0 * reward, chance, weighted=weighted) == 0
        assert apart(name, only, reward, chance, weighted=weighted) == pytest.approx(1)


def test_what_cannot_happen_counts_for_some_only():
    """VAL sees means over successors: not noise where nothing leads, nor what is 0 on average."""
    for seed in range(5):
        chance, reward, rng = drawn(seed, states=20)
        noisy = reward + (chance == 0) * 10 * rng.standard_normal(reward.shape)
        spread = (chance > 0) * 3 * rng.standard_normal(reward.shape)
        spread = (chance > 0) * (spread - expected(spread, chance)[:, :, None])
        assert np.abs(expected(spread, chance)).max() < 1e-12
        assert apart("val", reward, noisy, chance) == pytest.approx(0, abs=1e-7)
        assert apart("val", reward, reward + spread, chance) == pytest.approx(0, abs=1e-7)
        for name in ("epic", "dard", "val_potential", "minimal", "none"):
            assert apart(name, reward, noisy, chance) > 1.1
            if name != "none":
                assert apart(name, reward, reward + spread, chance, weighted=True) > 0.7


def test_canonical_rewards_by_their_definitions():
    """Sums over everything, and a search for the least norm."""
    chance, reward, rng = drawn(1, states=4, actions=2, successors=2)
    states, actions = range(4), range(2)
    mean = [np.mean([reward[x, b, y] for b in actions for y in states]) for x in states]
    led = [np.mean([chance[x, b] @ reward[x, b] for b in actions]) for x in states]
    epic, dard = np.empty_like(reward), np.empty_like(reward)
    for s, a, t in np.ndindex(reward.shape):
        epic[s, a, t] = reward[s, a, t] + GAMMA * mean[t] - mean[s] - GAMMA * np.mean(mean)
        later = np.mean(
            [sum(chance[s, b, x] * chance[t, b, y] * reward[x, b, y] for x in states for y in states) for b in actions]
        )
        dard[s, a, t] = reward[s, a, t] + GAMMA * led[t] - led[s] - GAMMA * later
    np.testing.assert_allclose(canonical("epic", reward, chance, GAMMA), epic, atol=1e-12)
    np.testing.assert_allclose(canonical("dard", reward, chance, GAMMA), dard, atol=1e-12)
    for weighted in (False, True):
        weight = chance if weighted else np.ones_like(chance)
        least = canonical("minimal", reward, chance, GAMMA, weighted)
        for _ in range(50):
            other = shaped(least, 0.1 * rng.standard_normal(4), GAMMA)
            assert (weight * other**2).sum() >= (weight * least**2).sum() - 1e-12


def test_regret_is_of_the_best_policy_of_the_other():
    chance, reward, rng = drawn(2)
    mdp = Mdp(chance, np.zeros((8, 3)), np.full(8, 1 / 8))
    assert regret(reward, 5 * shaped(reward, rng.standard_normal(8), GAMMA), mdp, GAMMA) == pytest.approx(0, abs=1e-9)
    assert regret(reward, -reward, mdp, GAMMA) == pytest.approx(1)
    assert regret(0 * reward, reward, mdp, GAMMA) == 0
    other = rng.standard_normal(reward.shape)
    choice = best_actions(mdp, expected(other, chance), GAMMA)[1].argmax(axis=1)
    values = np.zeros(8)
    for _ in range(2000):  # by sweeps
        values = (chance * (reward + GAMMA * values)).sum(axis=2)[np.arange(8), choice]
    best, worst = np.zeros(8), np.zeros(8)
    for _ in range(2000):
        best = (chance * (reward + GAMMA * best)).sum(axis=2).max(axis=1)
        worst = (chance * (reward + GAMMA * worst)).sum(axis=2).min(axis=1)
    expected_share = (best.mean() - values.mean()) / (best.mean() - worst.mean())
    assert regret(reward, other, mdp, GAMMA) == pytest.approx(expected_share, rel=1e-6)


def test_ends_pay_nothing():
    _, reward, _ = drawn(3)
    ends = np.arange(8) == 5
    found = absorbing(reward, ends)
    assert not found[5].any() and (found[~ends] == reward[~ends]).all()
