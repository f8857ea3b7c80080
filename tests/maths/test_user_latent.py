"""Several users: the parts of the bound and the scales of rewards against plain loops."""

import math

import pytest
import torch

from rewardlab.maths.user_latent import cyclical_weight, on_one_scale, set_loss


def test_the_weight_rises_by_a_cosine_in_each_cycle() -> None:
    found = [cyclical_weight(step, 40, 4) for step in range(40)]
    assert found == pytest.approx([(1 - math.cos(math.pi * (step % 10) / 10)) / 2 for step in range(40)])
    assert found[0] == found[10] == found[20] == 0.0 and found[5] == pytest.approx(0.5) and found[9] > 0.97


def test_the_loss_is_cross_entropies_of_a_set_and_twice_the_divergence() -> None:
    rng = torch.Generator().manual_seed(0)
    difference, mean, log_std = (torch.randn(3, width, generator=rng) for width in (4, 2, 2))
    preferred = torch.tensor([[1.0, 0.0, 0.5, 1.0]] * 3)
    prior = {"mean": torch.tensor([0.3, -0.5]), "log_std": torch.tensor([0.1, -0.2])}
    loss, divergence = set_loss(difference, preferred, {"mean": mean, "log_std": log_std}, prior, 0.25)
    entropies = divergences = 0.0
    for i in range(3):
        for d, y in zip(difference[i].tolist(), preferred[i].tolist(), strict=True):
            chance = 1 / (1 + math.exp(-d))
            entropies -= y * math.log(chance) + (1 - y) * math.log(1 - chance)
        own = torch.distributions.Normal(mean[i], log_std[i].exp())
        of_all = torch.distributions.Normal(prior["mean"], prior["log_std"].exp())
        divergences += float(torch.distributions.kl_divergence(own, of_all).sum())
    assert float(divergence) == pytest.approx(divergences / 3, rel=1e-5)
    assert float(loss) == pytest.approx(entropies / 3 + 0.5 * divergences / 3, rel=1e-5)


def test_scales_of_users() -> None:
    rewards, compared = torch.tensor([2.0, -1.0]), torch.tensor([[1.0, -4.0, 0.0], [3.0, 0.5, -2.0]])
    assert on_one_scale(rewards, compared, "none").tolist() == [2.0, -1.0]
    assert on_one_scale(rewards, compared, "max").tolist() == pytest.approx([2 / 4, -1 / 3])
    for user, r in enumerate(rewards.tolist()):
        others = compared[user].tolist()
        mean = math.log(sum(math.exp(other) for other in others) / 3)
        spo = sum(1 / (1 + math.exp(other - r)) for other in others) / 3
        assert float(on_one_scale(rewards, compared, "learned")[user]) == pytest.approx(math.exp(1e-3 * (r - mean)))
        assert float(on_one_scale(rewards, compared, "spo")[user]) == pytest.approx(spo)
    # A constant that all rewards of a user have in common is taken away.
    moved = on_one_scale(rewards + 5, compared + 5, "spo")
    assert torch.allclose(moved, on_one_scale(rewards, compared, "spo"))
