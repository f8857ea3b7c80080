"""Made-up teachers: which of two segments is the better one, by the task's reward, by ranked factors, or by success."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class Answers:
    """Of B questions.

    preferred: float32 [B], 1 where the first is the better one, 0 where the second is, 0.5 where both are as good.
    strength: float32 [B], >= 0, by how much.
    given: bool [B], whether there is an answer; the rest of a question without one means nothing.
    context: int64 [B], by which of several criteria the question was decided, of a teacher who has several.
    """

    preferred: torch.Tensor
    strength: torch.Tensor
    given: torch.Tensor
    context: torch.Tensor | None = None


@dataclass(frozen=True)
class Habits:
    """How a teacher who sums rewards errs.

    Source: Lee et al. 2021, B-Pref: benchmarking preference-based reinforcement learning (arXiv:2111.03026), section 3.

    beta: answers are drawn with probability sigmoid(beta D); None: the greater sum always wins.
    myopic: steps count by this power of how long before the end they lie; 1: all alike.
    skip: no answer where neither sum is above average - (1 - skip) |average|; 0: all are answered. Of an average that
        is not negative that is skip times the average, as in B-Pref, which knows no negative rewards.
    equal: as good where the sums differ by less than this times |average|.
    """

    beta: float | None = None
    myopic: float = 1.0
    skip: float = 0.0
    equal: float = 0.0


def by_return(
    rewards: torch.Tensor, length: torch.Tensor, average: torch.Tensor, habits: Habits, generator: torch.Generator
) -> Answers:
    """Compare sums of rewards.

    Args:
        rewards: [B, 2, W], 0 from the end of the segment on. length: [B], its steps.
        average: [B], of the sum over so many steps; what `skip` and `equal` are shares of.

    Two equal sums are as good, without beta.
    """
    steps = torch.arange(rewards.shape[-1], device=rewards.device)
    weights = habits.myopic ** (length.unsqueeze(-1) - 1 - steps).clamp(min=0).float()
    sums = rewards.sum(dim=-1)
    weighed = (rewards * weights.unsqueeze(1)).sum(dim=-1)
    difference = weighed[:, 0] - weighed[:, 1]
    chance = (difference > 0).float() if habits.beta is None else torch.sigmoid(habits.beta * difference)
    drawn = torch.rand(len(chance), generator=generator).to(chance.device)
    apart = sums[:, 0] - sums[:, 1]
    same = (apart.abs() < habits.equal * average.abs()) | ((difference == 0) if habits.beta is None else False)
    preferred = torch.where(same, 0.5, (drawn < chance).float())
    least = average - (1.0 - habits.skip) * average.abs()
    given = sums.amax(dim=1) > least if habits.skip > 0 else torch.ones_like(same)
    return Answers(preferred, apart.abs(), given)


def lexicographic(factors: torch.Tensor, scale: torch.Tensor, margin: float) -> Answers:
    """The first factor in which two differ by more than `margin` times its scale decides; else there is no answer.

    Rescaling a factor changes nothing. Such an order with margins is no order of numbers: a may beat b, b beat c and c
    beat a, so that no reward fits all answers.

    Source: Bukharin et al. 2023, Deep reinforcement learning from hierarchical preference design (HERON,
    arXiv:2309.02632), section 3.

    Args:
        factors: [B, 2, F], the most important first; more is better. scale: [F], of each.
    """
    apart = factors[:, 0] - factors[:, 1]
    decides = apart.abs() > margin * scale
    first = decides.float().argmax(dim=-1, keepdim=True)
    preferred = (apart.gather(-1, first).squeeze(-1) > 0).float()
    return Answers(preferred, torch.ones_like(preferred), decides.any(dim=-1))


def by_success(success: torch.Tensor) -> Answers:
    """A success beats a failure; of two alike there is no answer. success: bool [B, 2]."""
    preferred = success[:, 0].float()
    return Answers(preferred, torch.ones_like(preferred), success[:, 0] != success[:, 1])


def by_context(criteria: torch.Tensor, weight: torch.Tensor) -> Answers:
    """The criterion that weighs most where the two are decides; two that are equal in it are as good.

    Source: Pitis et al. 2024, Improving context-aware preference modeling for language models (arXiv:2407.14916): what
    is better depends on a context, which a pair leaves open.

    Args:
        criteria: [B, 2, K], of each segment by each criterion; more is better.
        weight: [B, K], how much the situation of a pair speaks for each; of equals, the first.
    """
    context = weight.argmax(dim=-1)
    apart = criteria[:, 0] - criteria[:, 1]
    decides = apart.gather(-1, context.unsqueeze(-1)).squeeze(-1)
    preferred = 0.5 + 0.5 * decides.sign()
    return Answers(preferred, decides.abs(), torch.ones_like(context, dtype=torch.bool), context)


def mistaken(answers: Answers, share: float, generator: torch.Generator) -> Answers:
    """The same with this share of the answers turned round."""
    wrong = torch.rand(len(answers.preferred), generator=generator).to(answers.preferred.device) < share
    return replace(answers, preferred=torch.where(wrong, 1.0 - answers.preferred, answers.preferred))
