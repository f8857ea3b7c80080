"""`rewardlab demos`: whole episodes of the exact solver or of a trained run, as a dataset of Minari's format."""

import shutil
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rewardlab import starting, trained
from rewardlab.config import composition
from rewardlab.datasets.demonstrations import minari_storage
from rewardlab.errors import UserError
from rewardlab.records.store import CONFIG
from rewardlab.schemas import RootConfig
from rewardlab.threads import use_one_thread
from rewardlab.training import recorder
from rewardlab.training.recorder import SOLVER, Recording
from rewardlab.types import Agent


def main(given: Namespace) -> int:
    """Record what the flags ask for."""
    what = Recording(given.source, given.episodes, given.levels, given.noise, given.keep, given.seed)
    return record(given.overrides, given.out, what)


def record(overrides: Sequence[str], out: str, what: Recording) -> int:
    """Record episodes, write the dataset `out` and say what is in it. Returns the exit code.

    Raises:
        UserError: in one line, what is wrong and what is allowed; nothing is written then.
    """
    _check(what)
    minari_storage()
    target = _target(out)
    use_one_thread()
    config, agent = _subject(overrides, what.source)
    partial = target.with_name(f".{target.name}.partial")
    starting.over()
    shutil.rmtree(partial, ignore_errors=True)
    try:
        totals = recorder.record(partial, config, agent, what)
        partial.rename(target)
    except OSError as error:
        raise UserError(f"--out {out}: can't be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    print(
        f"{out}: {totals.episodes} episodes on {len(totals.levels)} levels, {totals.steps} steps,"
        f" mean return {totals.returned / totals.episodes:.3f}, {totals.solved / totals.episodes:.0%} solved"
    )
    return 0


def _check(what: Recording) -> None:
    for flag, value, least in (("--episodes", what.episodes, 1), ("--seed", what.seed, 0)):
        if value < least:
            raise UserError(f"{flag} {value}: must be at least {least}")
    if what.levels is not None and not 1 <= what.levels <= what.episodes:
        raise UserError(f"--levels {what.levels}: must be from 1 to the number of episodes, {what.episodes}")
    if not 0 <= what.noise <= 1:
        raise UserError(f"--noise {what.noise:g}: must be from 0 to 1")


def _target(out: str) -> Path:
    target = Path(out).expanduser().absolute()
    if target.exists():
        raise UserError(f"--out {out}: is there already; name another folder")
    return target


def _subject(overrides: Sequence[str], source: str) -> tuple[RootConfig, Agent | None]:
    """The config whose environment is played, and the agent that plays it, if it is not the solver."""
    if source == SOLVER:
        for text in overrides:
            if not text.lstrip("+").startswith("env"):
                raise UserError(f"{text}: only env=NAME and env.OPTION=VALUE matter here")
        return composition.compose(overrides).config, None
    folder = trained.find_run(source)
    config = trained.run_config(folder, overrides)
    agent, conditioner = trained.learners(folder, config)
    if conditioner is not None:
        raise UserError(f"{folder / CONFIG}: its policy follows goals that are set for it, which no"
                        " demonstration shows")  # fmt: skip
    return config, agent
