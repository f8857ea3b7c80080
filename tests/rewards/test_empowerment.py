"""Empowerment's bonus recomputed, and higher where actions lead to more places."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up import STEPS, case, rollouts
from stochastic_world import ENVS

from rewardlab import discovery, seeding
from rewardlab.config.composition import compose
from rewardlab.errors import UserError
from rewardlab.maths.probes import probed
from rewardlab.networks.flat import encode_flat
from rewardlab.parts.models.prioritised_latents import PrioritisedLatents
from rewardlab.types import ActionSpec, BuildContext, EnvSpec, ObsSpec, Rollout

ACTIONS = 4
SPEC = EnvSpec("made-up choice", {"vector": ObsSpec((8,), "float32")}, ActionSpec(n=ACTIONS), None)


@torch.no_grad()
def test_bonus_recomputed() -> None:
    a_case = case("empowerment")
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    rollout.log_prob = torch.rand(STEPS, 4).log()
    here = scheme.encoder.layers(encode_flat(rollout.obs, a_case.spec.obs))
    there = scheme.encoder.layers(encode_flat(rollout.next_obs, a_case.spec.obs))
    logits = scheme.decoder(torch.cat([here, there], dim=-1)).numpy()
    guess = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    chosen = np.take_along_axis(guess, rollout.action.numpy()[..., None], axis=-1)[..., 0]
    expected = np.log(chosen) - rollout.log_prob.numpy()
    np.testing.assert_allclose(scheme.compute(rollout).streams["intrinsic"].numpy(), expected, rtol=1e-3, atol=1e-5)

    uniform, _ = case("empowerment", source="uniform").build()  # the same weights
    expected = np.log(chosen) + np.log(7)
    np.testing.assert_allclose(uniform.compute(rollout).streams["intrinsic"].numpy(), expected, rtol=1e-3, atol=1e-5)
    worth = scheme.worth(there).numpy()
    for source, value in (("best", np.log(np.exp(worth).sum(-1))), ("uniform", worth.mean(-1) + np.log(7))):
        state, _ = case("empowerment", paid="state", source=source).build()
        np.testing.assert_allclose(state.compute(rollout).streams["intrinsic"].numpy(), value, rtol=1e-3, atol=1e-5)


@torch.no_grad()
def test_a_continuous_action_has_a_gaussian_decoder() -> None:
    a_case = case("empowerment", world="continuous")
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    both = torch.cat([scheme.encoder(rollout.obs), scheme.encoder(rollout.next_obs)], dim=-1)
    mean, log_std = scheme.decoder(both).chunk(2, dim=-1)
    expected = torch.distributions.Normal(mean, log_std.exp()).log_prob(rollout.action).sum(-1) - rollout.log_prob
    torch.testing.assert_close(scheme.compute(rollout).streams["intrinsic"], expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(UserError, match="needs discrete actions"):
        case("empowerment", world="continuous", source="uniform").build()


def test_summing_over_actions_of_the_policy_is_refused() -> None:
    with pytest.raises(UserError, match="source=policy: not with paid=state"):
        compose(["reward=empowerment", "reward.paid=state"])
    with pytest.raises(UserError, match=r"told=2.0: only latents=prioritised has it"):
        compose(["reward=empowerment", "reward.told=2"])


def choices(rng: np.random.Generator, odds: np.ndarray, steps: int = 32) -> tuple[Rollout, np.ndarray]:
    """From places 0, 1, 2 the four actions lead to 1, 2 and 4 different outcomes; which place comes next is chance."""
    place = rng.integers(3, size=(steps, ENVS))
    action = np.stack([[rng.choice(ACTIONS, p=odds) for _ in range(ENVS)] for _ in range(steps)])
    outcome = np.where(place == 0, 0, np.where(place == 1, action % 2, action))
    eye = np.eye(8, dtype=np.float32)
    no = torch.zeros(steps, ENVS, dtype=torch.bool)
    shown, reached = torch.from_numpy(eye[place]), torch.from_numpy(eye[place] + eye[3 + outcome])
    rollout = Rollout(
        obs={"vector": shown}, next_obs={"vector": reached}, action=torch.from_numpy(action),
        task_reward=torch.zeros(steps, ENVS), terminated=no, truncated=no, success=no, first=~no,
        last_obs={"vector": shown[-1]}, last_first=no[0], agent_state0=None,
        log_prob=torch.from_numpy(np.log(odds[action])).float(), dist={},
        values=torch.zeros(steps + 1, ENVS, 1), final_values=torch.zeros(steps, ENVS, 1),
    )  # fmt: skip
    return rollout, place


def trained(spec: EnvSpec = SPEC, **options: object) -> tuple[object, np.random.Generator]:
    module = discovery.load("reward", "empowerment")
    context = BuildContext(spec, ENVS, torch.device("cpu"), seeding.torch_rng(0, "w"), seeding.numpy_rng(0, "w"), 0.99)
    config = module.Config(plugin="empowerment", learning_rate=3e-3, **options)
    return module.Scheme(config, context), np.random.default_rng(0)


@pytest.mark.parametrize(
    ("source", "odds"), [("policy", [0.25] * 4), ("policy", [0.1, 0.2, 0.3, 0.4]), ("uniform", [0.1, 0.2, 0.3, 0.4])]
)
def test_its_mean_is_the_information_of_action_and_outcome(source: str, odds: list[float]) -> None:
    """Outcomes are certain given the action, so the information is the entropy of the outcome under the source."""
    scheme, rng = trained(source=source)
    for _ in range(150):
        rollout, _ = choices(rng, np.array(odds))
        scheme.update(rollout)
    rollout, place = choices(rng, np.array(odds), steps=200)
    paid = scheme.compute(rollout).streams["intrinsic"].numpy()
    weights = np.array(odds) if source == "policy" else np.full(4, 0.25)
    sample = weights[rollout.action.numpy()] / np.array(odds)[rollout.action.numpy()]  # to means under the source
    pairs = np.array([weights[0] + weights[2], weights[1] + weights[3]])
    for where, outcomes in enumerate([np.ones(1), pairs, weights]):
        expected = -(outcomes * np.log(outcomes)).sum()
        found = (paid * sample)[place == where].mean() / sample[place == where].mean()
        assert found == pytest.approx(expected, abs=0.12)


def test_the_empowerment_of_a_state_is_the_log_of_how_many_places_it_leads_to() -> None:
    scheme, rng = trained(paid="state", source="best")
    for _ in range(250):
        rollout, _ = choices(rng, np.full(4, 0.25))
        scheme.update(rollout)
    with torch.no_grad():
        worth = scheme.bonus(_reaching(torch.eye(8)[:3]))  # type: ignore[attr-defined]
    np.testing.assert_allclose(worth[:, 0].numpy(), np.log([1, 2, 4]), atol=0.15)


def _reaching(places: torch.Tensor) -> Rollout:
    rollout, _ = choices(np.random.default_rng(1), np.full(4, 0.25), steps=len(places))
    return replace(rollout, next_obs={"vector": places.unsqueeze(1).expand(-1, ENVS, -1)})


DISTRACTED = EnvSpec("made-up walk", {"vector": ObsSpec((6,), "float32")}, ActionSpec(n=ACTIONS), None)


def walks(rng: np.random.Generator, seen: slice, steps: int = 32) -> tuple[Rollout, torch.Tensor]:
    """Two numbers that the four actions move up or down, and four that go their own way: AR(1), .95. All have
    variance 1; `seen` are those shown, the others are 0. Beside it what all six were after the step, [T, N, 6].
    """
    here = np.concatenate([rng.choice([-1.0, 1.0], (steps, ENVS, 2)), rng.standard_normal((steps, ENVS, 4))], axis=2)
    action = rng.integers(ACTIONS, size=(steps, ENVS))
    moved = np.stack([2.0 * (action % 2) - 1.0, 2.0 * (action // 2) - 1.0], axis=2)
    own = 0.95 * here[..., 2:] + (1 - 0.95**2) ** 0.5 * rng.standard_normal((steps, ENVS, 4))
    there = np.concatenate([moved, own], axis=2)
    shown = np.zeros(6)
    shown[seen] = 1.0
    no = torch.zeros(steps, ENVS, dtype=torch.bool)
    obs, following = (torch.from_numpy(each * shown).float() for each in (here, there))
    rollout = Rollout(
        obs={"vector": obs}, next_obs={"vector": following}, action=torch.from_numpy(action),
        task_reward=torch.zeros(steps, ENVS), terminated=no, truncated=no, success=no, first=~no,
        last_obs={"vector": obs[-1]}, last_first=no[0], agent_state0=None,
        log_prob=torch.full((steps, ENVS), -float(np.log(ACTIONS))), dist={},
        values=torch.zeros(steps + 1, ENVS, 1), final_values=torch.zeros(steps, ENVS, 1),
    )  # fmt: skip
    return rollout, torch.from_numpy(there)


@pytest.mark.parametrize(
    ("seen", "nats"), [(slice(0, 2), np.log(ACTIONS)), (slice(2, 6), 0.0), (slice(0, 6), np.log(ACTIONS))]
)
def test_prioritised_latents_are_paid_what_actions_decide(seen: slice, nats: float) -> None:
    """log A where every action leads elsewhere, nothing where it changes nothing seen, log A beside distractors."""
    scheme, rng = trained(DISTRACTED, latents="prioritised", hidden=32, features=4)
    for _ in range(60):
        before = float(scheme.latents.multiplier)  # type: ignore[attr-defined]
        metrics = scheme.update(walks(rng, seen)[0])  # type: ignore[attr-defined]
    paid = scheme.compute(walks(rng, seen, steps=400)[0]).streams["intrinsic"]  # type: ignore[attr-defined]
    assert float(paid.mean()) == pytest.approx(nats, abs=0.05)
    assert set(metrics) == set(scheme.metrics)  # type: ignore[attr-defined]
    assert (metrics["explore/multiplier"] > before) == (nats == 0.0)


def test_the_multiplier_drives_distractors_out_of_the_latents() -> None:
    """Two numbers of a latent for six of an observation: R^2 of a linear probe on what is seen next."""
    found = []
    for multiplier in (0.0, 1.0):
        options = {"multiplier": multiplier, "multiplier_rate": 0.0, "forward_coef": 0.1, "hidden": 32, "features": 2}
        scheme, rng = trained(DISTRACTED, latents="prioritised", **options)
        for _ in range(120):
            scheme.update(walks(rng, slice(0, 6))[0])  # type: ignore[attr-defined]
        rollout, numbers = walks(rng, slice(0, 6), steps=400)
        with torch.no_grad():
            latents = scheme.latents.sample(scheme.encoder(rollout.next_obs)).flatten(0, 1)  # type: ignore[attr-defined]
        half, numbers = len(latents) // 2, numbers.flatten(0, 1)
        told = probed(latents[:half], numbers[:half], latents[half:], numbers[half:])
        found.append((float(told[:2].mean()), float(told[2:].mean())))
    (state, distractors), (state_with, distractors_with) = found
    assert state_with > state + 0.1 and distractors_with < 0.05 < 0.1 < distractors


def test_what_latents_know_of_their_observations() -> None:
    """The bound by contrast and the divergence against torch's own distributions, an observation shown twice."""
    latents = PrioritisedLatents(DISTRACTED, 8, 3, 1.0, torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(1)
    rows, place = torch.randn(4, 6, generator=rng), torch.tensor([0, 1, 2, 2, 3])
    z, mean, action = torch.randn(5, 3, generator=rng), torch.randn(5, 3, generator=rng), torch.tensor([0, 3, 1, 1, 2])
    scores = (latents.query(z) / 3**0.5) @ latents.keys.layers(rows[place]).t()
    expected = (scores.diagonal() - scores.exp().mean(dim=1).log()).mean()
    torch.testing.assert_close(latents.information(z, rows, place), expected)
    one_hot = torch.nn.functional.one_hot(action, ACTIONS).float()
    foreseen, log_std = latents.forward_model(torch.cat([z, one_hot], dim=1)).chunk(2, dim=1)
    normal = torch.distributions.Normal
    kl = torch.distributions.kl_divergence(normal(mean, 1.0), normal(foreseen, log_std.exp())).sum(dim=1).mean()
    torch.testing.assert_close(latents.surprise(z, action, mean), kl)
    for told, after in ((0.4, 1.06), (3.0, 0.86), (99.0, 0.0)):
        latents.ascend(told, wanted=1.0, rate=0.1)
        assert float(latents.multiplier) == pytest.approx(after, abs=1e-5)
    point = torch.ones(2, requires_grad=True)
    latents.multiplier.fill_(0.25)
    latents.weighed(point).sum().backward()
    assert point.grad is not None and point.grad.tolist() == [0.25, 0.25]
