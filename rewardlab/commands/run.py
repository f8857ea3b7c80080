"""`rewardlab run` as a real Hydra application: all is validated first, then Hydra starts the job or the sweep."""

import gc
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from rewardlab import discovery, starting
from rewardlab.config import composition, expansion, saved
from rewardlab.config.code import code_of
from rewardlab.config.refusals import as_user_errors, no_such_key
from rewardlab.errors import Interrupted, UserError, one_line, report_internal_error
from rewardlab.machine import one_thread
from rewardlab.schemas import RootConfig

if TYPE_CHECKING:
    from rewardlab.training.parts import RunParts

_SWEEPS = ("hydra/launcher=", "hydra.launcher.", "hydra/sweeper=", "hydra.sweeper.")


@dataclass(frozen=True)
class Request:
    """What the user asked of `rewardlab run`.

    overrides: key=value, as Hydra reads them.
    multirun: a sweep.
    config_dir: a folder of the user's own yaml.
    config: a saved config.yaml to repeat.
    show: Hydra's flags that show something instead of running, each with its value, as in {"--cfg": "job"}; those
        without one have None.
    dry_run: only say what would be done.
    long: with that, a line for each job.
    """

    overrides: list[str] = field(default_factory=list)
    multirun: bool = False
    config_dir: str | None = None
    config: str | None = None
    show: dict[str, str | None] = field(default_factory=dict)
    dry_run: bool = False
    long: bool = False


def main(given: Namespace) -> int:
    """Do, or show, what the flags ask for."""
    if given.help:
        from rewardlab.commands import usage

        print(usage.run_help(given.overrides, given.config_dir))
        return 0
    gc.disable()  # to look for it among what is composed and imported would take a tenth of the start
    show = {f"--{flag}": getattr(given, flag) for flag in ("cfg", "info", "package") if getattr(given, flag)}
    show |= {f"--{flag.replace('_', '-')}": None for flag in ("resolve", "hydra_help") if getattr(given, flag)}
    try:
        return run(
            Request(
                given.overrides, given.multirun, given.config_dir, given.config, show, given.dry_run, given.long
            )
        )  # fmt: skip
    finally:
        gc.unfreeze()
        gc.enable()


def run(request: Request) -> int:
    """Validate, then hand over to Hydra; from then on garbage is collected. Returns the exit code.

    Raises:
        UserError: the request is refused; nothing has been written.
    """
    if request.config_dir is not None and not os.path.isdir(request.config_dir):
        raise UserError(f"--config-dir {request.config_dir}: no such folder")
    if request.long and not request.dry_run:
        raise UserError("--long: goes with --dry-run")
    if request.dry_run and request.show:
        raise UserError(f"--dry-run {next(iter(request.show))}: show one thing at a time")
    os.environ.update(one_thread())  # takes effect because torch has not been imported yet
    overrides = [_with_home(item) for item in request.overrides]
    for group in discovery.FOLDERS:
        given = [item for item in overrides if item.startswith(f"{group}=")]
        if len(given) > 1:
            raise UserError(f"{' '.join(given)}: give one {group}, or several with -m, as in -m {group}=A,B")
    if request.config is not None:
        overrides = saved.repeat(request.config, overrides, request.config_dir)
    flags = ["--config-dir", os.path.abspath(request.config_dir)] if request.config_dir else []
    if request.show:
        _check_show(request.show, overrides, request.config_dir)
        shown = [part for flag in request.show.items() for part in flag if part is not None]
        return _hydra([*flags, *shown, *overrides])
    if request.multirun or "hydra.mode=MULTIRUN" in overrides:
        with composition.many():
            if request.dry_run:
                return _preview_sweep(overrides, request)
            return _sweep(flags, overrides, request.config_dir)
    expansion.refuse_open_study(overrides, request.config_dir)
    if request.dry_run:
        return _preview_one(overrides, request)
    return _one(overrides, request.config_dir)


def rehearse(arguments: Sequence[str]) -> None:
    """Begin a run and throw it away: what that imports and loads is there for the next one. Nothing is written.

    Args:
        arguments: as of `rewardlab`, with `run` first.

    Raises:
        UserError: the run is refused.
    """
    from rewardlab.commands import flags
    from rewardlab.training.evaluate import Evaluator
    from rewardlab.training.learning.base import make_learning

    given = flags.parse("run", arguments[1:])
    config = composition.compose(given.overrides, given.config_dir).config
    code_of(config)
    parts = _validated(config)
    make_learning(config, parts).iterate(0)
    evaluator = Evaluator(config, parts.env.spec, parts.conditioner)
    evaluator.evaluate(parts.agent, 0, lambda: True)
    evaluator.close()
    parts.env.close()


def shell_completion(arguments: Sequence[str]) -> int:
    """Hydra's own completion: `install=bash`, or `query=bash` with COMP_LINE in the environment."""
    return _hydra(["--shell-completion", *arguments])


def _check_show(show: dict[str, str | None], overrides: list[str], config_dir: str | None) -> None:
    """Refuse what Hydra could not show."""
    main = [flag for flag in ("--cfg", "--info", "--hydra-help") if flag in show]
    if len(main) > 1:
        raise UserError(f"{' '.join(main)}: show one thing at a time")
    for flag in ("--package", "--resolve"):
        if flag in show and main != ["--cfg"]:
            raise UserError(f"{flag}: goes with --cfg, as in: rewardlab run --cfg job {flag}")
    with composition.session(config_dir):
        for override in composition.parse(overrides):
            if override.is_sweep_override():
                raise UserError(f"{override.input_line}: {main[0]} shows one run; give one value")
        composition.compose(overrides)
        package = show.get("--package")
        if package is not None and package != "_global_":
            _check_package(package, composition.raw(overrides)[0], show["--cfg"] == "job")


def _check_package(package: str, cfg: DictConfig, job_only: bool) -> None:
    parent = package.rpartition(".")[0]
    with as_user_errors():
        found = OmegaConf.select(cfg, package)
        siblings = OmegaConf.select(cfg, parent) if parent else cfg
    if found is None or (job_only and package.partition(".")[0] == "hydra"):
        raise no_such_key(package, siblings if isinstance(siblings, DictConfig) else ())


def _sweep(flags: list[str], overrides: list[str], config_dir: str | None) -> int:
    from rewardlab.sweep import forking, options

    launchers = ("hydra/launcher=", "hydra.launcher.start=")
    if options.FORKS and not any(item.startswith(launchers) for item in overrides):
        forking.begin_early()
    try:
        return _do_sweep(flags, overrides, config_dir)
    finally:
        forking.end_early()


def _do_sweep(flags: list[str], overrides: list[str], config_dir: str | None) -> int:
    from rewardlab.sweep import result

    jobs = _valid_jobs(overrides, config_dir)
    result.forget()
    expansion.plan(jobs, overrides)
    _end_start()
    try:
        code = _hydra([*flags, "--multirun", *(overrides if jobs is None else expansion.as_first(jobs, overrides))])
    finally:
        expansion.plan(None)
    pooled = result.last_result()
    if pooled is not None:
        return pooled.exit_code
    return code if code > 128 else min(code, 1)


def _valid_jobs(overrides: list[str], config_dir: str | None) -> list[list[str]] | None:
    """The jobs of a sweep, all checked; a line on stderr for what is dropped."""
    jobs, dropped = expansion.valid_jobs(overrides, config_dir, _check_parts, _jobs_at_once)
    for line in dropped:
        print(f"dropped: {line}", file=sys.stderr)
    return jobs


def _preview_sweep(overrides: list[str], request: Request) -> int:
    from rewardlab.commands import preview, screen

    jobs = _valid_jobs(overrides, request.config_dir)
    if jobs is None:
        raise UserError("--dry-run: this hydra/sweeper chooses its jobs as it goes, so there is no list of them")
    with composition.session(request.config_dir):
        at_once = _jobs_at_once(composition.raw(expansion.as_first(jobs, overrides))[0])
        prepared = [composition.compose(job) for job in jobs]
    print(preview.preview(prepared, at_once, screen.width(), request.long))
    return 0


def _preview_one(overrides: list[str], request: Request) -> int:
    from rewardlab.commands import preview, screen

    with composition.session(request.config_dir):
        prepared, parts = _checked(overrides)
    parts.env.close()
    print(preview.preview([prepared], 1, screen.width(), request.long))
    return 0


def _check_parts(config: RootConfig) -> None:
    _validated(config).env.close()


def _jobs_at_once(config: DictConfig) -> int | None:
    """How many jobs of a sweep run at the same time; None where a cluster decides. Needs a `composition.session`.

    Raises:
        UserError: the launcher refuses its options.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext

    from hydra_plugins.rewardlab.pool import PoolLauncher
    from rewardlab.sweep.command import slots

    application = GlobalHydra.instance().hydra
    assert application is not None
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=HydraContext(config_loader=application.config_loader, callbacks=Callbacks()),
        task_function=_prepared,
        config=config,
    )
    if isinstance(launcher, PoolLauncher):
        return slots(launcher.options.jobs)
    return 1 if isinstance(launcher, BasicLauncher) else None


def _checked(overrides: list[str]) -> "tuple[composition.Prepared, RunParts]":
    """One run, ready to start. Needs a `composition.session`."""
    prepared = composition.compose(overrides)
    for item in overrides:
        if item.lstrip("+").startswith(_SWEEPS):
            raise UserError(f"{item}: concerns a sweep; add -m")
    return prepared, _validated(prepared.config)


def _one(overrides: list[str], config_dir: str | None) -> int:
    """One run, of which nothing is left to find out: what Hydra's `main` would do, without composing to learn that."""
    with composition.session(config_dir):
        prepared, parts = _checked(overrides)
        starting.undo_folder(prepared.config.results_dir)  # Hydra makes it before the run begins
        application = GlobalHydra.instance().hydra
        assert application is not None
        done = application.run(
            composition.CONFIG_NAME, lambda cfg: _run_job(lambda: (prepared, parts)), [*overrides, "hydra.mode=RUN"]
        )
    code: int = done.return_value
    return code


def _validated(config: RootConfig) -> "RunParts":
    from rewardlab import run

    with discovery.users_faults():
        return run.validated(config)


def _hydra(arguments: Sequence[str]) -> int:
    """Run Hydra on a command line; the worst exit code of the jobs that ran in this process."""
    codes: list[int] = []

    def job(cfg: DictConfig) -> int:
        codes.append(_run_job(lambda: (_prepared(cfg),)))
        return codes[-1]

    application = hydra.main(
        config_path=str(discovery.conf_dir()),
        config_name=composition.CONFIG_NAME,
        version_base=composition.VERSION_BASE,
    )(job)
    logging.raiseExceptions = False  # a reader that has seen enough, as in `--info | head`, is no error
    with _command_line(arguments):
        application()
    return max((code for code in codes if code > 128), default=max(codes, default=0))


def _prepared(cfg: DictConfig) -> composition.Prepared:
    settings = HydraConfig.get()
    return composition.prepare(cfg, settings.runtime.choices, list(settings.overrides.task))


def _run_job(make: "Callable[[], tuple[composition.Prepared] | tuple[composition.Prepared, RunParts]]") -> int:
    """One run. Never raises: what becomes of one job is not to end the others of a sweep."""
    try:
        from rewardlab import run

        _end_start()
        return run.run(*make())
    except Interrupted as error:
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except UserError as error:
        print(one_line(error), file=sys.stderr)
        return 2
    except Exception as error:
        report_internal_error(error)
        return 1


def _end_start() -> None:
    """From here on garbage is collected, though not looked for among what was there before."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


@contextmanager
def _command_line(arguments: Sequence[str]) -> Iterator[None]:
    """Hydra reads sys.argv, and prints errors itself unless told to raise them."""
    before, raises = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["rewardlab", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = before
        del os.environ["HYDRA_FULL_ERROR"]
        if raises is not None:
            os.environ["HYDRA_FULL_ERROR"] = raises


def _with_home(override: str) -> str:
    """`results_dir=~/runs` is a path for Hydra too, in shells that leave the ~ alone."""
    key, equals, value = override.partition("=")
    return f"{key}={os.path.expanduser(value)}" if equals and key == "results_dir" else override
