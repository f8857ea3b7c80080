"""Several users: the parts of the bound and the scales of rewards against plain loops."""

import math

import numpy as np
import pytest
import torch

from rewardlab.maths.distributional_preferences import categorical_odds, negative_entropy, normal_odds
from rewardlab.maths.user_latent import cyclical_weight, information_gain, on_one_scale, set_loss


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


def test_odds_between_distributions_are_those_of_a_double_sum_and_of_a_normal_difference() -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(3, 2, 5)))
    one, other = (torch.softmax(logits, dim=-1)[:, k].numpy() for k in (0, 1))
    for b in range(3):
        chance = sum(one[b, i] * other[b, j] * (1.0 if i > j else 0.5 * (i == j)) for i in range(5) for j in range(5))
        assert float(categorical_odds(logits)[b]) == pytest.approx(math.log(chance / (1 - chance)))
    mean, log_variance = (torch.from_numpy(rng.normal(size=(3, 2))) for _ in range(2))
    for b in range(3):
        spread = math.sqrt(math.exp(log_variance[b, 0]) + math.exp(log_variance[b, 1]))
        chance = 0.5 * (1 + math.erf(float(mean[b, 0] - mean[b, 1]) / spread / math.sqrt(2)))
        assert float(normal_odds(mean, log_variance)[b]) == pytest.approx(math.log(chance / (1 - chance)))
    shares = torch.softmax(logits, dim=-1).numpy().reshape(6, 5).mean(axis=0)
    assert float(negative_entropy(logits)) == pytest.approx(float((shares * np.log(shares)).sum()))


def test_questions_tell_more_the_more_their_answers_leave_known() -> None:
    rng = np.random.default_rng(1)
    log_std = rng.normal(size=(50, 4, 3))
    log_std[:, 2] -= np.array([0.0, 3.0, 6.0])  # of some numbers little is left unknown
    variance = np.exp(2 * log_std)
    expected = [
        math.log(2 * math.pi * np.mean([v.sum() for v in variance[:, c]]))
        - np.mean([np.log(2 * math.pi * v).sum() for v in variance[:, c]])
        for c in range(4)
    ]
    found = information_gain(torch.from_numpy(log_std))
    assert found.numpy() == pytest.approx(np.array(expected)) and int(found.argmax()) == 2
