"""The engine as a gymnasium vector environment."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from rewardlab.errors import UserError
from rewardlab.gridworld import batch, looks, noise, state
from rewardlab.gridworld.catalogue import Task, find_task
from rewardlab.gridworld.constants import MISSION, NUM_MISSION, STEPS, X, Y
from rewardlab.gridworld.seeds import check_seed, level_seeds, seeding_kernel, seeds_of
from rewardlab.kernel_cache import compile_for

Observation = dict[str, Any]
# Mission words hold letters, spaces and commas; the longest are BabyAI's.
_MISSION_SPACE = spaces.Text(max_length=512, min_length=0, charset=frozenset("abcdefghijklmnopqrstuvwxyz ,"))


class GridVectorEnv(VectorEnv):
    """N environments of one MiniGrid task, stepped together; bit-exact with Farama's at every seed.

    An observation is ``{"direction": int64 [N], "image": uint8 [N, V, V, 3], "mission": N strings}``. Episodes that
    end are followed by the next one within the same step; `infos["final_obs"]` then holds the true last observation.

    Args:
        task: from the catalogue.
        num_envs: N.
        levels: None for endless levels, K for the level seeds 0 to K - 1, or the seeds to choose from.
        look: how images are made.
        disturbance: noise on images.
        autoreset: begin the next episode within the step that ends one; otherwise `reset` must, by its mask.
    """

    def __init__(
        self,
        task: Task,
        num_envs: int,
        levels: np.ndarray,
        look: looks.Look,
        disturbance: noise.Noise | None,
        autoreset: bool = True,
    ) -> None:
        self.task = task
        self.num_envs = num_envs
        self.family = batch.family_of(task)
        self.look = look
        self.noise = disturbance
        self.autoreset = autoreset
        mode = AutoresetMode.SAME_STEP if autoreset else AutoresetMode.DISABLED
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": 10, "autoreset_mode": mode}
        self.render_mode = "rgb_array"
        self._make_spaces()

        self.world = batch.make_world(task, num_envs, levels)
        self._extra = {
            "noise": np.zeros((num_envs, 6), dtype=np.uint64),
            "channel": np.zeros(num_envs, dtype=np.uint64),
        }
        self._seeded = np.zeros(num_envs, dtype=np.bool_)
        self._begun = np.zeros(num_envs, dtype=np.bool_)
        self._over = np.zeros(num_envs, dtype=np.bool_)  # only without automatic resets
        self._missions = [""] * num_envs
        self._words: dict[tuple[int, ...], str] = {}
        # The last observations of the episodes that ended in the last step, and whose they were.
        self._last_images, self._last_directions = self._image_buffer(), np.zeros(num_envs, dtype=np.int64)
        self._finished = np.zeros(num_envs, dtype=np.int64)
        self._restart = np.full(num_envs, batch.RESTART, dtype=np.int64)
        self._look = np.full(num_envs, batch.LOOK, dtype=np.int64)

        self._seed_kernel = seeding_kernel(self.world.streams)
        self._kernel = self.kernel(batch.advance, "advance")
        compile_for(self._kernel, self._arguments(self._look, batch.LOOK), f"the kernels of {task.family}")

    def _make_spaces(self) -> None:
        image = spaces.Box(0, 255, self.look.shape, dtype=np.uint8)
        self.single_observation_space = spaces.Dict(
            {"image": image, "direction": spaces.Discrete(4), "mission": _MISSION_SPACE}
        )
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (self.num_envs, *self.look.shape), dtype=np.uint8),
                "direction": spaces.MultiDiscrete(np.full(self.num_envs, 4)),
                "mission": spaces.Tuple((_MISSION_SPACE,) * self.num_envs),
            }
        )
        self.num_actions = self.task.num_actions if self.noise is None else self.noise.num_actions
        self.single_action_space = spaces.Discrete(self.num_actions)
        self.action_space = spaces.MultiDiscrete(np.full(self.num_envs, self.num_actions))

    # -- stepping ------------------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins new episodes.

        Args:
            seed: s seeds environment i with s + i; a list seeds each (None: goes on with its stream); None goes on
                with all streams (never seeded ones start at random).
            options: `reset_mask`, bool [N], resets only some environments.
        """
        seeds = seeds_of(seed, self.num_envs)
        mask = self._reset_mask(options)
        if not (self._begun | mask).all():
            raise UserError("reset: the first reset must not leave out environments (reset_mask)")
        fresh = [entry is None and not was for entry, was in zip(seeds, self._seeded, strict=True)]
        if any(fresh):
            entropy = np.random.SeedSequence().generate_state(self.num_envs, np.uint64) >> np.uint64(1)
            seeds = [int(entropy[i]) if fresh[i] else entry for i, entry in enumerate(seeds)]
        chosen = np.array([entry is not None for entry in seeds]) & mask
        numbers = np.array([entry or 0 for entry in seeds], dtype=np.int64)
        world = self.world
        self._seed_kernel(world.streams, world.choosers, self._extra["noise"], numbers, chosen)
        self._seeded |= chosen
        observation = self._run(np.where(mask, self._restart, self._look), batch.LOOK)[0]
        self._begun[:] = True
        self._over &= ~mask
        return observation, {}

    def step(self, actions: Any) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Takes one action per environment, int [N]; see the class for what comes back."""
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,) or actions.dtype.kind not in "iu":
            raise UserError(f"actions: must be {self.num_envs} integers, got shape {actions.shape} of {actions.dtype}")
        if not self._begun[0]:
            raise UserError("step: call reset first")
        if self._over.any():
            raise UserError(f"step: the episode of environment {int(self._over.argmax())} is over; reset it first")
        actions = np.ascontiguousarray(actions, dtype=np.int64)
        observation, rewards, terminated, truncated, infos = self._run(actions, 0)
        if not self.autoreset:
            self._over = terminated | truncated
        return observation, rewards, terminated, truncated, infos

    def observe(self) -> Observation:
        """The current observation, with no step taken (after `set_state`, say)."""
        return self._run(self._look, batch.LOOK)[0]

    def kernel(self, template: Callable[..., Any], kind: str) -> Any:
        """A template of `batch.mapped` for these environments."""
        return batch.mapped(template, kind, self.family, self.look.kernel, self.look.name, **self.look.constants)

    def moved(self) -> None:
        """After kernels of others moved all environments: the words of their missions."""
        self._update_missions(np.arange(self.num_envs))

    def set_levels(self, seeds: Any) -> None:
        """Sets the level seeds of the coming episodes, int [N, E]: environment i plays the levels of row i, in order.

        Each reset, automatic ones included, uses up one; afterwards the environment goes on with its own stream (or
        its fixed levels). Evaluation on a fixed list of levels: `set_levels(seeds)`, `reset()`, E episodes each.
        """
        lists = np.asarray(seeds)
        if lists.ndim != 2 or len(lists) != self.num_envs or lists.dtype.kind not in "iu":
            raise UserError(f"levels: must be integers of shape ({self.num_envs}, E), got shape {lists.shape}")
        if lists.size:
            check_seed(lists.min(), "levels")
            check_seed(lists.max(), "levels")
        self.world.lists = np.ascontiguousarray(lists, dtype=np.int64)
        self.world.list_at[:] = 0

    def _image_buffer(self) -> np.ndarray:
        return np.empty((self.num_envs, *self.look.shape), dtype=np.uint8)

    def _arguments(self, actions: np.ndarray, lowest: int) -> tuple[Any, ...]:
        n = self.num_envs
        seen = (self._image_buffer(), np.empty(n, dtype=np.int64))
        results = (np.empty(n), np.empty(n, dtype=np.bool_), np.empty(n, dtype=np.bool_))
        last = (self._last_images, self._last_directions, self._finished)
        return (*self.world.arrays(), actions, lowest, self.num_actions - 1, self.autoreset, *seen, *results, *last)

    def _run(self, actions: np.ndarray, lowest: int) -> tuple[Any, ...]:
        arguments = self._arguments(actions, lowest)
        count = self._kernel(*arguments)
        if count == batch.BAD_ACTION:
            bad = actions[(actions < 0) | (actions >= self.num_actions)]
            raise UserError(f"actions: must be from 0 to {self.num_actions - 1}, got {int(bad[0])}")
        if count == batch.NO_LEVEL:
            raise RuntimeError(f"{self.task.env_id}: a level could not be drawn (Farama's raises RecursionError here)")
        images, directions, rewards, terminated, truncated = arguments[-8:-3]
        if self.noise is not None:
            self.noise.disturb(images, self._last_images[:count], self._finished[:count], actions, self._extra)
        infos = self._infos(count) if count else {}
        if count:
            self._update_missions(self._finished[:count])
        elif lowest < 0:
            self._update_missions(np.arange(self.num_envs))
        observation = {"direction": directions, "image": images, "mission": tuple(self._missions)}
        return observation, rewards, terminated, truncated, infos

    def _infos(self, count: int) -> dict[str, Any]:
        """gymnasium's layout: an object array of last observations, and masks."""
        final = np.full(self.num_envs, None, dtype=object)
        mask = np.zeros(self.num_envs, dtype=np.bool_)
        images, finished = self._last_images[:count].copy(), self._finished[:count]
        mask[finished] = True
        for k, i in enumerate(finished.tolist()):
            final[i] = {"direction": self._last_directions[k], "image": images[k], "mission": self._missions[i]}
        return {"final_obs": final, "_final_obs": mask, "final_info": {}, "_final_info": mask.copy()}

    def _update_missions(self, where: np.ndarray) -> None:
        numbers = self.world.facts[where, MISSION : MISSION + NUM_MISSION].tolist()
        for i, entry in zip(where.tolist(), numbers, strict=True):
            key = tuple(entry)
            if key not in self._words:
                self._words[key] = self.family.words(key)
            self._missions[i] = self._words[key]

    def _reset_mask(self, options: dict[str, Any] | None) -> np.ndarray:
        if not options:
            return np.ones(self.num_envs, dtype=np.bool_)
        unknown = set(options) - {"reset_mask"}
        if unknown:
            raise UserError(f"reset options: {sorted(unknown)} unknown (allowed: reset_mask)")
        mask = np.asarray(options["reset_mask"])
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise UserError(f"reset_mask: must be {self.num_envs} booleans, at least one of them True")
        return mask

    # -- state ---------------------------------------------------------------------------------------------------

    @property
    def mission_numbers(self) -> np.ndarray:
        """int32 [N, 4]: the numbers that each mission's words are made from (a copy)."""
        return self.world.facts[:, MISSION : MISSION + NUM_MISSION].copy()

    @property
    def steps(self) -> np.ndarray:
        """int32 [N]: steps taken in each episode (a copy)."""
        return self.world.facts[:, STEPS].copy()

    @property
    def level_of(self) -> np.ndarray:
        """int64 [N]: the level seed of each episode, -1 where the environment's own stream drew it (a copy)."""
        return self.world.level_of.copy()

    def _indices(self, indices: Any) -> np.ndarray:
        if indices is None:
            return np.arange(self.num_envs)
        chosen = np.atleast_1d(np.asarray(indices))
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or (chosen.size and chosen.min() < 0):
            raise UserError(f"indices: must be integers from 0 to {self.num_envs - 1}")
        if chosen.size and chosen.max() >= self.num_envs:
            raise UserError(f"indices: must be from 0 to {self.num_envs - 1}, got {int(chosen.max())}")
        return chosen.astype(np.int64)

    def get_state(self, indices: Any = None) -> state.State:
        """Copies the full state of all or some environments; `rewardlab.gridworld.state` tells what is in it."""
        self._need_reset("get_state")
        return state.read(self.world, self._extra, self._indices(indices))

    def set_state(self, state_: Mapping[str, np.ndarray], indices: Any = None) -> None:
        """Puts a state into all or some environments; entries that are left out stay as they are.

        Leave out `streams`, `lists` and `list_at` to return to a place without returning to its future levels.
        """
        self._need_reset("set_state")
        where = self._indices(indices)
        given = dict(state_)
        state.check(self.world, where, given, getattr(self.family, "POSITIONS", 0))
        if "registers" in given and hasattr(self.family, "unsound"):
            bad = self.family.unsound(given["registers"])
            if bad.any():
                raise UserError(f"state entry registers: environment {int(bad.argmax())} has no possible ones")
        state.write(self.world, self._extra, where, given)
        self._over[where] = False
        self._update_missions(where)

    def hold(self, state_: Mapping[str, np.ndarray]) -> None:
        """Puts the first states of episodes into all environments; every later episode begins in its one again.

        Level seeds and lists then count no more; random streams go on. There is no way back to levels that are drawn.
        """
        self.set_state({**state_, "steps": np.zeros(self.num_envs, dtype=np.int32)})
        world = self.world
        world.visited[:] = 0
        world.visited[np.arange(self.num_envs), world.facts[:, Y] * self.task.width + world.facts[:, X]] = 1
        world.home_cells, world.home_facts = world.cells.copy(), world.facts.copy()

    def set_drawing(
        self, drawing: str, indices: Any = None, contents: Mapping[tuple[int, int], str] | None = None
    ) -> None:
        """Puts a drawn level, at its first step, into all or some environments; see `rewardlab.gridworld.drawings`."""
        from rewardlab.gridworld.drawings import read_drawing

        self._need_reset("set_drawing")
        where = self._indices(indices)
        level = read_drawing(self.task, drawing, contents)
        self.set_state({name: np.repeat(array, len(where), axis=0) for name, array in level.items()}, where)

    def copy_envs(self, targets: Any, sources: Any) -> None:
        """Makes each target environment an exact copy of its source, random streams included."""
        self._need_reset("copy_envs")
        to, of = self._indices(targets), self._indices(sources)
        if len(to) != len(of):
            raise UserError(f"copy_envs: {len(to)} targets and {len(of)} sources; one source per target")
        state.write(self.world, self._extra, to, state.read(self.world, self._extra, of))
        self._over[to] = self._over[of]
        self._update_missions(to)

    def privileged(self, fields: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Facts that the agent does not see; see `rewardlab.gridworld.privileged`."""
        from rewardlab.gridworld.privileged import read_facts

        self._need_reset("privileged")
        return read_facts(self.world, fields)

    def panorama(self, view_size: int = 7, see_through_walls: bool | None = None) -> np.ndarray:
        """What each agent would see turning around on the spot: uint8 [N, 4, V, V, 3], direction 0 first."""
        from rewardlab.gridworld.panorama import panoramas

        self._need_reset("panorama")
        return panoramas(self.world, looks.make_look(self.task, "view", view_size, see_through_walls))

    def _need_reset(self, what: str) -> None:
        if not self._begun[0]:
            raise UserError(f"{what}: call reset first")

    # -- pictures ------------------------------------------------------------------------------------------------

    def render(self, i: int | None = None, tile_size: int = 32, highlight: bool = True) -> Any:
        """Farama's own picture of environment i, uint8 [H * tile_size, W * tile_size, 3]; of all, as a tuple.

        What the agent sees is highlighted; nothing is where it sees the whole grid.
        """
        from rewardlab.gridworld.reference import picture

        self._need_reset("render")
        where = self._indices(i)
        states = self.get_state(where)
        frames = tuple(
            picture(
                self.task.env_id, {name: array[k] for name, array in states.items()}, tile_size, highlight, self.look
            )
            for k in range(len(where))
        )
        return frames if i is None else frames[0]


def make_vec(
    env_id: str,
    num_envs: int,
    *,
    levels: int | Sequence[int] | np.ndarray | None = None,
    observation: str = "view",
    view_size: int = 7,
    see_through_walls: bool | None = None,
    noise_kind: str = "none",
    noise_amount: float | None = None,
    autoreset: bool = True,
) -> GridVectorEnv:
    """A batch of environments of one MiniGrid task.

    Args:
        env_id: a `MiniGrid-*` id, see `env_ids`.
        num_envs: N.
        levels: None for endless levels; K for the level seeds 0 to K - 1; or the level seeds themselves.
        observation: "view", the square in front of the agent; "full", the whole grid with the agent in it.
        view_size: side of the view, odd, 3 to 31.
        see_through_walls: None for the task's own setting.
        noise_kind: "none", "tv" (a screen of random cells and an action that changes its channel), or "colours" (the
            colours of visible cells change at random).
        noise_amount: tv: cells of the screen (default 9); colours: share of the cells (default 0.1).
        autoreset: begin the next episode within the step that ends one; False leaves finished environments as they
            are, for `privileged` or `get_state` of true last states, until `reset(options={"reset_mask": finished})`.
    """
    task = find_task(env_id)
    if isinstance(num_envs, bool) or not isinstance(num_envs, (int, np.integer)) or num_envs < 1:
        raise UserError(f"num_envs={num_envs!r}: must be an integer of at least 1")
    look = looks.make_look(task, observation, view_size, see_through_walls)
    disturbance = noise.make_noise(task, look, noise_kind, noise_amount)
    return GridVectorEnv(task, int(num_envs), level_seeds(levels), look, disturbance, autoreset)
