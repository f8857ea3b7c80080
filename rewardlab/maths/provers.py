"""How much likelier a step makes it that another policy succeeds.

Source: Setlur et al. 2024, Rewarding progress: scaling automated process verifiers for LLM reasoning
(arXiv:2410.08146).
"""

import torch


def best_of(chance: torch.Tensor, tries: int) -> torch.Tensor:
    """The chance that one of so many tries succeeds, of that of one try, [...] -> [...]."""
    return 1.0 - (1.0 - chance) ** tries


def prover_advantage(
    before: torch.Tensor, after: torch.Tensor, terminated: torch.Tensor, success: torch.Tensor, tries: int
) -> torch.Tensor:
    """A(s, a) = P(s') - P(s) of the best of so many tries, [...]; where the task ended P(s') is whether it succeeded.

    Over an episode that terminates it adds up to its outcome less P(s_0).

    Args:
        before, after: logits of the chance of one try, [...]. terminated, success: bool [...], of the steps.
    """
    there = torch.where(terminated, success.float(), best_of(torch.sigmoid(after), tries))
    return there - best_of(torch.sigmoid(before), tries)
