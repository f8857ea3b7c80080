"""What the best policy is paid on average that knows how problems are drawn: two arms, by dynamic programming.

Source: Gittins 1979; Slivkins 2019, Introduction to multi-armed bandits (arXiv:1904.07272), chapter 3.
"""

import numpy as np

MOST_PULLS = 50  # of the programme: its table has a number for each way in which pulls can have paid


def bayes_value(pulls: int, myopic: bool = False) -> float:
    """The mean return of T pulls of two arms that pay 1 with probabilities drawn from U(0, 1), else 0.

    By backward induction over how often each arm paid and did not.

    Args:
        myopic: of the policy that pulls the arm of the larger posterior mean, either where they are equal; else of the
            best policy.

    Raises:
        ValueError: more pulls than `MOST_PULLS`, or none.
    """
    if not 1 <= pulls <= MOST_PULLS:
        raise ValueError(f"{pulls} pulls: must be from 1 to {MOST_PULLS}")
    # value[n, s, z]: the first arm was pulled n times and paid s, the second paid z in the other t - n pulls.
    value = np.zeros((pulls + 2,) * 3)
    n, s, z = np.ogrid[: pulls + 1, : pulls + 1, : pulls + 1]
    for t in range(pulls - 1, -1, -1):
        m = np.maximum(t - n, 0)
        first, second = np.minimum((s + 1) / (n + 2), 1.0), np.minimum((z + 1) / (m + 2), 1.0)
        # Entries that cannot be, s > n or z > t - n, are never read from those that can.
        of_first = first * (1.0 + value[1:, 1:, :-1]) + (1.0 - first) * value[1:, :-1, :-1]
        of_second = second * (1.0 + value[:-1, :-1, 1:]) + (1.0 - second) * value[:-1, :-1, :-1]
        value = np.zeros_like(value)
        if myopic:
            share = np.where(np.isclose(first, second), 0.5, first > second)
            value[:-1, :-1, :-1] = share * of_first + (1.0 - share) * of_second
        else:
            value[:-1, :-1, :-1] = np.maximum(of_first, of_second)
    return float(value[0, 0, 0])


def risky_value(pulls: int, chance: float) -> float:
    """The best mean return where one arm always pays .5, and the other always 1 with a chance, else always 0."""
    return max(pulls / 2.0, chance * pulls + (1.0 - chance) * (pulls - 1) / 2.0)
