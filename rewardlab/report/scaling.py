"""`--scale ENV=RANDOM:OPTIMAL` and `--thresholds 0.5,0.9`: what the runs themselves do not say of returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from types import MappingProxyType

from rewardlab.errors import UserError, unknown
from rewardlab.records.summary import THRESHOLDS
from rewardlab.report.reading.collection import Collection

_MOST = 6  # thresholds: each is three columns of a table
GIVEN = "given"
"""What `Run.optimum_kind` says of a scale that the reader gave."""


@dataclass(frozen=True)
class Scaling:
    """Scales by the label of the environment, and thresholds by the suffix of their columns, in rising order."""

    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # random return, optimal return
    thresholds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType(THRESHOLDS))

    def applied(self, read: Collection) -> Collection:
        """The runs, on these scales.

        Raises:
            UserError: no run is of an environment that a scale is for.
        """
        envs = {run.env for run in read.runs}
        for env in self.scales:
            if env not in envs:
                raise unknown("--scale", env, envs, "environment here")
        if not self.scales:
            return read
        runs = []
        for run in read.runs:
            if (scale := self.scales.get(run.env)) is not None:
                run = replace(run, random_return=scale[0], optimal_return=scale[1], optimum_kind=GIVEN)
            runs.append(run)
        return replace(read, runs=tuple(runs))


UNCHANGED = Scaling()


def scaling(scales: Sequence[str], thresholds: str | None = None) -> Scaling:
    """Reads the flags.

    Args:
        scales: `ENV=RANDOM:OPTIMAL` each, with the mean returns of a random and of an optimal policy.
        thresholds: normalised returns that count as reached, with commas between them; None: the usual ones.

    Raises:
        UserError: one of them says something else.
    """
    found: dict[str, tuple[float, float]] = {}
    for text in scales:
        env, _, ends = text.rpartition("=")
        try:
            low, high = (float(end) for end in ends.split(":"))
        except ValueError:
            raise UserError(f"--scale {text}: write ENV=RANDOM:OPTIMAL, as in CartPole-v1=22:500") from None
        if not env or not isfinite(low) or not isfinite(high):
            raise UserError(f"--scale {text}: write ENV=RANDOM:OPTIMAL, as in CartPole-v1=22:500")
        if high <= low:
            raise UserError(f"--scale {text}: the optimal return must be above the random one")
        if found.setdefault(env, (low, high)) != (low, high):
            raise UserError(f"--scale {text}: {env} has another scale already")
    return Scaling(found) if thresholds is None else Scaling(found, _thresholds(thresholds))


def _thresholds(text: str) -> dict[str, float]:
    try:
        values = sorted({float(part) for part in text.split(",")})
    except ValueError:
        raise UserError(f"--thresholds {text}: write shares of the optimum, as in 0.5,0.9") from None
    if not all(0 < value <= 1 for value in values):
        raise UserError(
            f"--thresholds {text}: each lies above 0 (a random policy) and up to 1 (the optimum); --scale says which "
            "returns these are"
        )
    found = {f"{100 * value:g}": value for value in values}
    if len(found) < len(values) or len(found) > _MOST:
        raise UserError(f"--thresholds {text}: at most {_MOST}, and further apart")
    return found
