"""What the distances to nearest neighbours say about novelty: kernels, pseudo-counts, entropies."""

from typing import Any

import numpy as np
import torch

from rewardlab.kernel_cache import kept
from rewardlab.types import Array

_QUERIES = 128  # of one matrix product, whose result then stays in the cache
_BLOCK = 64  # points that are passed over at once


def nearest_distances(queries: torch.Tensor, points: torch.Tensor, count: int) -> torch.Tensor:
    """Euclidean distances from queries [B, D] to their `count` nearest points of [M, D], ascending: [B, count].

    A point may be among the queries: it is then its own nearest neighbour, at distance 0. Where there are fewer
    points, the farthest stands for those that are missing.
    """
    found = min(count, len(points))
    # |q - p|^2 = |q|^2 - 2 q.p + |p|^2 in one matrix product picks the neighbours (|q|^2 is the same for all points);
    # their distances are then taken exactly, for that product rounds those near 0 away.
    centred = points - points.mean(dim=0)
    ones = torch.ones_like(queries[:, :1])
    scaled = torch.cat([-2.0 * (queries - points.mean(dim=0)), ones], dim=1)
    across = torch.cat([centred, centred.square().sum(dim=1, keepdim=True)], dim=1).t()
    nearest = torch.empty(len(queries), found, dtype=torch.int64, device=queries.device)
    product = queries.new_empty(min(_QUERIES, len(queries)), len(points))
    for start in range(0, len(queries), _QUERIES):
        part = scaled[start : start + _QUERIES]
        chosen = torch.mm(part, across, out=product[: len(part)])
        nearest[start : start + _QUERIES] = _smallest(chosen, found)
    distances = (queries.unsqueeze(1) - points[nearest]).square().sum(dim=2).sqrt().sort(dim=1).values
    return torch.cat([distances, distances[:, -1:].expand(-1, count - found)], dim=1)


def _smallest(values: torch.Tensor, count: int) -> torch.Tensor:
    """Where the `count` smallest of each row [B, M] are, int64 [B, count], in any order."""
    if values.device.type != "cpu":
        return values.topk(count, dim=1, largest=False, sorted=False).indices
    found = np.empty((len(values), count), dtype=np.int64)
    kernel: Any = _select  # numba's own types are too narrow
    kernel(values.numpy(), found)
    return torch.from_numpy(found)


@kept
def _select(values: Array, found: Array) -> None:  # pragma: no cover
    """Fills found, int64 [B, K], by insertion; blocks without a value below the K-th smallest are only looked over."""
    rows, size = values.shape
    count = found.shape[1]
    least = np.empty(count, dtype=values.dtype)  # ascending
    for i in range(rows):
        row, places = values[i], found[i]
        least[:] = np.inf
        limit = least[count - 1]
        places[:] = 0
        for start in range(0, size, _BLOCK):
            block = row[start : start + _BLOCK]
            below = 0
            for value in block:
                below += value < limit
            if below == 0:
                continue
            for j in range(start, start + block.size):
                if row[j] < limit:
                    k = count - 1
                    while k > 0 and least[k - 1] > row[j]:
                        least[k], places[k] = least[k - 1], places[k - 1]
                        k -= 1
                    least[k], places[k] = row[j], j
                    limit = least[count - 1]


def pseudo_count_bonus(
    squared: torch.Tensor, mean: torch.Tensor, *, epsilon: float, cluster: float, constant: float, maximum: float
) -> torch.Tensor:
    """1 / sqrt(how often a state was met, softly), 0 where that is too often: [..., k] -> [...].

    Each of the k nearest neighbours in memory counts for the inverse kernel K = epsilon / (d + epsilon), where d is its
    squared distance divided by the mean one, less `cluster`, at least 0. The bonus is 1 / s with
    s = sqrt(sum of K) + constant, and 0 where s > maximum.

    Source: Badia et al. 2020, "Never give up: learning directed exploration strategies", algorithm 1.

    Args:
        squared: [..., k], squared distances; infinite where the memory holds fewer.
        mean: the running mean of such distances, of a shape that broadcasts with `squared`.
    """
    distances = (squared / mean.clamp(min=1e-12) - cluster).clamp(min=0.0)
    similarity = (epsilon / (distances + epsilon)).sum(dim=-1).sqrt() + constant
    return torch.where(similarity > maximum, 0.0, 1.0 / similarity)


def shannon_bonus(distances: torch.Tensor) -> torch.Tensor:
    """log(d + 1): what a state adds to the Shannon entropy, by the distance d to its neighbour (Seo et al. 2021)."""
    return distances.log1p()


def renyi_bonus(distances: torch.Tensor, order: float) -> torch.Tensor:
    """d^(1 - order): what a state adds to the Renyi entropy of that order, in (0, 1) (Yuan et al. 2022)."""
    return distances.pow(1.0 - order)
