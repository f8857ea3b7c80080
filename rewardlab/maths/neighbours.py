"""What the distances to nearest neighbours say about novelty: kernels, pseudo-counts, entropies."""

import torch


def nearest_distances(queries: torch.Tensor, points: torch.Tensor, count: int) -> torch.Tensor:
    """Euclidean distances from queries [B, D] to their `count` nearest points of [M, D], ascending: [B, count].

    A point may be among the queries: it is then its own nearest neighbour, at distance 0. Where there are fewer
    points, the farthest stands for those that are missing.
    """
    found = min(count, len(points))
    # |q - p|^2 = |q|^2 - 2 q.p + |p|^2 in one matrix product picks the neighbours (|q|^2 is the same for all points);
    # their distances are then taken exactly, for that product rounds those near 0 away.
    centred = points - points.mean(dim=0)
    chosen = torch.addmm(centred.square().sum(dim=1), queries - points.mean(dim=0), centred.t(), alpha=-2.0)
    nearest = chosen.topk(found, dim=1, largest=False, sorted=False).indices
    distances = (queries.unsqueeze(1) - points[nearest]).square().sum(dim=2).sqrt().sort(dim=1).values
    return torch.cat([distances, distances[:, -1:].expand(-1, count - found)], dim=1)


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
