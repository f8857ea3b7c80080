"""Partial credit: how good an answer is that is not all right. Pure functions; each is greatest for the right answer.

Answers are symbols [..., n], int64, 0 where a slot is left empty; `wanted` has none that is empty. Boxes are [..., 4]:
the centre's x and y, width and height.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch

Call = tuple[int, Mapping[int, int]]
"""The name of a tool, and the values of its parameters by their names."""

PARTIAL, EXTRA, NOTHING = 0.5, 0.25, 0.25  # of set_match: all right in part, all wrong, nothing at all
COMPONENTS = (0.5, 0.2, 0.2, 0.1)  # of component_set: execution, symbols, pairs of neighbours, syntax
IMAGE_SHARES = (1.0, 0.25, 0.125)  # of box_size: centre, overlap, edges


def gaussian(given: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How near the centre is, and how alike two Gaussians with half of the sizes as deviations are, [...] in (0, 1].

    Source: Tang et al. 2025, GUI-G2 (arXiv:2507.15846): exp(-(distance / sd)^2 / 2), with the sd of what is wanted, and
    exp(-Bhattacharyya distance).
    """
    own, target = 0.5 * given[..., 2:], 0.5 * wanted[..., 2:]
    gap = (given[..., :2] - wanted[..., :2]).square()
    point = torch.exp(-0.5 * (gap / target.square()).sum(dim=-1))
    middle = 0.5 * (own.square() + target.square())
    apart = (gap / middle).sum(dim=-1) / 8.0 + 0.5 * (middle / (own * target)).log().sum(dim=-1)
    return point, torch.exp(-apart)


def box_size(given: torch.Tensor, wanted: torch.Tensor, image: float) -> torch.Tensor:
    """1[the centre is in] + 0.25 overlap + 0.125 times the harmonic mean of 1 - |d| / image over four edges, [...].

    Args:
        image: width and height of what both lie in.
    """
    half, target = 0.5 * given[..., 2:], 0.5 * wanted[..., 2:]
    low, high = given[..., :2] - half, given[..., :2] + half
    least, most = wanted[..., :2] - target, wanted[..., :2] + target
    inside = ((given[..., :2] >= least) & (given[..., :2] <= most)).all(dim=-1).float()
    common = (torch.minimum(high, most) - torch.maximum(low, least)).clamp(min=0.0).prod(dim=-1)
    overlap = common / (given[..., 2:].prod(dim=-1) + wanted[..., 2:].prod(dim=-1) - common)
    near = (1.0 - (torch.cat([low, high], dim=-1) - torch.cat([least, most], dim=-1)).abs() / image).clamp(min=0.0)
    edges = torch.where((near > 0).all(dim=-1), 4.0 / (1.0 / near.clamp(min=1e-12)).sum(dim=-1), 0.0)
    return sum(share * part for share, part in zip(IMAGE_SHARES, (inside, overlap, edges), strict=True))  # type: ignore[return-value]


def tiered(distance: torch.Tensor, tiers: Sequence[float]) -> torch.Tensor:
    """The sum of w_k over the tiers that a distance [...] is within; in [0, 1], w_k in proportion to k.

    Args:
        tiers: falling distances: nearer ones weigh more.
    """
    weights = [2.0 * (k + 1) / (len(tiers) * (len(tiers) + 1)) for k in range(len(tiers))]
    paid = torch.zeros_like(distance)
    for weight, tier in zip(weights, tiers, strict=True):
        paid = paid + weight * (distance <= tier + 1e-6)
    return paid


def failing_weights(rates: torch.Tensor) -> torch.Tensor:
    """Weights [n] of tests, sum 1: in proportion to how often each fails; all alike where all pass."""
    failing = 1.0 - rates
    total = failing.sum()
    return torch.where(total > 0, failing / total.clamp(min=1e-12), 1.0 / len(rates))


def weighted_tests(passed: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Half for what the tests that are passed, bool [..., n], weigh, and half for passing all, [...] in [0, 1]."""
    return 0.5 * (passed * weights).sum(dim=-1) + 0.5 * passed.all(dim=-1)


def set_match(given: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """1 for all right; else 0.5 of the share of right slots less 0.25 of the wrong ones'; -0.25 for nothing, [...]."""
    right, empty = given == wanted, given == 0
    wrong = ~right & ~empty
    part = PARTIAL * right.float().mean(dim=-1) - EXTRA * wrong.float().mean(dim=-1)
    part = torch.where(empty.all(dim=-1), -NOTHING, part)
    return torch.where(right.all(dim=-1), 1.0, part)


def evidence(given: torch.Tensor, wanted: torch.Tensor, found: torch.Tensor, weight: float) -> torch.Tensor:
    """1 where all is right, and `weight` where what tells it was found first, bool [...]; of an answer in which
    something stands, [...] in [0, 1 + weight].
    """
    answered = (given != 0).any(dim=-1)
    return (given == wanted).all(dim=-1).float() + weight * (found.bool() & answered).float()


def component_set(given: torch.Tensor, wanted: torch.Tensor, symbols: int) -> torch.Tensor:
    """Weighted: all right, Jaccard index of the symbols and of the pairs of neighbours, no slot empty; [...] in [0, 1].

    Args:
        symbols: the largest symbol.
    """
    filled = (given > 0).all(dim=-1).float()
    ours, theirs = _present(given, symbols + 1), _present(wanted, symbols + 1)
    ours[..., 0] = False  # an empty slot is no symbol
    base = symbols + 1
    pairs = [_present(s[..., :-1] * base + s[..., 1:], base * base) for s in (given, wanted)]
    parts = ((given == wanted).all(dim=-1).float(), _jaccard(ours, theirs), _jaccard(*pairs), filled)
    return torch.stack([share * part for share, part in zip(COMPONENTS, parts, strict=True)]).sum(dim=0)


def tool_match(given: Sequence[Call], wanted: Sequence[Call]) -> float:
    """6 S / S_max - 3, in [-3, 3]; without a call -3. Source: Qian et al. 2025, ToolRL (arXiv:2504.13958).

    S is the Jaccard index of the names, as multisets, and for each wanted call the best that an unused one of that name
    gives: the Jaccard index of the parameters' names and the number of right values. S_max = 1 + sum(1 + parameters).
    """
    if not given:
        return -3.0
    ours, theirs = Counter(name for name, _ in given), Counter(name for name, _ in wanted)
    score = (ours & theirs).total() / (ours | theirs).total()
    unused = list(given)
    for name, parameters in wanted:
        found = [(_fit(call[1], parameters), place) for place, call in enumerate(unused) if call[0] == name]
        if found:
            best, place = max(found, key=lambda item: item[0])
            score += best
            del unused[place]
    most = 1 + sum(1 + len(parameters) for _, parameters in wanted)
    return 6.0 * score / most - 3.0


def _fit(given: Mapping[int, int], wanted: Mapping[int, int]) -> float:
    names = set(given) | set(wanted)
    alike = len(set(given) & set(wanted)) / len(names) if names else 1.0
    return alike + sum(given.get(name) == value for name, value in wanted.items())


def _present(values: torch.Tensor, count: int) -> torch.Tensor:
    """Which of the numbers below `count` are among values [..., n]: bool [..., count]."""
    found = torch.zeros(*values.shape[:-1], count, dtype=torch.bool, device=values.device)
    return found.scatter(-1, values.long(), True)


def _jaccard(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Of sets bool [..., K], [...]; 1 for two that are empty."""
    common, either = (one & other).sum(dim=-1), (one | other).sum(dim=-1)
    return torch.where(either > 0, common / either.clamp(min=1), 1.0)
