"""A network on one or both ends of every step, each distinct frame seen once.

Large pictures are seen in blocks: as floats, those of a whole rollout would take gigabytes.
"""

from collections.abc import Callable, Iterator

import torch

from rewardlab.maths.distinct import distinct_of, spread
from rewardlab.types import Rollout, TensorObs

Network = Callable[[TensorObs], torch.Tensor]
"""From observations [B, *shape] to [B, *features], one by one (no batch statistics)."""

_NUMBERS = 2**23  # 32 MB as floats: 297 pictures of 84 x 84 x 4, some 50,000 views of a grid


def at_both_ends(network: Network, rollout: Rollout) -> tuple[torch.Tensor, torch.Tensor]:
    """What a network makes of obs and of next_obs, each [T, N, *features]."""
    distinct = distinct_of(rollout)
    found = over_rows(network, distinct.rows)
    return spread(found, distinct.here[:-1]), spread(found, distinct.there)


def at_successors(network: Network, rollout: Rollout) -> torch.Tensor:
    """What a network makes of next_obs, [T, N, *features]."""
    distinct = distinct_of(rollout)
    return spread(over_rows(network, distinct.rows), distinct.there)


def over_rows(network: Network, rows: TensorObs) -> torch.Tensor:
    """What a network makes of observations [B, *shape], in blocks where they are large: [B, *features]."""
    found = [network(block) for block in row_blocks(rows)]
    return found[0] if len(found) == 1 else torch.cat(found)


def row_blocks(rows: TensorObs) -> Iterator[TensorObs]:
    """Observations [B, *shape] in order, not many more numbers at once than `_NUMBERS`."""
    count = len(next(iter(rows.values())))
    size = max(1, _NUMBERS * count // max(1, sum(entry.numel() for entry in rows.values())))
    for start in range(0, max(1, count), size):
        yield {name: entry[start : start + size] for name, entry in rows.items()}
