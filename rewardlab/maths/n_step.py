"""n-step returns of transitions that go to a replay buffer."""

from __future__ import annotations

import torch


def n_step_returns(
    reward: torch.Tensor, terminated: torch.Tensor, truncated: torch.Tensor, gamma: float, n: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sums of the next n rewards, what bootstraps them, and where: each [T, ...].

    With k = the steps from t to the episode's end, t + n - 1 or the last row, whichever comes first, the target of
    step t is returns[t] + discount[t] * Q(next_obs[reach[t]]). The true successor of a time limit is bootstrapped
    from, that of a termination is not.

    Source: Sutton and Barto 2018, Reinforcement learning, section 7.1; Hessel et al. 2018, Rainbow (arXiv:1710.02298),
    section "Multi-step learning".

    Args:
        reward: float32 [T, ...]; terminated, truncated: bool [T, ...].

    Returns:
        returns: sum over j < k of gamma^j reward[t + j]. discount: gamma^k, 0 where the task terminated.
        reach: int64, t + k - 1, the row of the last step. Rows whose n steps are not all there end with the last row.
    """
    steps = len(reward)
    returns, reach = reward.clone(), torch.arange(steps, device=reward.device)
    reach = reach.view(-1, *[1] * (reward.dim() - 1)).expand(reward.shape).clone()
    discount = torch.full_like(reward, gamma)
    goes_on = ~(terminated | truncated)
    open_still = goes_on.clone()  # whether the window of each row has not met an end yet
    for ahead in range(1, min(n, steps)):
        rows = slice(0, steps - ahead)
        more = open_still[rows]
        returns[rows] += gamma**ahead * reward[ahead:] * more
        discount[rows] = torch.where(more, gamma ** (ahead + 1), discount[rows])
        reach[rows] += more
        open_still[rows] = more & goes_on[ahead:]
    return returns, discount * ~terminated.gather(0, reach), reach
