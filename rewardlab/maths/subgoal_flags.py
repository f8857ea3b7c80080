"""Subgoals that steps reach, as bits: paid once in an episode, counted in windows, and held against the truth."""

from __future__ import annotations

import numpy as np

from rewardlab.types import Array

MOST = 63  # subgoals: the bits of a number without its sign


def fresh_flags(flags: Array, first: Array, before: Array) -> tuple[Array, Array]:
    """Which subgoals a step is the first of its episode to reach.

    Args:
        flags: int64 [T, N], a bit for each subgoal. first: bool [T, N], where an episode begins.
        before: int64 [N], what was reached in the episodes that go on.

    Returns:
        int64 [T, N], and int64 [N]: what has been reached after the last step.
    """
    fresh, reached = np.zeros_like(flags), before.copy()
    for t in range(len(flags)):
        reached[first[t]] = 0
        fresh[t] = flags[t] & ~reached
        reached |= flags[t]
    return fresh, reached


def in_windows(flagged: Array, first: Array, length: int) -> Array:
    """In how many flagged steps' windows each step is, int64 [T, N]: a window is a step and the `length` - 1 before it.

    Windows end where an episode or the rollout begins.

    Args:
        flagged, first: bool [T, N].
    """
    found = flagged.astype(np.int64)
    reaching = flagged.copy()  # whether the window of the flagged step so many later still goes on
    for back in range(1, length):
        reaching[:-1] = reaching[1:] & ~first[1:]
        reaching[-1] = False
        if back < len(found):
            found += reaching
    return found


def scaled_counts(counts: Array) -> Array:
    """CALM's table: (n - least) / (most - least), float64; 1 where all are equal, which divides by 0 in its code."""
    least, most = counts.min(), counts.max()
    if most == least:
        return np.ones(len(counts))
    scaled: Array = (counts - least) / (most - least)
    return scaled


def quality(right: int, flagged: int, true: int) -> tuple[float, float, float]:
    """Precision, recall and F1 of flags. Where nothing is flagged, or nothing is true, what is undefined is 0."""
    precision = right / flagged if flagged else 0.0
    recall = right / true if true else 0.0
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0


def expected_precision(error: float, base: float) -> float:
    """Precision of an annotator that errs with a probability, of what is true with the base rate p: p (1 - e) over
    p (1 - e) + (1 - p) e.
    """
    right = base * (1.0 - error)
    return right / (right + (1.0 - base) * error)
