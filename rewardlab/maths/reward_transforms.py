"""What rewards are turned into: functions of rewards [T, N], and of where the episodes of N environments end in them.

Sources, by the function: PURE (min_form), Clip and Delta (clipped, delta), PAR (preference, log_sigmoid_centred).
"""

from __future__ import annotations

import torch

PERCENTILE_85 = 1.0364333894937898  # of the standard normal distribution


def clipped(rewards: torch.Tensor, eta: float) -> torch.Tensor:
    """min(r - eta, 0), [...]: nothing is left to be gained by more steps (Gao et al. 2024, arXiv:2410.15115)."""
    return (rewards - eta).clamp(max=0.0)


def delta(rewards: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """r_t - r_{t+1}, and r_T at an end, [T, N]: undiscounted, what is still to come is r_t (Gao et al. 2024).

    Args:
        ends: bool [T, N], the last steps of episodes; the last row counts as one.
    """
    following = torch.cat([rewards[1:], torch.zeros_like(rewards[:1])])
    return rewards - following.masked_fill(ends, 0.0)


def min_form(rewards: torch.Tensor, ends: torch.Tensor, temperature: float) -> torch.Tensor:
    """w r with w = softmax over the episode of -r / temperature, [T, N] (Cheng et al. 2025, PURE, arXiv:2504.15275).

    Its undiscounted sum is about the least of an episode's rewards. It is not the least of those to come: after the
    worst step almost nothing follows.

    Args:
        ends: bool [T, N], the last steps of episodes; the last row counts as one.
    """
    piece, count = pieces(ends)
    logits = (-rewards / temperature).flatten()
    most = torch.full((count,), -torch.inf, device=rewards.device).scatter_reduce(0, piece, logits, "amax")
    share = (logits - most[piece]).exp()
    total = torch.zeros(count, device=rewards.device).scatter_add(0, piece, share)
    return (share / total[piece]).view_as(rewards) * rewards


def pieces(ends: torch.Tensor) -> tuple[torch.Tensor, int]:
    """A number for the episode of each step, int64 [T * N], and how many numbers there may be."""
    steps, num_envs = ends.shape
    before = torch.cat([torch.zeros_like(ends[:1]), ends[:-1]]).long().cumsum(dim=0)
    return (before * num_envs + torch.arange(num_envs, device=ends.device)).flatten(), steps * num_envs


def cut_steps(first: torch.Tensor, done: torch.Tensor) -> float:
    """Share of the steps, bool [T, N] each, that belong to an episode of which the rollout has a part only."""
    begun = first.long().cumsum(dim=0) > 0
    ended = done.flip(0).long().cumsum(dim=0).flip(0) > 0
    return float((~(begun & ended)).float().mean())


def preference(rewards: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
    """The mean over references [M] of sigmoid(r - reference), [...] (Fu et al. 2025, PAR, arXiv:2502.18770)."""
    return torch.sigmoid(rewards[..., None] - references).mean(dim=-1)


def log_sigmoid_centred(rewards: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
    """log sigmoid(r - c), [...], with c the 85th percentile of a normal distribution fitted to references [M].

    Source: Wang et al. 2024 (arXiv:2402.00742), as PAR's code compares with it: the population's standard deviation.
    """
    centre = references.mean() + PERCENTILE_85 * references.std(unbiased=False)
    return torch.nn.functional.logsigmoid(rewards - centre)


def milestones(
    rewards: torch.Tensor, first: torch.Tensor, total: torch.Tensor, best: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pays what the running sum of an episode gains over the most it has been, and over 0 at the start: [T, N].

    Args:
        first: bool [T, N], the first steps of episodes.
        total, best: float32 [N], the running sum and the most it has been before row 0; both are returned too.
    """
    paid = torch.empty_like(rewards)
    for t in range(len(rewards)):
        total = total.masked_fill(first[t], 0.0) + rewards[t]
        best = best.masked_fill(first[t], 0.0)
        reached = torch.maximum(best, total)
        paid[t], best = reached - best, reached
    return paid, total, best


def paid_at(
    rewards: torch.Tensor, first: torch.Tensor, ends: torch.Tensor, total: torch.Tensor, count: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rewards held back until the next end: their sums there and 0 elsewhere, [T, N], and how many they were.

    Args:
        first: bool [T, N], the first steps of episodes, which what is held back does not outlast.
        ends: bool [T, N], where what is held back is paid.
        total, count: float32 [N], what is held back before row 0, and of how many steps; both are returned too.
    """
    sums, counts = torch.zeros_like(rewards), torch.zeros_like(rewards)
    for t in range(len(rewards)):
        total = total.masked_fill(first[t], 0.0) + rewards[t]
        count = count.masked_fill(first[t], 0.0) + 1.0
        sums[t], counts[t] = total * ends[t], count * ends[t]
        total, count = total.masked_fill(ends[t], 0.0), count.masked_fill(ends[t], 0.0)
    return sums, counts, total, count
