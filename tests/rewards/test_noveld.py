"""NovelD's bonus, step by step over episodes and rollouts."""

import numpy as np
import pytest
import torch
from made_up import case, numpy_network, numpy_view, rollouts, steps_of, what_is_seen

from rewardlab.types import Rollout


@pytest.mark.parametrize("key", ["view", "state"])
@pytest.mark.parametrize("alpha", [0.5, 0.1])
def test_bonus_recomputed(key: str, alpha: float) -> None:
    a_case = case("noveld", key=key, alpha=alpha, learning_rate=1e-2)
    scheme, _ = a_case.build()
    made = rollouts(a_case, 20, 9, 20)
    paid, novelty = [], []
    for rollout in made:
        novelty.append([novelty_of(scheme, obs) for obs in (rollout.obs, rollout.next_obs)])
        paid.append(scheme.compute(rollout).streams["intrinsic"].numpy())
        scheme.update(rollout)
    been: dict[tuple[int, int], set[object]] = {}
    revisits = 0
    for number, t, env, episode, begins in steps_of(made):
        rollout, (before, after) = made[number], novelty[number]
        if begins:
            been[episode] = {state(rollout, key, t, env, start=True)}
        reached = state(rollout, key, t, env, start=False)
        expected = max(after[t, env] - alpha * before[t, env], 0.0) if reached not in been[episode] else 0.0
        assert paid[number][t, env] == pytest.approx(expected, rel=1e-4, abs=1e-5)
        revisits += reached in been[episode]
        been[episode].add(reached)
    assert revisits > 30  # the test has met what it is about


@pytest.mark.parametrize(
    ("name", "episodic", "options"),
    [("noveld", "first_visits", {}), ("ride", "count", {"scope": "episodic"}), ("ngu", "pseudocount", {})],
)
def test_halves_of_a_bonus_alone(name: str, episodic: str, options: dict[str, str]) -> None:
    """One rollout before anything is learned, so that all three see the same networks."""
    paid = {}
    halves = {"both": (name, {}), "episodic": (episodic, options), "lifelong": (name, {"scope": "lifelong"})}
    for scope, (scheme_name, given) in halves.items():
        a_case = case(scheme_name, **given)
        scheme, _ = a_case.build()
        (rollout,) = rollouts(a_case, 30)
        paid[scope] = scheme.compute(rollout).streams["intrinsic"]
        assert set(scheme.update(rollout)) == set(scheme.metrics)
        assert scheme.clears("intrinsic") == (scope != "lifelong")
    factor = paid["lifelong"] + 1.0 if name == "ngu" else paid["lifelong"]
    torch.testing.assert_close(paid["both"], paid["episodic"] * factor)
    if name == "noveld":
        assert set(paid["episodic"].unique().tolist()) == {0.0, 1.0}
    assert all(len(each.unique()) > 1 and (each >= 0).all() for each in paid.values())
    assert (paid["lifelong"] != paid["both"]).any()


def test_share_of_first_visits_is_told() -> None:
    a_case = case("noveld")
    scheme, _ = a_case.build()
    (rollout,) = rollouts(a_case, 30)
    bonus = scheme.compute(rollout).streams["intrinsic"]
    share = scheme.update(rollout)["explore/first_visits"]
    assert 0 < float((bonus > 0).float().mean()) <= share < 1


def test_the_predictor_learns_and_novelty_fades() -> None:
    a_case = case("noveld", learning_rate=1e-2)
    scheme, _ = a_case.build()
    (rollout,) = rollouts(a_case, 30)
    before = novelty_of(scheme, rollout.next_obs).mean()
    scheme.compute(rollout)
    for _ in range(30):
        scheme.update(rollout)
    assert novelty_of(scheme, rollout.next_obs).mean() < 0.5 * before


def test_the_view_is_the_default_and_the_full_state_is_declared() -> None:
    assert case("noveld").build()[0].assumes == frozenset()
    scheme, _ = case("noveld", key="state").build()
    assert scheme.assumes == {"privileged"} and scheme.privileged == ("state_hash",)


def state(rollout: Rollout, key: str, t: int, env: int, start: bool) -> object:
    if key == "state":
        return int((rollout.current_privileged if start else rollout.privileged)["state_hash"][t, env])
    return what_is_seen(rollout.obs if start else rollout.next_obs, t, env)


def novelty_of(scheme: object, obs: dict[str, torch.Tensor]) -> np.ndarray:
    networks = scheme.distillation  # type: ignore[attr-defined]
    view = numpy_view(obs)
    gap = numpy_network(networks.target, view) - numpy_network(networks.predictor, view)
    return np.sqrt((gap**2).sum(axis=-1))
