"""How much a level has to teach: what designers of levels estimate of it, and regret where the optimum is known.

Scores are of whole episodes of a rollout that begins with one on each level: what its end cuts never counts. A level
without a whole episode has no score: NaN.
"""

from __future__ import annotations

import numpy as np

from rewardlab.types import Array, Attempted

SCORES = ("pvl", "l1", "max_mc", "learnability")
OVER = ("mean", "last")
ALONE = ("minimax", "minimax_mean")  # of one student
TEACHER_REWARDS = ("paired", "paired_signed", "flexible_paired", *ALONE)


def attempted(rewards: Array, ended: Array, success: Array) -> Attempted:
    """Sum up a rollout.

    Args:
        rewards: float [T, N], the task's.
        ended: bool [T, N], the last steps of episodes.
        success: bool [T, N], of those.
    """
    episodes, whole = _episodes(ended)
    returns, count = _sums(rewards, episodes, whole), whole.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = returns.sum(axis=0) / count
        solved = (success & ended).sum(axis=0) / count
    best = np.where(whole, returns, -np.inf).max(axis=0, initial=-np.inf)
    return Attempted(count, mean, np.where(count > 0, best, np.nan), solved)


def level_scores(
    kind: str, advantages: Array, values: Array, ended: Array, highest: Array, tried: Attempted, over: str = "mean"
) -> Array:
    """One score for each level, float64 [N].

    pvl: the mean over an episode of max(A, 0) (positive value loss). l1: the mean of |A|. max_mc: the mean of
    R - V, R the best return that this student ever had on the level (Jiang et al. 2021, Replay-guided adversarial
    environment design). learnability: p (1 - p), p the share of successes among two whole episodes at least
    (Rutherford et al. 2024, No regrets).

    Args:
        kind: one of `SCORES`.
        advantages, values: float [T, N], of the task's reward.
        ended: bool [T, N].
        highest: float64 [N], R, this rollout included.
        tried: of the same rollout.
        over: `mean`, of the whole episodes; `last`, the latest of them alone.
    """
    if kind == "learnability":
        return np.where(tried.count >= 2, tried.solved * (1 - tried.solved), np.nan)
    each = {"pvl": np.maximum(advantages, 0), "l1": np.abs(advantages)}.get(kind, highest - values)
    episodes, whole = _episodes(ended)
    lengths = _sums(np.ones(ended.shape), episodes, whole)
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(whole, _sums(each, episodes, whole) / lengths, 0.0)
        if over == "mean":
            mean: Array = scores.sum(axis=0) / tried.count
            return mean
    last = scores[np.maximum(tried.count - 1, 0), np.arange(ended.shape[1])]
    return np.where(tried.count > 0, last, np.nan)


def teacher_reward(kind: str, first: Attempted, second: Attempted | None = None) -> Array:
    """What the designer of N levels is paid, float64 [N]; a student without a whole episode got 0.

    paired: max(0, best of the second - mean of the first), the second being the antagonist (Dennis et al. 2020).
    paired_signed: the same without the maximum (jaxued). flexible_paired: max(0, best of whoever has the larger best -
    mean of the other). minimax: - best of the first. minimax_mean: - mean of the first (google-research's code).

    Args:
        kind: one of `TEACHER_REWARDS`; those in `ALONE` need no second student.
    """
    mean, best = np.nan_to_num(first.mean), np.nan_to_num(first.best)
    if kind in ALONE:
        less: Array = best if kind == "minimax" else mean
        return -less + 0.0  # no -0
    assert second is not None
    mean_2, best_2 = np.nan_to_num(second.mean), np.nan_to_num(second.best)
    regret: Array = best_2 - mean
    if kind == "flexible_paired":
        regret = np.where(best > best_2, best - mean_2, regret)
    paid: Array = regret if kind == "paired_signed" else np.maximum(regret, 0.0)
    return paid


def oracle_regret(steps: Array, max_steps: int, mean: Array) -> Array:
    """The optimum of a level less the mean return on it, float64 [N]; 0 where there is no way within the limit.

    Args:
        steps: int64 [N], fewest steps to success; -1: there is no way.
        mean: float64 [N], NaN where nothing is known; the regret then is not known either.
    """
    within = (steps >= 0) & (steps <= max_steps)
    return np.where(within, 1 - 0.9 * steps / max_steps - mean, 0.0)


def _episodes(ended: Array) -> tuple[Array, Array]:
    """The number of each step's episode, int64 [T, N], and which numbers are of whole ones, bool [most, N]."""
    done = ended.cumsum(axis=0)
    episodes = done - ended
    whole = np.arange(int(done.max(initial=0)) + 1)[:, None] < done[-1]
    return episodes, whole


def _sums(each: Array, episodes: Array, whole: Array) -> Array:
    """Over steps of the same episode, float64 [most, N]; 0 where it is not whole."""
    places = episodes * each.shape[1] + np.arange(each.shape[1])
    sums = np.bincount(places.ravel(), each.ravel(), whole.size).reshape(whole.shape)
    return np.where(whole, sums, 0.0)
