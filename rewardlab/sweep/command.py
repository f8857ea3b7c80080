"""How a job is started: its command line, its environment variables, and how many fit on this machine."""

import os
import shlex
import sys
from collections.abc import Sequence

from rewardlab.errors import UserError
from rewardlab.machine import cores, one_thread

CHILD = "rewardlab.sweep.child"  # the module that is a job's process
# Concerns of the driver alone: a job has no use for them.
_DRIVER_ONLY = ("hydra/launcher", "hydra/sweeper", "hydra.launcher", "hydra.sweeper", "hydra.sweep", "hydra.mode")


def job_arguments(overrides: Sequence[str], hydra_overrides: Sequence[str], config_dir: str | None) -> list[str]:
    """The arguments of one job's `rewardlab`, as a user would give them.

    Args:
        overrides: the job's own.
        hydra_overrides: the sweep's, from which only those that concern a job are kept.
        config_dir: the user's folder of yaml, if the sweep had one.
    """
    kept = [item for item in hydra_overrides if not item.lstrip("+~").startswith(_DRIVER_ONLY)]
    flags = ["--config-dir", config_dir] if config_dir else []
    return ["run", *flags, *overrides, *kept]


def job_command(arguments: Sequence[str]) -> list[str]:
    """The command that runs a job as a child of this process, and ends when this process does."""
    return [*module_command(CHILD), *arguments]


def module_command(module: str) -> list[str]:
    """The command that runs a module as a child of this process, whose number is its first argument."""
    # `python -m` looks into the working folder first: only where this process does so too.
    safe_path = [] if {"", os.getcwd()} & set(sys.path) else ["-P"]
    return [sys.executable, *safe_path, "-m", module, str(os.getpid())]


def shown_command(arguments: Sequence[str]) -> str:
    return shlex.join(["rewardlab", *arguments])


def job_environment() -> dict[str, str]:
    """This process's environment, with one thread for each job."""
    return {**os.environ, **one_thread(), "PYTHONUNBUFFERED": "1"}


def slots(jobs: int | None) -> int:
    """How many jobs run at once.

    Raises:
        UserError: `jobs` is not a positive number.
    """
    if jobs is None:
        return cores()
    if jobs < 1:
        raise UserError(f"hydra.launcher.jobs={jobs}: must be at least 1")
    return jobs
