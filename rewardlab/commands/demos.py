"""`rewardlab demos`: whole episodes of the exact solver, of chance, of walks or of trained runs, in Minari's format."""

import math
import shutil
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rewardlab import starting, trained
from rewardlab.config import composition, identity
from rewardlab.datasets.demonstrations import minari_storage
from rewardlab.errors import UserError
from rewardlab.records.store import CONFIG
from rewardlab.schemas import RootConfig
from rewardlab.threads import use_one_thread
from rewardlab.training import recorder
from rewardlab.training.players import PLAY, RANDOM, SOLVER, Trained
from rewardlab.training.recorder import Recording


def main(given: Namespace) -> int:
    """Record what the flags ask for."""
    sources = given.source or [SOLVER]
    shares = [_share(text) for text in sources]
    counts = _divided(given.episodes, [share for _, share in shares])
    for text, count in zip(sources, counts, strict=True):
        if count < 1 <= given.episodes:
            raise UserError(f"--from {text}: no episode falls to it of --episodes {given.episodes}; record more")
    parts = [
        Recording(source, episodes, given.levels, given.noise, given.keep or _kept(source), given.seed, part)
        for part, ((source, _), episodes) in enumerate(zip(shares, counts, strict=True))
    ]
    return record(given.overrides, given.out, *parts)


def record(overrides: Sequence[str], out: str, *parts: Recording) -> int:
    """Record episodes of each source, write the dataset `out` and say what is in it. Returns the exit code.

    Raises:
        UserError: in one line, what is wrong and what is allowed; nothing is written then.
    """
    for what in parts:
        _check(what)
    minari_storage()
    target = _target(out)
    use_one_thread()
    config, policies = _subjects(overrides, [what.source for what in parts])
    partial = target.with_name(f".{target.name}.partial")
    starting.over()
    shutil.rmtree(partial, ignore_errors=True)
    try:
        totals = recorder.record(partial, config, policies, parts)
        partial.rename(target)
    except OSError as error:
        raise UserError(f"--out {out}: can't be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    print(
        f"{out}: {totals.episodes} episodes on {len(totals.levels)} levels, {totals.steps} steps,"
        f" mean return {totals.returned / totals.episodes:.3f}, {totals.solved / totals.episodes:.0%} solved"
    )
    spreads = (f"{name} {_spread(told)}" for name, told in (("returns", totals.returns), ("lengths", totals.lengths)))
    print(f"{', '.join(spreads)} (least, median, most); {len(totals.seen)} distinct observations were acted on")
    return 0


def _share(text: str) -> tuple[str, float]:
    """SOURCE, or SOURCE=SHARE."""
    source, sign, share = text.rpartition("=")
    if not sign:
        return text, 1.0
    try:
        value = float(share)
    except ValueError:
        return text, 1.0  # an = in the name of a folder
    if not (math.isfinite(value) and value > 0):
        raise UserError(f"--from {text}: a share must be greater than 0")
    return source, value


def _divided(episodes: int, shares: Sequence[float]) -> list[int]:
    """So many episodes of each source: the last takes what rounding leaves."""
    found = [round(episodes * share / sum(shares)) for share in shares[:-1]]
    return [*found, episodes - sum(found)]


def _kept(source: str) -> str:
    """Which episodes are kept, where nobody says it."""
    return "all" if source in (RANDOM, PLAY) else "solved"


def _spread(told: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in (min(told), median(told), max(told)))


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


def _subjects(overrides: Sequence[str], sources: Sequence[str]) -> tuple[RootConfig, list[Trained | None]]:
    """The config whose environment is played, and the policies that play it; None for a source that is no run.

    With a run among the sources, it is the run's.

    Raises:
        UserError: two runs have different environments.
    """
    runs = {source: _subject(overrides, source) for source in sources if source not in (SOLVER, RANDOM, PLAY)}
    if not runs:
        return _world(overrides), [None] * len(sources)
    config = next(iter(runs.values()))[0]
    for source, (other, _) in runs.items():
        if identity.flat_options(other.env) != identity.flat_options(config.env):
            raise UserError(f"--from {source}: another environment than that of {next(iter(runs))}")
    return config, [runs[source][1] if source in runs else None for source in sources]


def _world(overrides: Sequence[str]) -> RootConfig:
    for text in overrides:
        if not text.lstrip("+").startswith("env"):
            raise UserError(f"{text}: only env=NAME and env.OPTION=VALUE matter here")
    return composition.compose(overrides).config


def _subject(overrides: Sequence[str], source: str) -> tuple[RootConfig, Trained]:
    """The config of a run, and its policy, which acts as `eval.policy` says there."""
    folder = trained.find_run(source)
    config = trained.run_config(folder, overrides)
    agent, conditioner = trained.learners(folder, config)
    if conditioner is not None:
        raise UserError(f"{folder / CONFIG}: its policy follows goals that are set for it, which no"
                        " demonstration shows")  # fmt: skip
    return config, Trained(agent, config.eval.policy, config.agent.name)
