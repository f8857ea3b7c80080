"""Any MiniHack or NetHack task: env=minihack env.id=MiniHack-KeyRoom-S5-v0, env=minihack env.id=NetHackScore-v0.

The whole map of glyphs, the square around the hero, the bottom lines and the message are shown; see
`envs/external/nethack.py` for these and for ends, and docs/suites/minihack.md. Needs the extra `minihack`.

A success is what the task calls one; the return is the task's own, in which steps that take no time cost 0.01.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from rewardlab.envs import registry
from rewardlab.envs.config import RegisteredConfig, check_privileged
from rewardlab.errors import UserError
from rewardlab.facts import PICTURE, PLACE, STATE_HASH
from rewardlab.schemas import option

if TYPE_CHECKING:
    from rewardlab.envs.external.gym import Copies
    from rewardlab.envs.levels import Levels
    from rewardlab.types import VecEnv

VERSION = 1
_FACTS = (STATE_HASH, PLACE, PICTURE)
_REFUSES_SEEDS = "NetHackChallenge-v0"
_LIMIT = "max_episode_steps"
_LACKS = "needs the packages nle and minihack; pip install 'rewardlab[minihack]'"
# Arguments that are not the user's, and what does their work here.
_OURS = {
    "observation_keys": "what is shown is set by env.view",
    "fix_moon_phase": "always on, so that a level is the same on every day",
    "seeds": "levels are set by env.levels",
    "render_mode": "pictures are drawn where they are asked for",
}


@dataclass
class Config(RegisteredConfig):
    MAY_BE_BOX = False
    SHOWS_GLYPHS = True

    view: str = option(
        "both", "cells that are shown: the map, 9x9 around the hero, or both", choices=("both", "map", "crop")
    )
    kwargs: dict[str, Any] = option({}, "arguments of the task, as in env.kwargs.penalty_step=-0.001", any_key=True)
    processes: int = option(1, "worker processes that step the copies", above=0, maximum=1024, in_setting=False)

    def validate(self) -> None:
        if not registry.add_minihack():
            raise UserError(f"env={self.name}: {_LACKS}")
        super().validate()
        if not registry.is_nethack(self.id):
            raise ValueError(f"id={self.id}: no game of NetHack; use env=gym env.id={self.id}")
        if self.id == _REFUSES_SEEDS:
            raise ValueError(f"id={self.id}: takes no seeds, so that no level repeats; use env.id=NetHackScore-v0")
        if "Crossing" in self.id:
            raise ValueError(
                f"id={self.id}: MiniHack cannot build it on MiniGrid from version 3 on; env=lavacrossing is"
                " MiniGrid's own"
            )
        for name, why in _OURS.items():
            if name in self.kwargs:
                raise ValueError(f"kwargs.{name}: {why}")
        limit = self.kwargs.get(_LIMIT, 1)
        if not (isinstance(limit, int) and limit > 0):
            raise ValueError(f"kwargs.{_LIMIT}={limit}: must be a whole number >= 1")

    def example_id(self) -> str:
        return "MiniHack-Room-Random-5x5-v0"


def make(config: Config, levels: "Levels", privileged: Sequence[str] = ()) -> "VecEnv":
    """N games; a level is the seed of a reset.

    Args:
        privileged: full-state facts to compute: the hero's place, a hash of the map as it is known, a picture.

    Raises:
        UserError: it cannot be built, or another fact is asked for.
    """
    from rewardlab.envs.external.nethack import View
    from rewardlab.envs.external.reference import reference_env
    from rewardlab.envs.external.workers import Workers, worker_env
    from rewardlab.envs.spaces import action_codec, obs_specs
    from rewardlab.maths.nethack import MAP
    from rewardlab.types import EnvSpec

    check_privileged(config.id, privileged, _FACTS)
    apart = config.processes > 1 and levels.num_envs > 1
    copies = copied_worlds(config, 1 if apart else levels.num_envs, privileged)
    first, view = copies.worlds[0], View(config.view)
    codec = action_codec(config.id, first.action_space)
    success = "what the task calls one: as a rule, the stairs down are reached"
    spec = EnvSpec(
        id=config.id,
        obs=obs_specs(view.ours),
        action=codec.spec,
        max_steps=copies.max_steps,
        task=config.task_facts(success if first.can_be_solved else None),
        privileged=_FACTS,
        place=((0.0, 0.0), (MAP[1] - 1.0, MAP[0] - 1.0)),
        downwards=True,
    )
    if not apart:
        return reference_env(copies.worlds, spec, codec, levels, copies.facts, tells_success=True, view=view)
    first.close()
    workers = Workers(config, config.processes, levels.num_envs, privileged, tells_success=True)
    return worker_env(workers, spec, codec, levels, view)


def copied_worlds(config: Config, count: int, privileged: Sequence[str] = ()) -> "Copies":
    """See `make`."""
    from rewardlab.envs.external.gym import Copies
    from rewardlab.envs.external.nethack import Game

    if not registry.add_minihack():
        raise UserError(f"env={config.name}: {_LACKS}")
    games = [Game(_game(config)) for _ in range(count)]
    how = {PLACE: Game.place, STATE_HASH: Game.map_hash, PICTURE: Game.picture}
    facts = {name: [partial(how[name], game) for game in games] for name in privileged}
    return Copies(games, facts, max_steps=games[0].max_steps, native=None)


def _game(config: Config) -> Any:
    """One game without wrappers."""
    from rewardlab.envs.external.making import world
    from rewardlab.envs.external.nethack import KEYS

    given = dict(config.kwargs)
    limit = given.pop(_LIMIT, None)  # gymnasium would cut besides, and the task's own limit would stay
    made = world(_Task(config.id, given), observation_keys=KEYS, fix_moon_phase=True).unwrapped
    if limit is not None:
        made._max_episode_steps = limit
    return made


@dataclass
class _Task:
    """What is asked for: see `making.Asked`."""

    id: str
    kwargs: dict[str, Any]
    wrappers: list[Any] = field(default_factory=list)
