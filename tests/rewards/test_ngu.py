"""NGU: the episodic bonus of the pseudo-count times the lifelong modulator, recomputed from the whole history."""

import numpy as np
import pytest
from made_up import case, numpy_network, numpy_view, rollouts
from test_pseudocount import embeddings, episodic_bonus


@pytest.mark.parametrize("scale_error", [True, False])
@pytest.mark.parametrize("most", [5.0, 1.2])
def test_bonus_recomputed(scale_error: bool, most: float) -> None:
    a_case = case("ngu", scale_error=scale_error, most=most, distance_momentum=None, learning_rate=1e-2)
    scheme, _ = a_case.build()
    made = rollouts(a_case, 20, 9, 20)
    paid, embedded, modulators = [], [], []
    views: list[np.ndarray] = []
    errors: list[np.ndarray] = []
    for rollout in made:
        embedded.append(embeddings(scheme, rollout))
        view = numpy_view(rollout.next_obs)
        history = np.concatenate(views) if views else view.reshape(-1, view.shape[-1])  # moments from before
        inputs = np.clip((view - history.mean(axis=0)) / np.sqrt(history.var(axis=0) + 1e-8), -5.0, 5.0)
        views.append(view.reshape(-1, view.shape[-1]))
        networks = scheme.distillation
        gap = numpy_network(networks.target, inputs) - numpy_network(networks.predictor, inputs)
        error = (gap**2).mean(axis=-1)
        errors.append(error.ravel())
        all_ = np.concatenate(errors)
        scaled = (error - all_.mean()) / all_.std() if scale_error else error
        modulators.append(np.clip(1.0 + scaled, 1.0, most))
        paid.append(scheme.compute(rollout).streams["intrinsic"].numpy())
        scheme.update(rollout)
    for found, episodic, modulator in zip(paid, episodic_bonus(made, embedded, 10), modulators, strict=True):
        np.testing.assert_allclose(found, episodic * modulator, rtol=1e-2)
    assert any((modulator > 1.1).any() for modulator in modulators)


def test_metrics_and_models() -> None:
    a_case = case("ngu")
    scheme, _ = a_case.build()
    (rollout,) = rollouts(a_case, 30)
    scheme.compute(rollout)
    before = [weight.clone() for weight in scheme.distillation.target.parameters()]
    metrics = scheme.update(rollout)
    assert set(metrics) == set(scheme.metrics) and all(value > 0 for value in metrics.values())
    after = scheme.distillation.target.parameters()
    assert all((old == new).all() for old, new in zip(before, after, strict=True))
