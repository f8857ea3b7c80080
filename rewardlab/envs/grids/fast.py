"""The fast backend: this project's own batched engine, bit-exact with Farama's code (rewardlab/gridworld)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from rewardlab import gridworld
from rewardlab.envs.batched import BatchedEnv
from rewardlab.envs.grids.facts import tile_size
from rewardlab.envs.grids.missions import Tokens
from rewardlab.envs.levels import Levels
from rewardlab.envs.spaces import ActionCodec
from rewardlab.facts import (
    AHEAD,
    CARRYING,
    DISTANCE,
    DOORS_OPEN,
    GRID,
    HELD,
    LAVA_BESIDE,
    LEVEL,
    PANORAMA,
    PICTURE,
    PLACE,
    SITUATION,
    STATE_HASH,
)
from rewardlab.gridworld.batch import World
from rewardlab.gridworld.constants import DOOR, LAVA, OPEN
from rewardlab.gridworld.privileged import read_facts
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, State


@dataclass(frozen=True)
class ViewOptions:
    """What images show, as the options of `minigrid.Config` describe it.

    heading: whether `vector` tells it, one-hot.
    """

    observation: str = "view"
    view_size: int = 7
    see_through_walls: bool | None = None
    noise: str = "none"
    noise_amount: float | None = None
    heading: bool = False


def fast_env(
    env_id: str,
    spec: EnvSpec,
    levels: Levels,
    missions: Tokens | None,
    privileged: Sequence[str],
    look: ViewOptions,
    own: Mapping[str, Callable[[World], Array]] | None = None,
) -> BatchedEnv:
    """N environments of one MiniGrid task, stepped together.

    Args:
        spec: all but the actions, to which noise may add one.
        missions: tokens of every mission; None or of length 0 where the task has only one.
        privileged: full-state facts to compute: those of `facts.FACTS`, distance, situation, and those of `own`.
        own: facts of the task's own, each [N, ...] of a world. Compiled passes don't measure them.
    """
    engine = gridworld.make_vec(
        env_id,
        levels.num_envs,
        observation=look.observation,
        view_size=look.view_size,
        see_through_walls=look.see_through_walls,
        noise_kind=look.noise,
        noise_amount=look.noise_amount,
        autoreset=False,
    )

    def view(frames: Mapping[str, Any]) -> Obs:
        shown = {"image": frames["image"]}
        if missions is not None and missions.length:
            shown["mission"] = np.stack([missions[text] for text in frames["mission"]])
        if look.heading:
            shown["vector"] = _ONE_HOT[frames["direction"]]
        return shown

    action = ActionSpec(n=engine.num_actions)
    facts = _Facts(engine, privileged, look, own or {}, levels) if privileged else None
    vector: Any = engine if look.noise == "none" else _Noisy(engine)
    codec = ActionCodec(action, lambda chosen: chosen)
    quiet = look.noise == "none"
    noted = replace(spec, action=action, noisy=not quiet)
    return BatchedEnv(
        vector,
        noted,
        codec,
        view,
        levels,
        facts,
        reward_is_success=True,
        keeper=EngineState(engine),
        placer=_Places(engine) if quiet else None,
        engine=_Engine(engine, levels, tuple(privileged), missions, facts, look) if quiet else None,
    )


class _Engine:
    """What compiled passes play."""

    measurable = frozenset(
        {STATE_HASH, PLACE, GRID, SITUATION, LAVA_BESIDE, CARRYING, HELD, AHEAD, DOORS_OPEN, DISTANCE}
    )

    def __init__(
        self,
        vector: Any,
        levels: Levels,
        facts: tuple[str, ...],
        missions: Tokens | None,
        measured: _Facts | None,
        look: ViewOptions,
    ) -> None:
        self.vector, self.levels, self.facts, self._missions = vector, levels, facts, missions
        self.mission_length = missions.length if missions is not None else 0
        self.headings = _ONE_HOT if look.heading else np.empty((0, 0), dtype=np.float32)
        self._measured = measured

    def measure(self, cells: Array, facts: Array) -> Obs:
        return {} if self._measured is None else self._measured.of(replace(self.vector.world, cells=cells, facts=facts))

    def tokens(self, numbers: tuple[int, ...]) -> Array:
        assert self._missions is not None
        return self._missions[self.vector.family.words(numbers)]


class _Noisy:
    """The engine with noise that neither comes back with a level nor depends on when other environments end.

    A level fixes what happens in an episode; if it fixed the noise as well, the noise of a few levels could be learnt.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.num_envs = engine.num_envs
        self.close = engine.close
        self._image: Array = np.empty(0)

    def step(self, actions: Array) -> tuple[Any, ...]:
        stepped: tuple[Any, ...] = self._engine.step(actions)
        self._image = stepped[0]["image"]
        return stepped

    def reset(self, *, seed: Sequence[int | None], options: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
        """As the engine's, but the seeds are those of the levels alone."""
        engine = self._engine
        if options is None:  # environments on the same level see different noise
            engine.reset(
                seed=[int(np.random.SeedSequence([entry or 0, i]).generate_state(1)[0]) for i, entry in enumerate(seed)]
            )
        levels = [[] if entry is None else [entry] for entry in seed]
        length = max(map(len, levels))
        engine.set_levels(np.array([entry or [0] * length for entry in levels], np.int64).reshape(len(levels), length))
        others = np.flatnonzero(~options["reset_mask"]) if options else np.zeros(0, np.int64)
        kept = engine.get_state(others)["noise"]
        frames, infos = engine.reset(options=options)
        if others.size:
            frames["image"][others] = self._image[others]
            engine.set_state({"noise": kept}, others)
        self._image = frames["image"]
        return frames, infos


class EngineState:
    """The engine's state as tensors: its random streams, 64 bits without a sign, as the same bits with one."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def get_state(self) -> State:
        found = self._engine.get_state()
        signed = {name: found[name].view(np.int64) for name in _STREAMS}
        return {name: torch.from_numpy(array) for name, array in (found | signed).items()}

    def set_state(self, state: State) -> None:
        arrays = {name: tensor.cpu().numpy() for name, tensor in state.items()}
        unsigned = {name: array.view(np.uint64) for name, array in arrays.items() if name in _STREAMS}
        self._engine.set_state(arrays | unsigned)


class _Places:
    """States of some environments, without what their coming levels depend on."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def take(self, where: Array) -> Obs:
        found = self._engine.get_state(where)
        return {name: found[name] for name in _PLACE}

    def put(self, where: Array, places: Obs) -> Mapping[str, Array]:
        """Where the agent has been in its episode begins anew, with where it stands."""
        height, width = places["cells"].shape[1:3]
        visited = np.zeros((len(where), height, width), dtype=np.uint8)
        visited[np.arange(len(where)), places["agent"][:, 1], places["agent"][:, 0]] = 1
        self._engine.set_state({**places, "visited": visited}, where)
        shown: Mapping[str, Array] = self._engine.observe()
        return shown

    def hold(self, places: Obs) -> Mapping[str, Array]:
        self._engine.hold(places)
        shown: Mapping[str, Array] = self._engine.observe()
        return shown


class _Facts:
    """The engine measures all environments at once, so it never pays to measure some of them."""

    def __init__(
        self,
        engine: Any,
        names: Sequence[str],
        look: ViewOptions,
        own: Mapping[str, Callable[[World], Array]],
        levels: Levels,
    ) -> None:
        self._engine, self._names, self._look, self._own, self._levels = engine, names, look, own, levels
        if DISTANCE in names:
            from rewardlab.gridworld.distances import Distances

            self._distances = Distances(engine.task)

    def measure(self) -> Obs:
        facts = self.of(self._engine.world)
        for name in self._names:
            if name == PICTURE:
                facts[name] = np.stack(self._engine.render(tile_size=self._tile()))
            elif name == LEVEL:
                facts[name] = self._levels.current.copy()
            elif name == PANORAMA:
                facts[name] = self._engine.panorama(self._look.view_size, self._look.see_through_walls)
            elif name in self._own:
                facts[name] = self._own[name](self._engine.world)
        return facts

    def of(self, world: World) -> Obs:
        """Those that the arrays of a world tell."""
        names = [name for name in self._names if name in _FIELDS]
        found = read_facts(world, list(dict.fromkeys(field for name in names for field in _FIELDS[name])))
        facts: Obs = {}
        for name in names:
            if name == DISTANCE:
                facts[name] = self._distances.measure(world)
            elif name == PLACE:
                facts[name] = found["agent"][:, :2].astype(np.int64)
            elif name == LAVA_BESIDE:
                facts[name] = _lava_beside(world.cells, found["agent"], self._engine.task.width)
            elif name == CARRYING:
                facts[name] = found["carried"][:, 0].astype(np.int64)
            elif name == HELD:
                facts[name] = found["carried"][:, :3].astype(np.int64)
            elif name == AHEAD:
                facts[name] = _ahead(world.cells, found["agent"], self._engine.task.width)
            elif name == DOORS_OPEN:
                cells = world.cells  # the agent's own too, which may be a door's
                facts[name] = ((cells & 0xFF == DOOR) & (cells >> 16 & 0xFF == OPEN)).sum(axis=1)
            else:
                facts[name] = found[name]
        return facts

    def remeasure(self, before: Obs, changed: Array) -> Obs:
        return self.measure()

    def _tile(self) -> int:
        return tile_size(self._engine.task.width, self._engine.task.height)


def _lava_beside(cells: Array, agent: Array, width: int) -> Array:
    """int64 [N]: of the four cells around the agent. It never stands at the border, which is all wall."""
    place = agent[:, 1].astype(np.int64) * width + agent[:, 0]
    around = cells[np.arange(len(cells))[:, None], place[:, None] + np.array([-width, width, -1, 1])]
    count: Array = (around & 0xFF == LAVA).sum(axis=1)
    return count


def _ahead(cells: Array, agent: Array, width: int) -> Array:
    """int64 [N, 3]: kind, colour and state of the cell that the agent faces."""
    place = agent[:, 1].astype(np.int64) * width + agent[:, 0]
    faced = cells[np.arange(len(cells)), place + np.array([1, width, -1, -width])[agent[:, 2]]]
    parts: Array = (faced[:, None] >> np.array([0, 8, 16], dtype=np.uint32) & 0xFF).astype(np.int64)
    return parts


_ONE_HOT = np.eye(4, dtype=np.float32)
_PLACE = ("cells", "agent", "carried", "steps", "mission", "registers", "level_of", "streams")
_STREAMS = ("streams", "choosers", "noise", "channel")
# What the engine computes for each fact that its arrays tell.
_FIELDS = {
    STATE_HASH: ("state_hash",),
    PLACE: ("agent",),
    GRID: ("grid",),
    SITUATION: ("situation",),
    LAVA_BESIDE: ("agent",),
    CARRYING: ("carried",),
    HELD: ("carried",),
    AHEAD: ("agent",),
    DOORS_OPEN: (),
    DISTANCE: (),
}
