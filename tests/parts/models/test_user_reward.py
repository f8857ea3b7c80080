"""Two users on the unit square who want different places: one reward can't serve both, a latent can."""

import pytest
import torch

from rewardlab.maths.user_latent import cyclical_weight, set_loss
from rewardlab.networks.adam import Adam
from rewardlab.parts.models.pooled_rewards import CategoricalReward, MeanVarianceReward
from rewardlab.parts.models.user_reward import UserReward

PLACES = torch.tensor([[0.1, 0.5], [0.9, 0.5]])
SIZE, SETS, STEPS, BATCH = 8, 600, 450, 128


def asked(count: int, size: int, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs [B, S, 2, 2], which of each lies nearer to the user's place [B, S], and the users [B]."""
    user = torch.randint(2, (count,), generator=rng)
    return *judged(torch.rand(count, size, 2, 2, generator=rng), user), user


def judged(pairs: torch.Tensor, user: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    away = (pairs - PLACES[user][:, None, None]).norm(dim=-1)
    return pairs, (away[..., 0] < away[..., 1]).float()


def learned(latent: int, encoder: str = "mean", kind: str = "bt") -> UserReward:
    rng = torch.Generator().manual_seed(0)
    pairs, preferred, _ = asked(SETS, SIZE, rng)
    if kind == "bt":
        model = UserReward(2, latent, SIZE, encoder, (64, 64), rng)
    else:
        pooled = {"mean_variance": MeanVarianceReward, "categorical": CategoricalReward}
        model = pooled[kind](2, SIZE, (64, 64), rng)
    optimiser = Adam(model.parameters(), 3e-3)
    for step in range(STEPS):
        places = torch.randint(SETS, (BATCH,), generator=rng)
        posterior = model.posterior(2 * pairs[places] - 1, preferred[places])
        odds, more = model.judged(2 * pairs[places] - 1, model.drawn(posterior, rng)[:, None, None])
        weight = cyclical_weight(step, STEPS, 4)
        loss, _ = set_loss(odds, preferred[places], posterior, model.prior, weight)
        optimiser.step(optimiser.gradient(loss + SIZE * more))
    return model


@torch.no_grad()
def told(model: UserReward) -> tuple[float, torch.Tensor, torch.Tensor]:
    """How often it is right on new pairs of new sets' users; the latents of those, and who they are."""
    rng = torch.Generator().manual_seed(1)
    pairs, preferred, user = asked(500, SIZE, rng)
    latent = model.posterior(2 * pairs - 1, preferred)["mean"]
    new, answers = judged(torch.rand(500, 16, 2, 2, generator=rng), user)
    rewards = model(2 * new - 1, latent[:, None, None])
    right = (rewards[..., 0] > rewards[..., 1]) == (answers > 0.5)
    return float(right.float().mean()), latent, user


@pytest.mark.parametrize("kind", ["bt", "mean_variance", "categorical"])
def test_one_reward_for_both_is_right_little_more_than_half_the_time(kind: str) -> None:
    model = learned(0, kind=kind)
    right, _, _ = told(model)
    assert 0.55 < right < 0.7
    line = torch.linspace(0, 1, 41)
    rewards = model(2 * torch.stack([line, torch.full_like(line, 0.5)], dim=1) - 1, torch.zeros(0)).detach()
    assert 0.3 < float(line[rewards.argmax()]) < 0.7  # half way between what they want


def test_a_latent_tells_the_users_apart() -> None:
    model = learned(8)
    right, latent, user = told(model)
    assert right > 0.94
    with_one = torch.cat([latent, torch.ones(len(latent), 1)], dim=1)
    side = 2.0 * user - 1.0
    probe = torch.linalg.lstsq(with_one[:250], side[:250, None]).solution
    assert float((((with_one[250:] @ probe)[:, 0] > 0) == (side[250:] > 0)).float().mean()) > 0.95


@pytest.mark.parametrize("encoder", ["mean", "concat"])
def test_the_order_of_a_set_counts_only_where_it_is_read_one_after_the_other(encoder: str) -> None:
    rng = torch.Generator().manual_seed(2)
    model = UserReward(2, 3, SIZE, encoder, (16,), rng)
    pairs, preferred, _ = asked(5, SIZE, rng)
    order = torch.randperm(SIZE, generator=rng)
    found = model.posterior(pairs, preferred)["mean"]
    turned = model.posterior(pairs[:, order], preferred[:, order])["mean"]
    assert torch.allclose(found, turned, atol=1e-6) == (encoder == "mean")
