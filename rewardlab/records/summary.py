"""What one run comes to, in numbers: the pure functions behind `summary.json`.

The trainer writes its summary with `summarise`; the report calls the same functions, so that the two never disagree.
"""

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

THRESHOLDS: dict[str, float] = {"50": 0.5, "90": 0.9}
"""Column suffix -> normalised return that counts as reached."""


def summarise(
    frames: ArrayLike,
    return_mean: ArrayLike,
    success_rate: ArrayLike | None,
    random_return: float | None,
    optimal_return: float | None,
    fps_mean: float | None,
    wall_seconds: float | None,
    cpu_seconds: float | None,
    budget: float | None = None,
) -> dict[str, Any]:
    """Summarises the evaluations of one run: exactly the keys of `summary.json`.

    `final_*` is of one last evaluation, `late_*` the mean of the last `late_evaluations` of them.

    Args:
        frames: training frames at each evaluation, increasing, [E].
        return_mean: mean task return of each evaluation, [E].
        success_rate: share of successful episodes, [E]; None (or NaN cells) where the task defines no success.
        random_return: expected return of a uniformly random policy; None if unknown.
        optimal_return: return of an optimal policy; None if unknown.
        fps_mean: training frames per second over the whole run.
        wall_seconds: elapsed time of the run.
        cpu_seconds: processor time of the run.
        budget: training frames of a run that has ended, to which its curve goes; None: up to its last evaluation.

    Returns:
        JSON-ready values; None wherever a number cannot be had: no evaluation, no known optimum, never reached.
    """
    steps = np.asarray(frames, dtype=np.float64)
    returns = np.asarray(return_mean, dtype=np.float64)
    normalised = None
    if can_normalise(random_return, optimal_return):
        assert random_return is not None and optimal_return is not None
        normalised = normalise(returns, random_return, optimal_return)
    measured = {
        "return": returns,
        "success": None if success_rate is None else np.asarray(success_rate, dtype=np.float64),
        "normalised": normalised,
    }
    late = late_evaluations(steps.size)
    summary: dict[str, Any] = {f"final_{name}": _mean_of_last(values, 1) for name, values in measured.items()}
    summary |= {f"late_{name}": _mean_of_last(values, late) for name, values in measured.items()}
    summary["late_evaluations"] = late
    for suffix, threshold in THRESHOLDS.items():
        summary[f"frames_to_{suffix}"] = None if normalised is None else frames_to(steps, normalised, threshold)
    if normalised is None or not normalised.size:
        summary["auc"] = None
    else:
        summary["auc"] = _finite(area_under_curve(*whole_curve(steps, normalised, budget)))
    summary["fps_mean"] = _finite(fps_mean)
    summary["wall_seconds"] = _finite(wall_seconds)
    summary["cpu_seconds"] = _finite(cpu_seconds)
    return summary


def can_normalise(random_return: float | None, optimal_return: float | None) -> bool:
    """Whether both anchors of the normalised scale are known, finite and apart."""
    if random_return is None or optimal_return is None:
        return False
    return isfinite(random_return) and isfinite(optimal_return) and random_return != optimal_return


def normalise(returns: ArrayLike, random_return: float, optimal_return: float) -> FloatArray:
    """Puts returns on the scale on which a random policy scores 0 and an optimal one 1.

    Args:
        returns: task returns, any shape.
        random_return: expected return of a uniformly random policy.
        optimal_return: return of an optimal policy.

    Returns:
        (returns - random) / (optimal - random), same shape; not clipped.

    Raises:
        ValueError: the two anchors coincide or are not finite.

    Source:
        The convention of Agarwal et al., "Deep RL at the Edge of the Statistical Precipice", NeurIPS 2021, with the
        optimum in the place of the human score.
    """
    if not can_normalise(random_return, optimal_return):
        raise ValueError(f"cannot normalise between random {random_return} and optimal {optimal_return}")
    return (np.asarray(returns, dtype=np.float64) - random_return) / (optimal_return - random_return)


def late_evaluations(evaluations: int) -> int:
    """How many evaluations at the end are late: a tenth of them all, rounded down, but one if there is any.

    One evaluation is of few episodes and of one policy among several that change fast. A share of them covers the
    same stretch of training however often a run is evaluated.
    """
    return max(min(1, evaluations), evaluations // 10)


def whole_curve(frames: FloatArray, normalised: FloatArray, budget: float | None) -> tuple[FloatArray, FloatArray]:
    """The learning curve of a run from frame 0 to the end of its budget, whichever runs are beside it.

    Before its first evaluation a run has no policy, and counts as a random one: 0. It ends with the last iteration
    that its budget had room for, and its last evaluation stands for the rest.

    Args:
        frames: whole training frames at each evaluation, increasing, [E] with E >= 1.
        normalised: evaluations on the scale on which a random policy scores 0, [E].
        budget: training frames that the run had; None if it has not ended.

    Returns:
        Frames and values, [E to E + 3].
    """
    before = np.unique([0.0, frames[0] - 1.0]) if frames[0] > 0 else np.empty(0)
    after = np.array([budget] if budget is not None and budget > frames[-1] else [], dtype=np.float64)
    values = (np.zeros(before.size), normalised, np.full(after.size, normalised[-1]))
    return np.concatenate([before, frames, after]), np.concatenate(values)


def first_reached(values: ArrayLike, threshold: float) -> int | None:
    """Index of the first evaluation of two in a row that reach a threshold.

    One evaluation alone would be a maximum over noise: the more evaluations, the earlier a lucky one.

    Args:
        values: evaluations in order, [E]; NaN never reaches.
        threshold: what counts as reached, in the unit of `values`.

    Returns:
        An index below E - 1, or None.
    """
    reached = np.asarray(values, dtype=np.float64) >= threshold
    both = reached[:-1] & reached[1:]
    return int(np.argmax(both)) if both.any() else None


def frames_to(frames: ArrayLike, normalised: ArrayLike, threshold: float) -> int | None:
    """Training frames until the normalised return reaches a threshold in two evaluations in a row.

    Args:
        frames: training frames at each evaluation, [E].
        normalised: normalised return of each evaluation, [E].
        threshold: 0.9 means nine tenths of the way from a random policy to the optimum.

    Returns:
        The frames of the first of the two evaluations; None if the run never gets there.
    """
    index = first_reached(normalised, threshold)
    return None if index is None else int(np.asarray(frames)[index])


def area_under_curve(frames: ArrayLike, values: ArrayLike) -> float:
    """Mean height of a learning curve: trapezoid rule, divided by the covered range of frames.

    Args:
        frames: training frames at each evaluation, strictly increasing, [E] with E >= 1.
        values: evaluations, [E].

    Returns:
        The area in the unit of `values`; the value itself if there is only one evaluation.

    Raises:
        ValueError: there is no evaluation at all.
    """
    steps = np.asarray(frames, dtype=np.float64)
    heights = np.asarray(values, dtype=np.float64)
    if steps.size == 0:
        raise ValueError("no evaluation: the curve has no area")
    if steps.size == 1:
        return float(heights[0])
    return float(np.trapezoid(heights, steps) / (steps[-1] - steps[0]))


def _mean_of_last(values: FloatArray | None, count: int) -> float | None:
    return None if values is None or not values.size else _finite(float(values[-count:].mean()))


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None
