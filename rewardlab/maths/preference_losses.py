"""What a comparison of two segments teaches: losses of the difference between their summed rewards."""

from __future__ import annotations

import torch
from torch.nn.functional import logsigmoid

LOSSES = ("bt", "margin", "scaled", "regression")


def preference_loss(
    difference: torch.Tensor, preferred: torch.Tensor, strength: torch.Tensor, kind: str = "bt"
) -> torch.Tensor:
    """The mean loss over B comparisons, [..., B] -> [...].

    bt: -log sigmoid(D) of the preferred one, the cross-entropy of Bradley and Terry's model, P(first) = sigmoid(D)
    (Christiano et al. 2017, arXiv:1706.03741, section 2.2.3). margin: -log sigmoid(D - m), which moves the optimum
    (Touvron et al. 2023, Llama 2, arXiv:2307.09288, eq. 2). scaled: m times bt, which weighs comparisons and leaves the
    optimum where it is; with m = 1 it is bt (Wang et al. 2024, HelpSteer2-Preference, arXiv:2410.01257). Between two
    that are as good there is no margin.

    Args:
        difference: [..., B], D: the first segment's sum less the second's.
        preferred: [..., B], by what share the first one is preferred: 1, 0, or 0.5 where both are as good.
        strength: [..., B], m >= 0; bt does not read it.
    """
    margin = strength * (2.0 * preferred - 1.0).abs() if kind == "margin" else 0.0
    loss = -preferred * logsigmoid(difference - margin) - (1.0 - preferred) * logsigmoid(-difference - margin)
    return (strength * loss if kind == "scaled" else loss).mean(dim=-1)


def context_loss(
    difference: torch.Tensor, logits: torch.Tensor, preferred: torch.Tensor, context: torch.Tensor
) -> torch.Tensor:
    """The mean loss over B comparisons by K criteria, of which one decided, [..., B] -> [...].

    Where it is told, -log p(z) - log P(first | z); else -log of their sum over all criteria, sum_z p(z) P(first | z).

    Source: Pitis et al. 2024, Improving context-aware preference modeling for language models (arXiv:2407.14916): first
    the context of a comparison, then the preference in it; the form of the loss is ours.

    Args:
        difference: [..., B, K], D by each criterion. logits: [..., B, K], of p(z). preferred: [..., B], as above.
        context: int64 [..., B], which criterion decided; -1 where that is not told.
    """
    first = preferred.unsqueeze(-1)
    each = logits.log_softmax(dim=-1) + first * logsigmoid(difference) + (1.0 - first) * logsigmoid(-difference)
    of_one = each.gather(-1, context.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return -torch.where(context < 0, each.logsumexp(dim=-1), of_one).mean(dim=-1)


def context_errors(
    difference: torch.Tensor, logits: torch.Tensor, preferred: torch.Tensor, context: torch.Tensor
) -> torch.Tensor:
    """How wrong it is on average about the context, about the answer in the true context, and about the answer: [3].

    1 - p(z), |P(first | z) - y| and |sum_z p(z) P(first | z) - y|. The third is at most the sum of the other two (as in
    Pitis et al. 2024, who bound the error so): a comparison whose context is right errs by the second, and no other by
    more than 1.

    Args:
        difference, logits: [E, B, K] of E networks. preferred: [B], y. context: int64 [B], z.
    """
    chance, right = logits.softmax(dim=-1), torch.sigmoid(difference)
    true = context.view(1, -1, 1).expand(len(chance), -1, 1)
    of_context = 1.0 - chance.gather(-1, true)
    of_answer = (right.gather(-1, true).squeeze(-1) - preferred).abs()
    of_both = ((chance * right).sum(dim=-1) - preferred).abs()
    return torch.stack([of_context.mean(), of_answer.mean(), of_both.mean()])


def rating_loss(means: torch.Tensor, ratings: torch.Tensor) -> torch.Tensor:
    """The mean square error of segments' mean rewards to what they were rated, [..., B] -> [...].

    The `regression` of Wang et al. 2024 (arXiv:2410.01257).
    """
    return (means - ratings).square().mean(dim=-1)


def along_preferences(apart: torch.Tensor) -> torch.Tensor:
    """How far the better of two lies ahead of the worse, in the direction in which the better ones lie: [..., C] >= 0.

    m = max(0, <h_better - h_worse, v>), where v is the mean of these differences, of length 1. After
    Feng et al. 2024, Legend: leveraging representation engineering to annotate safety margin for preference datasets,
    as its abstract says.

    Args:
        apart: features of the better less those of the worse, [..., C, H]; 0 where both are as good.
    """
    direction = apart.mean(dim=-2, keepdim=True)
    direction = direction / direction.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    ahead: torch.Tensor = (apart * direction).sum(dim=-1)
    return ahead.clamp(min=0.0)


def agreement(difference: torch.Tensor, preferred: torch.Tensor) -> torch.Tensor:
    """bool [..., B]: whether the greater sum is the preferred one; two that are as good agree with nothing."""
    return (difference * (preferred - 0.5)) > 0
