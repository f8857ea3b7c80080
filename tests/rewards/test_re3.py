"""RE3 and RISE: distances to the nearest of what was met lately, by loops."""

import math

import numpy as np
import pytest
from made_up import STEPS, case, numpy_network, numpy_view, rollouts

from rewardlab.errors import UserError
from rewardlab.rewards.bonus import re3
from rewardlab.schemas import check


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize(("entropy", "order"), [("shannon", 0.5), ("renyi", 0.5), ("renyi", 0.1)])
def test_bonus_recomputed(entropy: str, order: float, scale: bool, average: bool) -> None:
    a_case = case("re3", entropy=entropy, order=order, scale_distance=scale, average=average, memory=50, neighbours=4)
    scheme, _ = a_case.build()
    met: list[np.ndarray] = []  # features of the rollouts before, one entry a vector step
    distances: list[float] = []
    for rollout in rollouts(a_case, 20, 9, 20):
        features = numpy_network(scheme.encoder, numpy_view(rollout.next_obs))
        remembered = np.concatenate([*met[-12:], *features])  # 50 // 4 whole steps, and the rollout itself
        found = np.zeros((rollout.steps, 4))
        for t in range(rollout.steps):
            for env in range(4):
                near = sorted(math.dist(features[t, env], other) for other in remembered)[1:5]  # not itself
                found[t, env] = np.mean(near) if average else near[3]
        distances += found.ravel().tolist()
        scaled = found / np.sqrt(np.var(distances) + 1e-8) if scale else found
        expected = np.log(scaled + 1.0) if entropy == "shannon" else scaled ** (1.0 - order)
        paid = scheme.compute(rollout).streams["intrinsic"].numpy()
        np.testing.assert_allclose(paid, expected, rtol=1e-3, atol=1e-4)
        assert scheme.update(rollout)["explore/neighbour_distance"] == pytest.approx(found.mean(), rel=1e-4)
        met += list(features)


def test_the_encoder_never_learns() -> None:
    a_case = case("re3")
    scheme, _ = a_case.build()
    before = [weight.clone() for weight in scheme.encoder.parameters()]
    for rollout in rollouts(a_case, STEPS, STEPS):
        scheme.compute(rollout)
        scheme.update(rollout)
    assert all((old == new).all() for old, new in zip(before, scheme.encoder.parameters(), strict=True))


@pytest.mark.parametrize("order", [0.0, 1.0, 1.5])
def test_orders_of_which_nothing_is_known_are_refused(order: float) -> None:
    with pytest.raises(UserError, match=f"order={order}: must be"):
        check(re3.Config(plugin="re3", order=order))
