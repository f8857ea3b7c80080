"""The jobs of a sweep: every combination, known and checked before the first one starts.

The driver expands the command line as Hydra's BasicSweeper does, validates each distinct setting once, and
hands the list over through `plan`: our sweeper (hydra_plugins/rewardlab/grid.py) launches exactly these jobs,
so that what was validated is what runs, under every launcher. `skip_invalid=true` merely makes the list shorter. An
override of a key that only some of the swept choices have is left out where there is no such key.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from rewardlab.config.composition import Prepared, check_writable, compose, many, parse, raw, session
from rewardlab.errors import NoSuchKey, UserError
from rewardlab.schemas import RootConfig

_LISTED = 10  # invalid combinations that are named; the rest is counted
_STUDY = "+study="


@dataclass(frozen=True)
class Plan:
    """The jobs of a sweep, and the command line that asked for them, without Hydra's own settings."""

    jobs: list[list[str]]
    asked: list[str]


_plan: Plan | None = None


def plan(jobs: Sequence[Sequence[str]] | None, overrides: Sequence[str] = ()) -> None:
    """Leave a list of jobs for the sweeper, and what asked for them; None takes it back."""
    global _plan
    asked = [text for text in overrides if not _is_hydras(text)]
    _plan = None if jobs is None else Plan([list(job) for job in jobs], asked)


def planned() -> Plan | None:
    return _plan


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """Every combination of a sweep, in BasicSweeper's order. Needs a `composition.session`.

    Raises:
        UserError: a sweep over something that has no list of values, or an empty one.
    """
    parsed = [item for item in parse(overrides) if not item.is_hydra_override()]
    for override in parsed:
        if override.is_sweep_override() and not override.is_discrete_sweep():
            raise UserError(
                f"{override.input_line}: has no list of values to try; name them: key=a,b or key=range(0,5)"
            )
        if override.is_sweep_override() and not any(True for _ in override.sweep_string_iterator()):
            raise UserError(f"{override.input_line}: no values, so the sweep is empty")
    return [job for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]


def expand_grids(
    params: Mapping[str, str] | None, grids: Sequence[Mapping[str, Any]] | None, overrides: Sequence[str]
) -> list[list[str]]:
    """Every combination of each grid of a study in turn. Needs a `composition.session`.

    Args:
        params: what all grids share.
        grids: what each has of its own; None is one that has nothing.
        overrides: the command line, which wins. Of grids that have a key themselves, those are left that have some of
            its values, as in `env=doorkey_5x5`; where none has, the value holds in all of them.
    """
    given = [item for item in parse(overrides) if not item.is_hydra_override()]
    left = [dict(grid) for grid in grids or [{}]]
    for item in given:
        left = _narrowed(left, item)
    named = {item.key_or_group for item in given}
    jobs = []
    for grid in left:
        preset = {key: value for key, value in (params or {}).items() if key not in named} | grid
        rest = [item.input_line or "" for item in given if item.key_or_group not in grid]
        jobs += expand([*(f"{key}={value}" for key, value in preset.items()), *rest])
    return jobs


def refuse_open_study(overrides: Sequence[str], config_dir: str | None) -> None:
    """Refuse a study that is to run as a single run, unless all that one of its grids sweeps over is given.

    Raises:
        UserError: names what is left open.
    """
    if not any(text.startswith(_STUDY) for text in overrides):
        return
    with session(config_dir):
        sweeper = _own_settings(overrides).hydra.sweeper
        given = {item.key_or_group for item in parse(overrides)}
    swept: list[set[str]] = [{*(sweeper.get("params") or {}), *grid} for grid in sweeper.get("grids") or [{}]]
    if missing := min((sorted(keys - given) for keys in swept), key=lambda keys: len(keys)):
        study = next(text for text in overrides if text.startswith(_STUDY))
        raise UserError(f"{study}: a study is a sweep over {', '.join(missing)}; add -m")


def as_first(jobs: list[list[str]], overrides: Sequence[str]) -> list[str]:
    """What Hydra is to compose before it starts the jobs of a sweep: the first job and Hydra's own settings. From the
    command line it would leave out the swept choices, and miss the keys that belong to them.
    """
    return [*filter(_is_hydras, overrides), *jobs[0]]


def valid_jobs(
    overrides: Sequence[str],
    config_dir: str | None,
    validate: Callable[[RootConfig], None],
    check_launcher: Callable[[DictConfig], object] = lambda config: None,
) -> tuple[list[list[str]] | None, list[str]]:
    """The jobs of a sweep that fit together, each run once, and a line for each combination that was dropped, and for
    each override that was left out of some.

    The jobs are None under a sweeper that chooses them as it goes (an optimiser's): each is checked when it starts.

    Args:
        validate: builds a run's parts; called once for each setting, whatever the seeds.
        check_launcher: is given Hydra's own settings before anything is built.

    Raises:
        UserError: some combination is invalid and skip_invalid is not set, or none is left.
    """
    with many(), session(config_dir):
        own = _own_settings(overrides)
        check_launcher(own)
        sweeper = own.hydra.sweeper
        if str(sweeper.get("_target_", "")).rpartition(".")[2] not in ("GridSweeper", "BasicSweeper"):
            return None, []
        jobs = expand_grids(sweeper.params, sweeper.get("grids"), overrides)
        verdicts: dict[str, str | None] = {}
        kept: dict[str, list[str]] = {}
        refused: list[str] = []
        swept, skips = _swept(jobs), _skips_invalid(overrides)
        left_out: list[str] = []
        if not skips:
            jobs, left_out = _without_foreign_keys(jobs, config_dir)
        for job in jobs:
            reason, prepared = _judge(job, config_dir, validate, verdicts)
            if prepared is not None and reason is None:
                if not kept:
                    check_writable(Path(prepared.config.results_dir, "sweeps"), prepared.config.results_dir)
                kept.setdefault(str(prepared.folder), job)
                continue
            combination = " ".join(item for item in job if item in swept and not item.startswith("seed="))
            line = f"{combination}: {reason}" if combination and combination not in str(reason) else str(reason)
            if line not in refused:
                refused.append(line)
    if refused and not (kept and skips):
        raise UserError(_refusal(refused, len(jobs)))
    return list(kept.values()), [*refused, *left_out]


def _narrowed(grids: list[dict[str, Any]], item: Override) -> list[dict[str, Any]]:
    """What a value or several on the command line leave of the grids."""
    key, wanted = item.key_or_group, _values(item)
    fitting = []
    for grid in grids:
        if key not in grid:
            fitting.append(grid)
        elif common := [value for value in wanted if value in _values(parse([f"{key}={grid[key]}"])[0])]:
            fitting.append(grid | {key: ",".join(common)})
    return fitting or [{name: value for name, value in grid.items() if name != key} for grid in grids]


def _values(item: Override) -> list[str]:
    if item.is_sweep_override():  # an interval has no list of values; `expand` refuses it
        return list(item.sweep_string_iterator()) if item.is_discrete_sweep() else []
    return [item.get_value_element_as_str()]


def _own_settings(overrides: Sequence[str]) -> DictConfig:
    """What Hydra itself is set to."""
    own = [item for item in parse(overrides) if item.is_hydra_override() or (item.input_line or "").startswith(_STUDY)]
    for override in own:
        if override.is_sweep_override():
            raise UserError(f"{override.input_line}: hydra's own settings can't be swept over")
    return raw([item.input_line or "" for item in own])[0]


def _judge(
    job: list[str], config_dir: str | None, validate: Callable[[RootConfig], None], verdicts: dict[str, str | None]
) -> tuple[str | None, Prepared | None]:
    try:
        prepared = compose(job, config_dir)
    except UserError as error:
        return str(error), None
    setting = prepared.setting_id
    if setting not in verdicts:
        try:
            validate(prepared.config)
            verdicts[setting] = None
        except UserError as error:
            verdicts[setting] = str(error)
    return verdicts[setting], prepared


def _without_foreign_keys(jobs: list[list[str]], config_dir: str | None) -> tuple[list[list[str]], list[str]]:
    """The jobs without the overrides of keys that their choices lack and those of other jobs have; a line for each."""
    missing = [_missing_keys(job, config_dir) for job in jobs]
    known = {_key(item) for job, lacks in zip(jobs, missing, strict=True) for item in job if _key(item) not in lacks}
    lines: dict[str, None] = {}
    kept = []
    for job, lacks in zip(jobs, missing, strict=True):
        foreign = [item for item in job if _key(item) in lacks & known]
        for item in foreign:
            group = _key(item).partition(".")[0]
            choice = next((other for other in job if _key(other) == group), group)
            lines[f"{item} from {choice}, which has no such key"] = None
        kept.append([item for item in job if item not in foreign])
    return kept, list(lines)


def _missing_keys(job: list[str], config_dir: str | None) -> frozenset[str]:
    """The keys among its overrides that its choices do not have."""
    missing: set[str] = set()
    while True:
        try:
            compose([item for item in job if _key(item) not in missing], config_dir)
        except NoSuchKey as error:
            if error.key not in set(map(_key, job)) - missing:
                return frozenset(missing)
            missing.add(error.key)
        except UserError:
            return frozenset(missing)
        else:
            return frozenset(missing)


def _key(item: str) -> str:
    return item.partition("=")[0].lstrip("+")


def _is_hydras(text: str) -> bool:
    return text.lstrip("+~").startswith(("hydra.", "hydra/"))


def _swept(jobs: list[list[str]]) -> set[str]:
    """The overrides that are not the same in every job."""
    if len(jobs) == 1:
        return set(jobs[0])
    common = set(jobs[0]).intersection(*map(set, jobs))
    return {item for job in jobs for item in job if item not in common}


def _skips_invalid(overrides: Sequence[str]) -> bool:
    given = [item.partition("=")[2].lower() for item in overrides if item.lstrip("+").startswith("skip_invalid=")]
    return bool(given) and given[-1] in ("true", "yes", "on", "1")


def _refusal(refused: list[str], jobs: int) -> str:
    if len(refused) == 1:
        return refused[0] if jobs == 1 else f"{refused[0]} (skip_invalid=true drops it from the sweep)"
    listed = "; ".join(f"[{index}] {line}" for index, line in enumerate(refused[:_LISTED], 1))
    more = f"; and {len(refused) - _LISTED} more" if len(refused) > _LISTED else ""
    return f"the sweep has {len(refused)} invalid combinations (skip_invalid=true drops them): {listed}{more}"
