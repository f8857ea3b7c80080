"""A run that was trained: its folder, its config, and the learners as it left them."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import torch

from rewardlab import schemas
from rewardlab.config import composition, saved
from rewardlab.errors import UserError
from rewardlab.networks.genomes import Mlp
from rewardlab.parts.archives.seed_chain import chains_of, rebuilt
from rewardlab.records import archive, checkpoint
from rewardlab.records.store import CONFIG
from rewardlab.schemas import RootConfig
from rewardlab.training.build import build
from rewardlab.training.parts import RunParts
from rewardlab.types import Agent, Array, Conditioner, EnvSpec, Population, State

_TRUSTED = ("env.id=", "env.wrappers=")


def find_run(given: str) -> Path:
    """The folder of the run that a path names or lies in.

    Raises:
        UserError: there is none.
    """
    path = Path(given).expanduser().absolute()
    if not path.exists():
        raise UserError(f"{given}: no such run")
    for folder in (path, *path.parents):
        if (folder / CONFIG).is_file():
            return folder
    raise UserError(f"{given}: not the folder of a run, which holds a {CONFIG}")


def run_config(folder: Path, trusted: Sequence[str] = ()) -> RootConfig:
    """The run's config, on the CPU; read as plain data.

    Args:
        trusted: `env.id=MODULE:ID` and the like, by which the user has modules imported that the config names.

    Raises:
        UserError: it is not the config of a run, or names a module that is not trusted.
    """
    for text in trusted:
        if not text.startswith(_TRUSTED) and not text.partition("=")[0].endswith(".sandbox"):
            raise UserError(f"{text}: a run has its environment; only {' and '.join(_TRUSTED)} of its own are given")
    overrides = [*saved.repeat(str(folder / CONFIG), trusted), "device=cpu"]
    with composition.session():
        config, _ = composition.typed(overrides)
    schemas.check(config)
    return config


def learners(
    folder: Path, config: RootConfig, check: Callable[[EnvSpec], None] = lambda spec: None
) -> tuple[Agent, Conditioner | None]:
    """The run's agent, as the finished run or else the last checkpoint has it, and what sets it goals.

    Args:
        check: refuses environments, before the policy is looked for.

    Raises:
        UserError: there is no policy, or it is of another config.
    """
    parts = build(config)
    parts.env.close()
    check(parts.env.spec)
    name = checkpoint.POLICY if (folder / checkpoint.POLICY).exists() else checkpoint.CHECKPOINT
    if not (folder / name).exists():
        raise UserError(f"{folder}: no policy yet (neither {checkpoint.POLICY} nor {checkpoint.CHECKPOINT})")
    state = _saved(folder, name)
    try:
        if name == checkpoint.POLICY:
            parts.agent.load_policy_state_dict(state)
        else:
            parts.agent.load_state_dict(state["agent"])
        if parts.conditioner is not None:
            parts.conditioner.load_state_dict(_saved(folder, checkpoint.CHECKPOINT)["conditioner"])
    except UserError:
        raise
    except Exception as error:  # whatever an agent makes of another one's state
        raise UserError(f"{folder / name}: does not fit the run's {CONFIG} ({type(error).__name__})") from None
    return parts.agent, parts.conditioner


def paid_by(folder: Path, config: RootConfig) -> RunParts:
    """The run's parts with its scheme as the run left it; their environments are closed.

    Raises:
        UserError: there is no checkpoint, or it is of another config.
    """
    parts = build(config)
    parts.env.close()
    state = _saved(folder, checkpoint.CHECKPOINT)
    try:
        parts.scheme.load_state_dict(state["scheme"])
    except Exception as error:  # whatever a scheme makes of another one's state
        raise UserError(f"{folder}: its scheme does not fit its {CONFIG} ({type(error).__name__})") from None
    return parts


def individual(run: str | Path, number: int | None = None) -> Agent:
    """The agent of a population's finished run, which acts as one of the individuals in its `archive.npz`.

    Args:
        run: its folder, or a path in it.
        number: its place in the archive; None: the champion.

    Raises:
        UserError: there is no such run, archive or individual.
    """
    folder = find_run(str(run))
    agent, _ = learners(folder, run_config(folder))
    if number is None:
        return agent
    found, population = archive_of(folder), cast(Population, agent)
    count = len(found["returns"])
    if not 0 <= number < count:
        raise UserError(f"individual {number}: {folder / archive.ARCHIVE} holds {count}, from 0 to {count - 1}")
    if "genomes" in found:
        population.champion = found["genomes"][number].copy()
    else:
        chains = chains_of({name: torch.from_numpy(found[name]) for name in ("first", "lengths", "seeds", "sigmas")})
        population.champion = rebuilt(chains[number], cast(Mlp, population.genome))
    return agent


def archive_of(run: str | Path) -> dict[str, Array]:
    """The arrays of a population's finished run, by name.

    Raises:
        UserError: there is no such run, or it has none that can be read.
    """
    folder = find_run(str(run))
    try:
        return archive.load(folder / archive.ARCHIVE)
    except ValueError as problem:
        raise UserError(f"{folder}: {problem}") from None


def _saved(folder: Path, name: str) -> State:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch thinks of a file that is none of ours is said in the reason
        state, reason = checkpoint.load(folder / name)
    if state is None:
        raise UserError(f"{folder}: {reason}")
    return state
