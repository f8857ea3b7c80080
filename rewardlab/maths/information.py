"""Estimates of mutual information from samples."""

import torch


def contrastive_information(positive: torch.Tensor, negatives: torch.Tensor) -> torch.Tensor:
    """How much more a pair belongs together than its first half with others, in nats, [B].

    log of exp(positive) over the mean of exp(score) of the pair and the others: the mean over pairs is a lower bound
    of the mutual information for every scoring function, and at most log(M + 1) (van den Oord et al. 2018,
    Representation learning with contrastive predictive coding).

    Args:
        positive: [B], scores of pairs drawn together.
        negatives: [B, M], scores of the same first halves with second halves drawn apart; -inf leaves one out.
    """
    scores = torch.cat([positive.unsqueeze(1), negatives], dim=1)
    count = (scores > -torch.inf).sum(dim=1).to(positive.dtype)
    return positive - scores.logsumexp(dim=1) + count.log()
