"""Equal observations told apart once: a grid world shows the same few views over and over.

What a network without memory makes of equal rows is equal, and the gradient of a sum over them is that of one row,
counted. So a pass over a rollout, or over a minibatch, needs each distinct row once; only rounding differs.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import torch

from rewardlab.kernel_cache import kept
from rewardlab.maths.counting import GOLDEN
from rewardlab.types import Array, DistinctObservations, Rollout, TensorObs


@dataclass(frozen=True)
class Picked:
    """The distinct ones among B numbers.

    rows: int64 [U], these. place: int64 [B], where among them each is. times: float32 [U], how often each is there.
    """

    rows: torch.Tensor
    place: torch.Tensor
    times: torch.Tensor


def pick(numbers: torch.Tensor, count: int) -> Picked:
    """Tell numbers below `count` apart, int64 [B]."""
    if numbers.device.type != "cpu":
        rows, place, times = torch.unique(numbers, return_inverse=True, return_counts=True)
        return Picked(rows, place, times.float())
    return Picked(*(torch.from_numpy(found) for found in _pick(numbers.numpy(), count)))


def tell_apart(obs: TensorObs) -> tuple[TensorObs, torch.Tensor]:
    """The distinct ones of observations [B, *shape], in the order in which they first occur, and which each is, [B]."""
    rows, device = _bytes({name: entry.unsqueeze(0) for name, entry in obs.items()}), next(iter(obs.values())).device
    place, origin = np.empty((2, len(rows)), dtype=np.int64)
    count = _number(rows, rows[:0], 0, weights_of(rows.shape[1]), place, origin)
    first = torch.from_numpy(origin[:count]).to(device)
    return {name: entry.index_select(0, first) for name, entry in obs.items()}, torch.from_numpy(place).to(device)


def spread(found: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """What was found of distinct rows, [U, ...], wherever they are: at `place`, int64 [*shape], -> [*shape, ...]."""
    return found.index_select(0, place.flatten()).view(*place.shape, *found.shape[1:])


def distinct_of(rollout: Rollout) -> DistinctObservations:
    """The distinct observations of a rollout: found once, and kept there."""
    if rollout.distinct is None:
        rollout.distinct = _distinct(rollout)
    return rollout.distinct


def _distinct(rollout: Rollout) -> DistinctObservations:
    steps, num_envs = rollout.first.shape
    acted_on = {name: torch.cat([entry, rollout.last_obs[name][None]]) for name, entry in rollout.obs.items()}
    rows, reached = _bytes(acted_on), _bytes(rollout.next_obs)
    place, origin = np.empty((2, len(rows) + len(reached)), dtype=np.int64)
    count = _number(rows, reached, num_envs, weights_of(rows.shape[1]), place, origin)
    device = rollout.first.device
    shown = int(np.searchsorted(origin[:count], len(rows)))  # so many of them were acted on
    firsts = torch.from_numpy(origin[:shown]).to(device), torch.from_numpy(origin[shown:count] - len(rows)).to(device)
    both = {name: (entry, rollout.next_obs[name]) for name, entry in acted_on.items()}
    places = torch.from_numpy(place).to(device)
    return DistinctObservations(
        {name: _gathered(pair, firsts) for name, pair in both.items()},
        places[: len(rows)].view(steps + 1, num_envs),
        places[len(rows) :].view(steps, num_envs),
    )


def _gathered(entries: tuple[torch.Tensor, ...], places: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """The rows at each of two places, of entries [T, N, ...] each, one after the other; nothing is copied twice."""
    rows = entries[0].new_empty(sum(map(len, places)), *entries[0].shape[2:])
    begun = 0
    for entry, at in zip(entries, places, strict=True):
        torch.index_select(entry.flatten(0, 1), 0, at, out=rows[begun : begun + len(at)])
        begun += len(at)
    return rows


def _bytes(obs: TensorObs) -> Array:
    """Entries [T, N, ...] as uint8 [T * N, W]."""
    entries = [np.ascontiguousarray(entry.flatten(0, 1).cpu().numpy()) for entry in obs.values()]
    rows = [entry.reshape(len(entry), -1).view(np.uint8) for entry in entries]
    return rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)


@lru_cache
def weights_of(width: int) -> Array:
    """uint32 [W], random: they spread rows of W bytes over a table."""
    return np.random.default_rng(0).integers(2**32, size=width, dtype=np.uint32)


def _are_different(row: Array, other: Array) -> bool:  # pragma: no cover
    difference = np.uint8(0)
    for k in range(row.size):  # to the end: so it takes a few vector instructions
        difference |= row[k] ^ other[k]
    return bool(difference)


def _begin_at(row: Array, more: int, weights: Array, size: int) -> Any:  # pragma: no cover
    total = np.uint32(more)
    for k in range(row.size):
        total += np.uint32(row[k]) * weights[k]
    return np.int64((np.uint64(total) * GOLDEN) >> np.uint64(32)) & (size - 1)


differ: Any = numba.njit(_are_different)  # whether two rows of bytes do
slot_of: Any = numba.njit(_begin_at)  # where in a table, whose size is a power of two, to look for a row and a number


def _number_rows(
    rows: Array, reached: Array, num_envs: int, weights: Array, place: Array, origin: Array
) -> int:  # pragma: no cover
    """Number rows alike where they are equal, in the order of their first occurrence; how many differ.

    Args:
        rows: uint8 [M, W]. reached: uint8 [K, W], numbered after them: nearly always its row k is row k + num_envs.
        weights: uint32 [W], random: they spread rows over a table, where what is equal is compared.
        place: int64 [M + K], filled: the number of each row. origin: int64 [M + K], filled that far: where each first
            stood.
    """
    count, total_rows = 0, rows.shape[0] + reached.shape[0]
    size = 1
    while size < 2 * total_rows:
        size *= 2
    table = np.full(size, -1, dtype=np.int64)
    for i in range(total_rows):
        late = i - rows.shape[0]
        row = rows[i] if late < 0 else reached[late]
        if late >= 0 and not differ(row, rows[late + num_envs]):
            place[i] = place[late + num_envs]
            continue
        slot = slot_of(row, 0, weights, size)
        while table[slot] >= 0:
            first = origin[table[slot]]
            if not differ(row, rows[first] if first < rows.shape[0] else reached[first - rows.shape[0]]):
                break
            slot = (slot + 1) & (size - 1)
        if table[slot] < 0:
            table[slot] = count
            origin[count] = i
            count += 1
        place[i] = table[slot]
    return count


def _pick_numbers(numbers: Array, count: int) -> tuple[Array, Array, Array]:  # pragma: no cover
    """What `pick` says, as arrays."""
    seen = np.full(count, -1, dtype=np.int64)
    rows, place = np.empty(numbers.size, dtype=np.int64), np.empty(numbers.size, dtype=np.int64)
    times = np.zeros(numbers.size, dtype=np.float32)
    found = 0
    for i in range(numbers.size):
        number = numbers[i]
        if seen[number] < 0:
            seen[number] = found
            rows[found] = number
            found += 1
        place[i] = seen[number]
        times[place[i]] += np.float32(1.0)
    return rows[:found], place, times[:found]


_number = kept(_number_rows)
_pick = kept(_pick_numbers)
