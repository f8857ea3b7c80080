"""Targets, the Huber loss and the vote, against torch's own and against loops."""

import numpy as np
import torch
from torch.nn import functional

from rewardlab.maths.q_learning import huber, large_margin, majority_vote, q_targets, soft_q_targets
from rewardlab.maths.squashed import squashed_sample


def test_targets_are_valued_by_one_network_and_chosen_by_the_other() -> None:
    values = torch.tensor([[[1.0, 5.0, 2.0], [7.0, 0.0, 3.0]]])
    choosing = torch.tensor([[[0.0, 1.0, 9.0], [8.0, 0.0, 0.0]]])
    reward, discount = torch.tensor([10.0, 20.0]), torch.tensor([0.5, 0.0])
    assert q_targets(reward, discount, values, choosing).tolist() == [[11.0, 20.0]]
    assert q_targets(reward, discount, values, values).tolist() == [[12.5, 20.0]]


def test_soft_targets_value_states_by_the_policy_and_its_entropy() -> None:
    """V = sum_a p Q + temperature * entropy(p) for p = softmax(Q / temperature): equal to the soft maximum."""
    values = torch.tensor([[1.0, 2.0, 4.0], [0.5, 0.5, 0.5]], dtype=torch.float64)
    policy = torch.exp(values / 0.7) / torch.exp(values / 0.7).sum(dim=-1, keepdim=True)
    state_value = (policy * (values - 0.7 * policy.log())).sum(dim=-1)
    reward, discount = torch.tensor([1.0, 2.0]), torch.tensor([0.9, 0.0])
    expected = reward + discount * state_value
    assert torch.allclose(soft_q_targets(reward, discount, values, 0.7), expected)


def test_huber_is_torchs() -> None:
    error = torch.linspace(-3, 3, 25)
    for delta in (0.5, 1.0, 2.0):
        expected = functional.huber_loss(error, torch.zeros(25), reduction="none", delta=delta)
        assert torch.allclose(huber(error, delta), expected, atol=1e-6)
    assert torch.allclose(huber(error, None), error**2 / 2)


def test_the_demonstrated_action_is_to_be_worth_more_by_the_margin() -> None:
    """Worth 5 and the next 4.5: short by 0.3 of 0.8; worth more by enough: by nothing; worth least: by more."""
    values = torch.tensor([[5.0, 4.5, 1.0], [5.0, 4.0, 1.0], [0.0, 2.0, 3.0]])
    found = large_margin(values.expand(2, 3, 3), torch.zeros(2, 3, 1, dtype=torch.int64), 0.8)
    assert torch.allclose(found, torch.tensor([0.3, 0.0, 3.8]).expand(2, 3), atol=1e-6)


def test_the_majority_decides_and_the_mean_among_equals() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 200, 3)).astype(np.float32)
    found = majority_vote(torch.from_numpy(values))
    ties = 0
    for sample in range(200):
        votes = np.bincount(values[:, sample].argmax(axis=1), minlength=3)
        best = np.flatnonzero(votes == votes.max())
        ties += len(best) > 1
        assert found[sample] == best[values[:, sample].mean(axis=0)[best].argmax()]
    assert ties > 20


def test_squashed_density_is_torchs() -> None:
    rng = torch.Generator().manual_seed(0)
    mean, log_std, noise = (torch.randn(300, 3, generator=rng, dtype=torch.float64) for _ in range(3))
    action, log_prob = squashed_sample(mean, log_std, noise)
    tanh = torch.distributions.TanhTransform(cache_size=1)
    reference = torch.distributions.TransformedDistribution(torch.distributions.Normal(mean, log_std.exp()), tanh)
    within = action.abs().amax(dim=1) < 0.999999  # there torch loses digits, not we
    assert within.float().mean() > 0.8
    assert torch.allclose(action, torch.tanh(mean + log_std.exp() * noise))
    assert torch.allclose(log_prob[within], reference.log_prob(action).sum(-1)[within], atol=1e-4)
    far = squashed_sample(torch.full((1, 1), 50.0), torch.zeros(1, 1), torch.zeros(1, 1))
    assert torch.isfinite(far[1]).all()
