"""DEIR's bonus, queue and discriminator, recomputed; it learns to tell true successors from others."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up import STEPS, case, rollouts
from torch.nn import functional

from rewardlab.networks.flat import encode_flat
from rewardlab.parts.models.discriminator import fakes
from rewardlab.types import Rollout


@torch.no_grad()
def loops(scheme: object, made: list[Rollout]) -> np.ndarray:
    """Equation 4 over whole episodes, with the GRU of torch run step by step."""
    net, spec = scheme.discriminator, scheme.context.spec  # type: ignore[attr-defined]
    found = np.zeros((sum(rollout.steps for rollout in made), 4))
    for env in range(4):
        at = 0
        for rollout in made:
            obs = net.encoder.layers(encode_flat(rollout.obs, spec.obs)[:, env])
            reached = net.encoder.layers(encode_flat(rollout.next_obs, spec.obs)[:, env]).numpy()
            for t in range(rollout.steps):
                if rollout.first[t, env]:
                    seen, ways, state = [obs[t].numpy()], [np.zeros(obs.shape[1])], torch.zeros(obs.shape[1])
                state = net.trajectories.cell(obs[t : t + 1], state[None])[0]
                ratios = [
                    ((reached[t] - one) ** 2).sum() / (np.sqrt(((state.numpy() - way) ** 2).sum()) + 1e-6)
                    for one, way in zip(seen, ways, strict=True)
                ]
                found[at, env] = min(ratios)
                seen.append(reached[t])
                ways.append(state.numpy())
                at += 1
    return found


def test_bonus_over_rollouts_recomputed() -> None:
    a_case = case("deir", normalise_reward=False, features=8)
    scheme, _ = a_case.build()
    made = rollouts(a_case, STEPS, 1, 6, STEPS)
    found = torch.cat([scheme.compute(rollout).streams["intrinsic"] for rollout in made])
    expected = loops(scheme, made)
    assert (expected < 1e-6).any() and (expected > 1e-3).any()  # some states come again
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-3, atol=1e-5)


def test_standardised_by_moments_from_before_the_rollout() -> None:
    made = rollouts(case("deir"), STEPS, STEPS, STEPS)
    plain, _ = case("deir", normalise_reward=False).build()
    raw = [plain.compute(rollout).streams["intrinsic"].double().numpy() for rollout in made]
    scheme, _ = case("deir", normalise_reward=False, momentum=0.5).build()  # the same weights, not warmed up
    scheme.config.normalise_reward = True
    mean, variance = 0.0, 1.0
    for number, (rollout, novelty) in enumerate(zip(made, raw, strict=True)):
        expected = (novelty - mean) / np.sqrt(variance)
        found = scheme.compute(rollout).streams["intrinsic"].numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
        keep = 0.5 if number else 0.0
        mean = keep * mean + (1 - keep) * novelty.mean()
        variance = keep * variance + (1 - keep) * ((novelty - mean) ** 2).mean()


def test_the_queue_takes_what_is_at_least_as_new_as_the_mean() -> None:
    a_case = case("deir", normalise_reward=False)
    scheme, _ = a_case.build()
    first, second = rollouts(a_case, STEPS, STEPS)
    scheme.compute(first)
    assert len(scheme.queue) == STEPS * 4  # at first everything
    mean = scheme.moments.mean
    novelty = scheme.compute(second).streams["intrinsic"]
    assert len(scheme.queue) == STEPS * 4 + int((novelty >= mean).sum())
    newest = scheme.queue.state_dict()["entries"]["image"][STEPS * 4 :]
    assert torch.equal(newest, second.next_obs["image"][novelty >= mean])


def test_fakes_differ_from_the_true_successor_or_are_left_out() -> None:
    candidates = torch.tensor([[1, 2, 1, 1], [2, 1, 1, 3]])
    fake, usable = fakes(torch.tensor([1, 1, 1, 3]), candidates)
    assert (fake * usable.long()).tolist() == [2, 2, 0, 1]


def test_loss_recomputed() -> None:
    a_case = case("deir", learning_rate=1e-12, batch_size=10_000)
    scheme, context = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    scheme.compute(rollout)
    net, spec = scheme.discriminator, a_case.spec
    state = context.generator.get_state()
    metrics = scheme.update(rollout)
    generator = torch.Generator().set_state(state)
    drawn = encode_flat(scheme.queue.draw(2 * STEPS * 4, generator), spec.obs)
    index = torch.randperm(STEPS * 4, generator=generator)
    losses: dict[str, list[float]] = {"true": [], "fake": []}
    with torch.no_grad():
        before = torch.zeros(STEPS, 4, a_case.config.features)
        for t in range(1, STEPS):
            alive = (~rollout.first[t - 1]).unsqueeze(-1)
            state_before = net.trajectories.cell(net.encoder(rollout.obs)[t - 1], before[t - 1] * alive)
            before[t] = state_before * (~rollout.first[t]).unsqueeze(-1)
        for place, number in enumerate(index.tolist()):
            t, env = divmod(number, 4)
            true = encode_flat(rollout.next_obs, spec.obs)[t, env]
            fake = drawn[place] if (drawn[place] != true).any() else drawn[STEPS * 4 + place]
            here = net.trajectories.cell(net.encoder(rollout.obs)[t, env][None], before[t, env][None])
            action = functional.one_hot(rollout.action[t, env], 7).float()[None]
            for kind, candidate, label in (("true", true, 1.0), ("fake", fake, 0.0)):
                if kind == "fake" and torch.equal(candidate, true):
                    continue
                there = net.trajectories.cell(net.encoder.layers(candidate)[None], here)
                odds = torch.sigmoid(net.head(torch.cat([here, there, action], dim=-1)))[0, 0]
                losses[kind].append(float(functional.binary_cross_entropy(odds, torch.tensor(label))))
    expected = 0.5 * (np.mean(losses["true"]) + np.mean(losses["fake"]))
    assert metrics["loss/deir_discriminator"] == pytest.approx(expected, rel=1e-3)


def test_what_only_the_agent_sees_changes_nothing() -> None:
    """A conditioner's goal makes frames differ that are one to the scheme."""
    found = []
    for goal in (False, True):
        scheme, _ = case("deir", batch_size=16).build()
        rollout = rollouts(case("deir", batch_size=16), STEPS)[0]
        if goal:
            goals = {name: torch.arange(STEPS * 4.0).view(STEPS, 4, 1) for name in ("obs", "next_obs")}
            shown = {name: {**getattr(rollout, name), "goal": entry} for name, entry in goals.items()}
            rollout = replace(rollout, **shown, last_obs={**rollout.last_obs, "goal": torch.zeros(4, 1)})
        paid = scheme.compute(rollout).streams["intrinsic"]
        found.append((paid, torch.tensor(list(scheme.update(rollout).values()))))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_it_learns_to_tell_true_successors() -> None:
    a_case = case("deir", learning_rate=3e-3, batch_size=64)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    rollout.next_obs = {"image": rollout.obs["image"].clone()}
    rollout.next_obs["image"][..., 0, 0] = rollout.action.to(torch.uint8).unsqueeze(-1)  # the action shows
    scheme.compute(rollout)
    metrics = [scheme.update(rollout) for _ in range(60)]
    assert metrics[0]["explore/deir_accuracy"] < 0.7 < 0.9 < metrics[-1]["explore/deir_accuracy"]
    assert metrics[-1]["loss/deir_discriminator"] < 0.3
