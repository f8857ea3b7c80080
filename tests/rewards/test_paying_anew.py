"""What schemes pay replayed steps: the same as a rollout's, by the same models."""

import numpy as np
import pytest
import torch

from rewardlab import discovery
from rewardlab.config import composition
from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.types import Rollout, Transitions

PLAIN = ["reward.normalise_reward=false"]
SCHEMES = {
    "rnd": ["reward=rnd", *PLAIN, "reward.normalise_observation=false"],
    "icm": ["reward=icm", *PLAIN],
    "disagreement": ["reward=disagreement", *PLAIN, "reward.normalise_observation=false"],
    "disagreement of learned features": ["reward=disagreement", *PLAIN, "reward.features_from=inverse"],
}


def build(*overrides: str):
    config = composition.compose([*overrides]).config.reward
    spec = worlds(config.privileged())["grid"]
    scheme = discovery.load("reward", config.plugin).Scheme(config, new_context(spec))
    rng, renderer = np.random.default_rng(0), Renderer(spec, seed=1)
    first = write_script(rng, spec, 12, 4)
    return scheme, [renderer.rollout(first), renderer.rollout(write_script(rng, spec, 12, 4, first))]


def steps_of(rollout: Rollout) -> Transitions:
    facts = {f"privileged.{name}": fact.flatten(0, 1) for name, fact in rollout.privileged.items()}
    obs, next_obs = ({k: v.flatten(0, 1) for k, v in e.items()} for e in (rollout.obs, rollout.next_obs))
    return Transitions(obs, rollout.action.flatten(0, 1), facts, next_obs)


@pytest.mark.parametrize("name", SCHEMES)
def test_a_step_is_paid_as_in_a_rollout(name: str) -> None:
    scheme, (one, two) = build(*SCHEMES[name])
    scheme.compute(one)
    scheme.update(one)
    paid = scheme.rewards_of(steps_of(two))["intrinsic"]
    assert paid.std() > 0
    assert torch.allclose(paid, scheme.compute(two).streams["intrinsic"].flatten(), atol=1e-6)


@pytest.mark.parametrize("scheme", ["rnd", "icm", "disagreement"])
def test_it_is_divided_by_the_running_deviation(scheme: str) -> None:
    options = ["reward.normalise_observation=false"] if scheme != "icm" else []
    found = []
    for normalised in ("true", "false"):
        made, (one, two) = build(f"reward={scheme}", f"reward.normalise_reward={normalised}", *options)
        made.compute(one)
        deviation = float(made.returns._moments.std) if normalised == "true" else 1.0
        found.append(made.rewards_of(steps_of(two))["intrinsic"] * deviation)
    assert torch.allclose(found[0], found[1], rtol=1e-4)


@pytest.mark.parametrize("key", ["view", "state", "simhash"])
def test_counts_are_those_of_now(key: str) -> None:
    scheme, (one, two) = build("reward=count", f"reward.key={key}")
    scheme.compute(one)
    scheme.compute(two)
    keys = np.concatenate([scheme.keys.reached(rollout).ravel() for rollout in (one, two)])
    expected = [(keys == each).sum() ** -0.5 for each in scheme.keys.reached(one).ravel()]
    assert scheme.rewards_of(steps_of(one))["intrinsic"].tolist() == pytest.approx(expected)
    assert len(set(expected)) > 1


def test_a_mix_pays_by_the_names_of_its_schemes() -> None:
    scheme, (one, two) = build("reward=mix", "+reward@reward.schemes.icm=icm")
    assert scheme.pays_anew
    scheme.compute(one)
    paid, steps = scheme.rewards_of(steps_of(two)), steps_of(two)
    assert set(paid) == {spec.name for spec in scheme.streams} - {"task"}
    assert torch.equal(paid["icm"], scheme.schemes["icm"].rewards_of(steps)["intrinsic"])
    assert not build("reward=mix", "+reward@reward.schemes.ride=ride")[0].pays_anew
