"""`--filter KEY=PATTERN`: which runs a report is about."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from rewardlab.errors import UserError, unknown
from rewardlab.report.reading.fields import written
from rewardlab.report.reading.run_folder import Run

_FACTS = ("env", "reward", "agent", "curriculum", "seed", "state", "budget", "folder", "name", "device", "backend")
_FORM = re.compile(r"([\w./-]+?)\s*(!=|<=|>=|=|<|>)\s*(.+)", re.DOTALL)


def keep(runs: Sequence[Run], filters: Sequence[str]) -> list[Run]:
    """The runs that pass every filter.

    Args:
        runs: all runs.
        filters: `KEY=A,B` keeps what matches any of the patterns (`*` and `?` stand for anything), `KEY!=A,B` what
            matches none, `KEY<N`, `<=`, `>`, `>=` compare numbers. A key is one of a run's facts (env, reward, agent,
            curriculum, seed, state, budget, folder, name, device, backend) or a key of its config.

    Raises:
        UserError: a filter that can't be read, a key that no run has, or nothing is left.
    """
    kept = list(runs)
    for text in filters:
        if (found := _FORM.fullmatch(text.strip())) is None:
            raise UserError(f"--filter {text}: write KEY=VALUE, as in env='doorkey*', reward!=icm or seed<5")
        key, operator, wanted = found.groups()
        if key not in _FACTS and not any(key in run.config for run in runs):
            raise unknown("--filter", key, {*_FACTS, *(key for run in runs for key in run.config)}, "key")
        kept = [run for run in kept if _passes(run, key, operator, wanted, text)]
    if filters and runs and not kept:
        raise UserError(f"--filter {' '.join(filters)}: none of the {len(runs)} runs is left")
    return kept


def _passes(run: Run, key: str, operator: str, wanted: str, text: str) -> bool:
    value = getattr(run, key) if key in _FACTS else run.config.get(key)
    if operator in ("=", "!="):
        shown = written(value)
        matched = any(fnmatchcase(shown, pattern.strip()) for pattern in wanted.split(","))
        return matched is (operator == "=")
    try:
        limit = float(wanted)
    except ValueError:
        raise UserError(f"--filter {text}: {wanted} is not a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit}[operator]
