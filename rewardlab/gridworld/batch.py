"""The one place where kernels of one environment are mapped over a batch of them."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from rewardlab.gridworld.catalogue import Task
from rewardlab.gridworld.constants import (
    DIRECTION,
    FINE,
    HEIGHT,
    MAX_STEPS,
    NUM_PARAMS,
    NUM_SCRATCH,
    OPTION,
    REGISTER,
    STEPS,
    WIDTH,
    X,
    Y,
)
from rewardlab.gridworld.families import plain
from rewardlab.gridworld.moves import act
from rewardlab.gridworld.streams import STREAM_WORDS, below, seed_stream
from rewardlab.kernel_cache import specialise

# What may stand in an array of actions besides actions: begin a new episode; only look.
RESTART, LOOK = -1, -2
# What `advance` returns instead of a count.
BAD_ACTION, NO_LEVEL = -1, -2
# Level source of an environment that goes on with its own stream.
OWN_STREAM = -1

# Filled in by `mapped`, for one family and one way of looking.
generate: Any = None
begin, end, limit = plain.begin, plain.end, plain.limit
observe: Any = None
start_episode: Any = None
take: Any = None


@dataclass
class World:
    """The arrays of N environments, in the order in which kernels take them.

    Attributes:
        cells: uint32 [N, H * W], see `constants`.
        facts: int32 [N, F], see `constants`; F depends on the task's registers.
        streams: uint64 [N, 6], each environment's random stream.
        scratch: int32 [N, NUM_SCRATCH], only used while a level is drawn.
        params: int64 [NUM_PARAMS], the task's numbers.
        visited: uint8 [N, H * W], 1 where the agent has been in this episode.
        lists: int64 [N, E], level seeds that the next episodes of each environment use, in order.
        list_at: int64 [N], how many of them are used up.
        levels: int64 [K], level seeds that episodes choose from at random; K = 0 for endless levels.
        choosers: uint64 [N, 6], the streams of those choices.
        level_of: int64 [N], the level seed of the current episode, or OWN_STREAM.
        home_cells, home_facts: uint32 [N, H * W] and int32 [N, F], where all episodes begin; of length 0 where
            levels are drawn.
    """

    cells: np.ndarray
    facts: np.ndarray
    streams: np.ndarray
    scratch: np.ndarray
    params: np.ndarray
    visited: np.ndarray
    lists: np.ndarray
    list_at: np.ndarray
    levels: np.ndarray
    choosers: np.ndarray
    level_of: np.ndarray
    home_cells: np.ndarray
    home_facts: np.ndarray

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All arrays, as the kernels take them."""
        return tuple(vars(self).values())


def make_world(task: Task, num_envs: int, levels: np.ndarray) -> World:
    """Zeroed arrays for a batch of environments of one task."""
    params = np.zeros(NUM_PARAMS, dtype=np.int64)
    params[[WIDTH, HEIGHT, MAX_STEPS]] = task.width, task.height, task.max_steps
    params[OPTION : OPTION + len(task.options)] = task.options
    area, num_facts = task.width * task.height, REGISTER + task.registers
    return World(
        cells=np.zeros((num_envs, area), dtype=np.uint32),
        facts=np.zeros((num_envs, num_facts), dtype=np.int32),
        streams=np.zeros((num_envs, STREAM_WORDS), dtype=np.uint64),
        scratch=np.zeros((num_envs, NUM_SCRATCH), dtype=np.int32),
        params=params,
        visited=np.zeros((num_envs, area), dtype=np.uint8),
        lists=np.zeros((num_envs, 0), dtype=np.int64),
        list_at=np.zeros(num_envs, dtype=np.int64),
        levels=levels,
        choosers=np.zeros((num_envs, STREAM_WORDS), dtype=np.uint64),
        level_of=np.full(num_envs, OWN_STREAM, dtype=np.int64),
        home_cells=np.zeros((0, area), dtype=np.uint32),
        home_facts=np.zeros((0, num_facts), dtype=np.int32),
    )


def family_of(task: Task) -> ModuleType:
    """The module that draws and judges a task's levels."""
    return import_module(f"rewardlab.gridworld.families.{task.family}")


def _start_episode(
    cells,
    facts,
    streams,
    scratch,
    params,
    visited,
    lists,
    list_at,
    levels,
    choosers,
    level_of,
    home_cells,
    home_facts,
    i,
):
    """Begins environment i's next episode: at home; or on a level of its list, of the fixed ones, or of its stream."""
    if home_cells.shape[0] > 0:
        for at in range(cells.shape[1]):
            cells[i, at] = home_cells[i, at]
            visited[i, at] = 0
        for k in range(facts.shape[1]):
            facts[i, k] = home_facts[i, k]
        visited[i, facts[i, Y] * params[WIDTH] + facts[i, X]] = 1
        return FINE
    seed = np.int64(OWN_STREAM)
    if list_at[i] < lists.shape[1]:
        seed = lists[i, list_at[i]]
        list_at[i] += 1
    elif levels.shape[0] > 0:
        seed = levels[below(choosers, i, levels.shape[0])]
    level_of[i] = seed
    if seed != OWN_STREAM:
        seed_stream(streams, i, np.uint64(seed), np.uint64(0))
    for k in range(facts.shape[1]):
        facts[i, k] = 0
    facts[i, X] = -1
    facts[i, Y] = -1
    outcome = generate(cells, facts, streams, scratch, params, i)
    for at in range(visited.shape[1]):
        visited[i, at] = 0
    visited[i, facts[i, Y] * params[WIDTH] + facts[i, X]] = 1
    return outcome


def _take(cells, facts, streams, params, visited, i, action):
    """One action in environment i: its reward (float64), whether the episode terminated, whether it was truncated."""
    action, memo = begin(cells, facts, streams, params, i, action)
    reward, ended = act(cells, facts, params, i, action)
    reward, ended = end(cells, facts, params, i, action, memo, reward, ended)
    visited[i, facts[i, Y] * params[WIDTH] + facts[i, X]] = 1
    return reward, ended, facts[i, STEPS] >= limit(facts, params, i)


def advance(
    cells,
    facts,
    streams,
    scratch,
    params,
    visited,
    lists,
    list_at,
    levels,
    choosers,
    level_of,
    home_cells,
    home_facts,
    actions,
    lowest,
    highest,
    resets,
    images,
    directions,
    rewards,
    terminated,
    truncated,
    last_images,
    last_directions,
    finished,
):
    """Takes one action in every environment; those whose episode ends begin the next one at once.

    Args:
        actions: int64 [N], actions, or RESTART, or LOOK.
        lowest: smallest allowed action.
        highest: largest allowed action.
        resets: bool; without, environments whose episode ended stay as they are.
        images: uint8 [N, V, V, 3], filled with the view after the action (and after the reset, if there was one).
        directions: int64 [N], filled likewise.
        rewards: float64 [N], filled.
        terminated: bool [N], filled.
        truncated: bool [N], filled.
        last_images: uint8 [N, V, V, 3], its first rows filled with the last views of finished episodes.
        last_directions: int64 [N], likewise.
        finished: int64 [N], its first entries filled with the environments whose episode ended.

    Returns:
        How many next episodes were begun; or BAD_ACTION with nothing changed; or NO_LEVEL when a generator gave up, as
        MiniGrid's does by an exception, with less than one chance in a billion.
    """
    for i in range(actions.shape[0]):
        if actions[i] < lowest or actions[i] > highest:
            return BAD_ACTION
    count, stuck = 0, False
    for i in range(actions.shape[0]):
        ended, cut, reward = False, False, 0.0
        restart = actions[i] == RESTART
        if actions[i] >= 0:
            reward, ended, cut = take(cells, facts, streams, params, visited, i, actions[i])
            if resets and (ended or cut):
                observe(cells, facts, params, i, last_images, count)
                last_directions[count] = facts[i, DIRECTION]
                finished[count] = i
                count += 1
                restart = True
        if restart:
            outcome = start_episode(
                cells,
                facts,
                streams,
                scratch,
                params,
                visited,
                lists,
                list_at,
                levels,
                choosers,
                level_of,
                home_cells,
                home_facts,
                i,
            )
            stuck |= outcome != FINE
        rewards[i] = reward
        terminated[i] = ended
        truncated[i] = cut
        observe(cells, facts, params, i, images, i)
        directions[i] = facts[i, DIRECTION]
    return NO_LEVEL if stuck else count


def mapped(
    template: Callable[..., Any], kind: str, family: ModuleType, look: Any, look_name: str, **constants: Any
) -> Any:
    """A kernel over a batch for one family of levels and one way of looking, cached on disk.

    Args:
        template: mentions `take`, `observe` and `start_episode` as globals of its module.
        kind: what tells this template from others.
        family: a module of `rewardlab.gridworld.families`.
        look: template of the observation kernel.
        look_name: what tells this way of looking from others.
        constants: names that the template of the observation kernel leaves open.
    """
    family_name = family.__name__.rpartition(".")[2]
    name = f"{kind}_{family_name}_{look_name}"
    if name not in _kernels:
        parts = {
            "observe": specialise(look, f"observe_{look_name}", **constants),
            "take": specialise(
                _take,
                f"take_{family_name}",
                begin=family.begin,
                end=family.end,
                limit=getattr(family, "limit", plain.limit),
            ),
            "start_episode": specialise(_start_episode, f"start_{family_name}", generate=family.generate),
        }
        _kernels[name] = specialise(template, name, cached=True, **parts)
    return _kernels[name]


_kernels: dict[str, Any] = {}
