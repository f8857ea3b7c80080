"""The command that does what a sweep has left undone, and nothing else."""

import itertools
import shlex
from collections.abc import Sequence

_SIMPLE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-/~")
_LONGEST = 2000  # characters; beyond, the sweep's own command is easier to handle, and does as little


def rerun_command(missing: Sequence[Sequence[str]], sweep: Sequence[str], common: Sequence[str] = ()) -> str:
    """A command line over the overrides of missing jobs, or the sweep's own where no grid describes them.

    The sweep's own does no more either: it skips what is finished. That would not hold with overwrite=true, which is
    left out.

    Args:
        missing: the overrides of each job.
        sweep: what the user gave to the sweep, flags included.
        common: flags and overrides of Hydra's own, as the user gave them.
    """
    jobs = [[item for item in job if not _overwrites(item)] for job in missing]
    grid = _grid(jobs)
    exact = ["rewardlab", "run", *(["-m"] if len(jobs) > 1 else []), *common, *(grid or ())]
    if grid is not None and len(shlex.join(exact)) <= _LONGEST:
        return shlex.join(exact)
    return shlex.join(["rewardlab", "run", "-m", *(item for item in sweep if not _overwrites(item))])


def _grid(jobs: Sequence[Sequence[str]]) -> list[str] | None:
    """The overrides of a sweep that has exactly these jobs, or None."""
    keys = [item.partition("=")[0] for item in jobs[0]]
    if any([item.partition("=")[0] for item in job] != keys for job in jobs):
        return None
    values = [list(dict.fromkeys(job[place].partition("=")[2] for job in jobs)) for place in range(len(keys))]
    swept = [column for column in values if len(column) > 1]
    if not all(_SIMPLE.issuperset(value) and value for column in swept for value in column):
        return None
    if {tuple(combination) for combination in itertools.product(*values)} != {
        tuple(item.partition("=")[2] for item in job) for job in jobs
    }:
        return None
    return [f"{key}={','.join(column)}" for key, column in zip(keys, values, strict=True)]


def _overwrites(item: str) -> bool:
    return item.lstrip("+").startswith("overwrite=")
