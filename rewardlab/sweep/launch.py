"""From the sweeper's list of overrides to jobs, through the pool, to the table at the end."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from rewardlab import discovery
from rewardlab.config import composition, loggers
from rewardlab.config.code import code_of
from rewardlab.config.composition import Prepared
from rewardlab.config.identity import plugins_in, shown_labels
from rewardlab.errors import UserError
from rewardlab.records.driver import driving
from rewardlab.schemas import RootConfig
from rewardlab.sweep import command, result
from rewardlab.sweep.display import Display, make_display
from rewardlab.sweep.forking import Starter
from rewardlab.sweep.job import MISSING, Job, Outcome
from rewardlab.sweep.memory import GIB, Memory
from rewardlab.sweep.options import PoolOptions
from rewardlab.sweep.pool import Pool
from rewardlab.sweep.rerun import rerun_command
from rewardlab.sweep.table import outcome_table


def launch(
    config: DictConfig, job_overrides: Sequence[Sequence[str]], first: int, options: PoolOptions
) -> list[Outcome]:
    """Do the jobs of a batch on this machine and print what became of them. Needs Hydra at work.

    Args:
        config: the sweep's, with the `hydra` node.
        job_overrides: the overrides of each job.
        first: the number of the batch's first job.
    """
    slots = command.slots(options.jobs)
    before = result.last_result()
    if before is not None and before.signal_number is not None:  # an earlier batch was stopped: so is the sweep
        outcomes = [Outcome(first + i, " ".join(job), "not started") for i, job in enumerate(job_overrides)]
        result.remember(outcomes, before.signal_number)
        return outcomes

    def work(jobs: Sequence[Job], display: Display) -> tuple[dict[int, Outcome], int | None]:
        pool = Pool(
            slots,
            Path(config.hydra.sweep.dir).absolute(),
            display,
            retries=options.retries,
            fail_fast=options.fail_fast,
            memory=Memory(None if options.memory_gib is None else options.memory_gib * GIB),
            starter=Starter(options.start == "fork", display.note),
        )
        return {outcome.number: outcome for outcome in pool.run(jobs)}, pool.signal_number

    return do_batch(config, job_overrides, first, slots, work)


def do_batch(
    config: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    first: int,
    slots: int,
    work: Callable[[Sequence[Job], Display], tuple[dict[int, Outcome], int | None]],
) -> list[Outcome]:
    """Do the jobs of a batch by `work`, which is given those that compose, and print what became of all.

    Args:
        slots: how many jobs run at once, at most.
        work: returns the outcomes by number, and the signal that ended it, if one did.
    """
    started = time.monotonic()
    made = make_jobs(config, job_overrides, first)
    ready = [job for job in made if isinstance(job, Job)]
    display = make_display(len(made), min(slots, len(ready)) or 1)
    try:
        for refused in made:
            if isinstance(refused, Outcome):
                display.ended(refused)
        with driving(Path(config.hydra.sweep.dir).absolute(), [job.folder for job in ready]):
            done, signal_number = work(ready, display)
    finally:
        display.close()
    outcomes = [job if isinstance(job, Outcome) else done[job.number] for job in made]
    result.remember(outcomes, signal_number)
    ended = zip(job_overrides, outcomes, strict=True)
    missing = [overrides for overrides, outcome in ended if outcome.state in MISSING]
    batch = result.SweepResult(tuple(outcomes), signal_number)
    print(outcome_table(batch, time.monotonic() - started, rerun(config, missing)), flush=True)
    return outcomes


def rerun(config: DictConfig, missing: Sequence[Sequence[str]]) -> str:
    """The command that does the jobs with these overrides; empty where there are none."""
    if not missing:
        return ""
    sources = config.hydra.runtime.config_sources
    config_dir = next((source.path for source in sources if source.provider == "command-line"), None)
    flags = ["--config-dir", config_dir] if config_dir else []
    given = [*flags, *(item for item in config.hydra.overrides.hydra if not item.startswith("hydra.mode="))]
    return rerun_command(missing, [*given, *config.hydra.overrides.task], given)


def make_jobs(config: DictConfig, job_overrides: Sequence[Sequence[str]], first: int) -> list[Job | Outcome]:
    """The jobs, with an outcome in the place of each that is refused."""
    hydra_overrides = list(OmegaConf.to_container(config.hydra.overrides.hydra))  # type: ignore[arg-type]
    sources = config.hydra.runtime.config_sources
    config_dir = next((source.path for source in sources if source.provider == "command-line"), None)
    common = set(job_overrides[0]).intersection(*map(set, job_overrides)) if job_overrides else set()
    codes: dict[str, dict[str, str]] = {}  # by setting
    made: list[Job | Outcome] = []
    for number, overrides in enumerate(job_overrides, first):
        try:
            prepared = composition.compose(overrides)
        except UserError as error:
            made.append(Outcome(number, " ".join(overrides), "failed", detail=str(error), exit_code=2))
            continue
        arguments = command.job_arguments(overrides, hydra_overrides, config_dir)
        swept = [item for item in overrides if item not in common]
        if prepared.setting_id not in codes:
            codes[prepared.setting_id] = code_of(prepared.config)
        made.append(
            Job(
                number=number,
                label=f"{setting_label(prepared, swept)} seed{prepared.config.seed}",
                folder=prepared.folder,
                frames=prepared.config.frames_for_now,
                command=tuple(command.job_command(arguments)),
                shown=command.shown_command(arguments),
                overwrite=prepared.config.overwrite,
                pause_at=prepared.config.pause_at,
                code=codes[prepared.setting_id],
                kind=_kind(prepared.config),
            )
        )
    return made


def _kind(config: RootConfig) -> str:
    """What a job imports, where that is the package's own and opens no GPU; else empty."""
    chosen = [*plugins_in(config).values(), *((loggers.GROUP, stem) for stem in loggers.apart(config.logger))]
    own = all(discovery.plugins(group)[stem].source.is_relative_to(discovery.PACKAGE) for group, stem in chosen)
    users = ":" in str(getattr(config.env, "id", ""))  # gymnasium imports the module before it
    return " ".join(sorted({stem for _, stem in chosen})) if own and not users and config.device == "cpu" else ""


def setting_label(prepared: Prepared, swept: Sequence[str]) -> str:
    """What to call a setting: `doorkey_5x5 rnd ppo num_envs=8`, with what is swept over and stands in no label."""
    shown = shown_labels(prepared.labels)
    labelled = ("seed", *discovery.FOLDERS)
    others = [item for item in swept if item.partition("=")[0].lstrip("+").partition(".")[0] not in labelled]
    return " ".join([*shown, *others])
