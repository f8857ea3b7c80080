"""Elliptical bonuses against matrices that are inverted outright."""

import numpy as np
import torch

from rewardlab.parts.memories.elliptical_memory import EllipticalMemory

RIDGE, SIZE, STEPS, ENVS = 0.1, 5, 40, 3


def episodes(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of the observations acted on and of the successors, and where episodes begin."""
    rng = np.random.default_rng(seed)
    first = rng.random((STEPS, ENVS)) < 0.15
    first[0] = True
    here, there = rng.normal(size=(STEPS, ENVS, SIZE)), rng.normal(size=(STEPS, ENVS, SIZE))
    here[1:] = np.where(first[1:, :, None], here[1:], there[:-1])
    return here, there, first


def loops(here: np.ndarray, there: np.ndarray, first: np.ndarray, paid: str) -> np.ndarray:
    worth = np.zeros(first.shape)
    for env in range(ENVS):
        for t in range(STEPS):
            if first[t, env]:
                covariance = RIDGE * np.eye(SIZE)
            feature = here[t, env]
            before = feature @ np.linalg.inv(covariance) @ feature
            covariance = covariance + np.outer(feature, feature)
            if paid == "current":
                worth[t, env] = 0.0 if first[t, env] else before
            else:
                worth[t, env] = there[t, env] @ np.linalg.inv(covariance) @ there[t, env]
    return worth


def memory() -> EllipticalMemory:
    return EllipticalMemory(ENVS, SIZE, RIDGE)


def arrivals(one: EllipticalMemory, here: np.ndarray, there: np.ndarray, first: np.ndarray) -> np.ndarray:
    begins = torch.from_numpy(first)
    return one.arrivals(torch.from_numpy(here)[begins], torch.from_numpy(there), begins).numpy()


def test_arrivals_are_worth_what_the_formula_says_through_ends_and_rollouts() -> None:
    here, there, first = episodes()
    expected = loops(here, there, first, "successor")
    one = memory()
    found = [arrivals(one, here[cut], there[cut], first[cut]) for cut in (slice(0, 17), slice(17, 18), slice(18, None))]
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-5)


def test_visits_are_worth_the_same_a_step_later_and_the_first_nothing() -> None:
    here, there, first = episodes(1)
    one, whole = memory(), loops(here, there, first, "current")
    found = [
        one.visits(torch.from_numpy(here[cut]), torch.from_numpy(first[cut])) for cut in (slice(0, 9), slice(9, None))
    ]
    np.testing.assert_allclose(torch.cat(found).numpy(), whole, rtol=1e-5)
    arrived = loops(here, there, first, "successor")
    within = ~first[1:]
    np.testing.assert_allclose(whole[1:][within], arrived[:-1][within])


def test_long_episodes_of_like_features_stay_exact() -> None:
    """Where nearly equal numbers are subtracted for thousands of steps."""
    rng = np.random.default_rng(2)
    features = 10.0 + 0.01 * rng.normal(size=(3000, 1, SIZE))
    first = np.zeros((3000, 1), dtype=bool)
    first[0] = True
    one = EllipticalMemory(1, SIZE, RIDGE)
    found = one.visits(torch.from_numpy(features), torch.from_numpy(first))[-1, 0]
    seen = features[:-1, 0]
    exact = features[-1, 0] @ np.linalg.inv(RIDGE * np.eye(SIZE) + seen.T @ seen) @ features[-1, 0]
    np.testing.assert_allclose(float(found), exact, rtol=1e-4)


def test_orthogonal_features_count_like_visits() -> None:
    """With one-hot features the bonus is 1 / (ridge + visits)."""
    features = torch.eye(SIZE)[[0, 1, 0, 0, 1]].unsqueeze(1)
    first = torch.tensor([[True], [False], [False], [False], [False]])
    found = EllipticalMemory(1, SIZE, RIDGE).visits(features, first)
    torch.testing.assert_close(found[:, 0], torch.tensor([0.0, 1 / 0.1, 1 / 1.1, 1 / 2.1, 1 / 1.1]))
