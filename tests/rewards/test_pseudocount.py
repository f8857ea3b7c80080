"""The pseudo-count's bonus, step by step over episodes and rollouts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up import STEPS, case, numpy_network, numpy_view, rollouts, steps_of

from rewardlab.types import Rollout


@pytest.mark.parametrize(("neighbours", "momentum"), [(10, None), (2, None), (3, 0.6)])
def test_bonus_recomputed(neighbours: int, momentum: float | None) -> None:
    a_case = case("pseudocount", neighbours=neighbours, distance_momentum=momentum, learning_rate=1e-2)
    scheme, _ = a_case.build()
    made = rollouts(a_case, 20, 9, 20)
    paid, embedded = [], []
    for rollout in made:
        embedded.append(embeddings(scheme, rollout))
        paid.append(scheme.compute(rollout).streams["intrinsic"].numpy())
        scheme.update(rollout)
    expected = episodic_bonus(made, embedded, neighbours, momentum)
    for found, wanted in zip(paid, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=5e-3)


def test_a_state_met_again_and_again_ends_up_paying_little() -> None:
    a_case = case("pseudocount")
    scheme, _ = a_case.build()
    (rollout,) = rollouts(a_case, STEPS)
    rollout.first[1:] = False
    first = scheme.compute(rollout).streams["intrinsic"]
    stays = {"image": rollout.next_obs["image"][:1].repeat(STEPS, 1, 1, 1, 1)}  # it stands still
    rollout.first[:] = False
    still = scheme.compute(replace(rollout, next_obs=stays)).streams["intrinsic"]
    assert float(still[20:].max()) < 0.4 < float(first[0].min())  # ten equal neighbours: 1 / sqrt(10)


def test_memory_is_bounded_by_the_longest_episode() -> None:
    scheme, context = case("pseudocount").build()
    assert context.spec.max_steps == 100
    assert scheme.memory._limit == 101


@pytest.mark.parametrize("world", ["grid", "mission", "vector", "continuous"])
def test_every_kind_of_world_fits(world: str) -> None:
    a_case = case("pseudocount", world=world)
    scheme, _ = a_case.build()
    for rollout in rollouts(a_case, STEPS, 3):
        assert bool(torch.isfinite(scheme.compute(rollout).streams["intrinsic"]).all())
        assert all(np.isfinite(value) for value in scheme.update(rollout).values())


def embeddings(scheme: object, rollout: Rollout) -> list[np.ndarray]:
    """Of obs and next_obs, by the encoder as it is now."""
    layers = scheme.embed.inverse.encoder.layers  # type: ignore[attr-defined]
    return [numpy_network(layers, numpy_view(obs)) for obs in (rollout.obs, rollout.next_obs)]


def episodic_bonus(
    made: list[Rollout], embedded: list[list[np.ndarray]], neighbours: int, momentum: float | None = None
) -> list[np.ndarray]:
    """Algorithm 1 of Never Give Up with the paper's constants, a mean distance of each environment's own."""
    memory: dict[tuple[int, int], list[np.ndarray]] = {}
    nearest: list[dict[tuple[int, int], list[float]]] = [{} for _ in made]
    for number, t, env, episode, begins in steps_of(made):
        before, after = embedded[number]
        if begins:
            memory[episode] = [before[t, env]]
        distances = sorted(float(((after[t, env] - other) ** 2).sum()) for other in memory[episode])
        nearest[number][t, env] = distances[:neighbours]
        memory[episode].append(after[t, env])
    bonuses, seen, mean = [], [[] for _ in range(4)], [0.0] * 4
    for found, rollout in zip(nearest, made, strict=True):
        bonus = np.zeros((rollout.steps, 4))
        for env in range(4):
            new = [distance for t in range(rollout.steps) for distance in found[t, env]]
            old, seen[env] = seen[env], seen[env] + new
            if momentum is None or not old:
                mean[env] = float(np.mean(seen[env]))
            else:
                mean[env] = momentum * mean[env] + (1 - momentum) * float(np.mean(new))
            for t in range(rollout.steps):
                scaled = [max(distance / mean[env] - 0.008, 0.0) for distance in found[t, env]]
                root = np.sqrt(sum(0.0001 / (distance + 0.0001) for distance in scaled)) + 0.001
                bonus[t, env] = 1.0 / root if root <= 8 else 0.0
        bonuses.append(bonus)
    return bonuses
