"""n-step returns against a walk from each step, and by numbers made by hand."""

import pytest
import torch

from rewardlab.maths.n_step import n_step_returns


def walk(reward, terminated, truncated, gamma, n):
    """The definition, one step at a time."""
    found = []
    for t in range(len(reward)):
        total, weight = 0.0, 1.0
        for row in range(t, min(t + n, len(reward))):
            total += weight * reward[row]
            weight *= gamma
            if terminated[row] or truncated[row]:
                break
        found.append((total, 0.0 if terminated[row] else weight, row))
    return found


@pytest.mark.parametrize("n", [1, 2, 3, 7, 50])
def test_equals_a_walk(n: int) -> None:
    rng = torch.Generator().manual_seed(n)
    steps, envs = 23, 5
    reward = torch.rand(steps, envs, generator=rng)
    ends = torch.rand(steps, envs, generator=rng)
    terminated, truncated = ends < 0.12, (ends > 0.05) & (ends < 0.25)  # some are both: termination counts
    returns, discount, reach = n_step_returns(reward, terminated, truncated, 0.9, n)
    for env in range(envs):
        columns = (column[:, env].tolist() for column in (reward, terminated, truncated))
        for t, (total, weight, row) in enumerate(walk(*columns, 0.9, n)):
            assert returns[t, env].item() == pytest.approx(total, rel=1e-5)
            assert discount[t, env].item() == pytest.approx(weight, rel=1e-5)
            assert reach[t, env].item() == row


def test_by_hand() -> None:
    reward = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    no = torch.zeros(5, dtype=torch.bool)
    limit = torch.tensor([False, False, True, False, False])
    returns, discount, reach = n_step_returns(reward, no, limit, 0.5, 2)
    assert returns.tolist() == [2.0, 4.0, 4.0, 16.0, 16.0]
    assert discount.tolist() == [0.25, 0.25, 0.5, 0.25, 0.5]  # what follows a time limit counts
    assert reach.tolist() == [1, 2, 2, 4, 4]
    assert n_step_returns(reward, limit, no, 0.5, 2)[1].tolist() == [0.25, 0.0, 0.0, 0.25, 0.5]


def test_the_arguments_stay() -> None:
    reward, no = torch.ones(4, 2), torch.zeros(4, 2, dtype=torch.bool)
    n_step_returns(reward, no, no, 0.9, 3)
    assert torch.equal(reward, torch.ones(4, 2))
