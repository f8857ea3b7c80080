"""What schemes pay for all steps of a small task, possible or not: rewards as tables [S, A, S].

The states are those of a level of a grid, found by breadth-first search, or those of a world that tells its whole table
(`EnvSpec.mdp`). Where an episode ends stands a state that leads to itself and pays nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse

from rewardlab.envs.batched import arrived
from rewardlab.errors import UserError
from rewardlab.gridworld.level_table import table_of
from rewardlab.maths.reward_distance import absorbing
from rewardlab.schemas import RootConfig
from rewardlab.training.environments import make_level_env
from rewardlab.training.parts import RunParts
from rewardlab.training.reward_map import one_step_episodes
from rewardlab.types import Array, EnvSpec, Mdp, Obs, StepBatch

MOST = 400  # states


@dataclass(frozen=True)
class SmallTask:
    """S states, those at an end too.

    Attributes:
        mdp: the task; all its chances sum to 1. ends, solved: bool [S].
        obs, facts: what is shown and known of each state, each entry [S, ...].
        paid: float64 [S, A, S], by the task.
    """

    spec: EnvSpec
    mdp: Mdp
    ends: Array
    solved: Array
    obs: Obs
    facts: Obs
    paid: Array


def small_task(config: RootConfig, level: int, facts: tuple[str, ...]) -> SmallTask:
    """The task of a config on one level, by its seed.

    Args:
        facts: the names of the full-state facts that schemes read.

    Raises:
        UserError: it is no small deterministic grid, and tells no table.
    """
    env: Any = make_level_env(config, facts)([[level]] * (MOST + 1))
    try:
        if getattr(env, "engine", None) is not None:
            return _grid(env, facts)
        if env.spec.mdp is not None:
            return _table(env.spec, facts)
    finally:
        env.close()
    raise UserError(
        f"env={config.env.name}: its states can't be listed; use a small MiniGrid task on the fast engine"
        " without noise, env=tabular or env=deepsea"
    )


def step_reward(config: RootConfig, parts: RunParts, task: SmallTask, trained: bool) -> Array:
    """float64 [S, A, S]: the weighted sum of all streams, 0 from the states at an end on.

    Args:
        parts: of a run on that task; its scheme must not be asked for anything afterwards.
        trained: whether the scheme is as a run left it.

    Raises:
        UserError: what it pays for a step is no function of state, action and next state.
    """
    check_scheme(config, parts, trained)
    states, actions = task.paid.shape[:2]
    found = np.empty(task.paid.shape)
    action, after = np.repeat(np.arange(actions), states), np.tile(np.arange(states), actions)
    ends, solved = task.ends[after], task.solved[after]
    led = {name: entry[after] for name, entry in task.obs.items()}
    known = {name: entry[after] for name, entry in task.facts.items()}
    count = len(action)
    for state in range(states):
        paid = task.paid[state].reshape(count).astype(np.float32)
        batch = StepBatch(led, led, paid, ends, np.zeros(count, dtype=bool), solved, known)
        here, facts = (
            {name: np.repeat(entry[state : state + 1], count, axis=0) for name, entry in shown.items()}
            for shown in (task.obs, task.facts)
        )
        signals = parts.scheme.compute(
            one_step_episodes(parts, here, facts, action, batch, torch.device(config.device))
        )
        total = sum(spec.weight(1.0) * signals.streams[spec.name].double() for spec in parts.scheme.streams)
        found[state] = torch.as_tensor(total).flatten()[:count].cpu().numpy().reshape(actions, states)
    return absorbing(found, task.ends)


def check_scheme(config: RootConfig, parts: RunParts, trained: bool) -> None:
    """Raises:
    UserError: what it pays for a step is no function of state, action and next state.
    """
    scheme: Any = parts.scheme
    name = f"reward={config.reward.name or config.reward.plugin}"
    if parts.conditioner is not None:
        raise UserError(f"{name}: goals are set beside it, which no state tells; leave out curriculum and goals")
    if scheme.learned_streams(alone=True):
        if not trained:
            raise UserError(f"{name}: is learned; name a finished run of it, --run RUN")
    elif not scheme.pays_by_step:
        raise UserError(
            f"{name}: what it pays depends on more than a step's state, action and next state; distances are between"
            " rewards that do not, such as none, pbrs, written, and learned ones of finished runs"
        )
    for spec in scheme.streams:
        if spec.gamma != config.agent.gamma and spec.coef != 0:
            raise UserError(f"{name}: its stream {spec.name} has a discount of its own, {spec.gamma:g}; leave it out")


def _grid(env: Any, facts: tuple[str, ...]) -> SmallTask:
    env.reset([0] * env.num_envs)
    vector = env.engine.vector
    table = table_of(vector, vector.get_state([0]), MOST)
    going, actions = table.following.shape
    states = going + len(table.solved)
    obs = env.put_places(np.arange(states), table.places)
    ends, solved = np.arange(states) >= going, np.concatenate([np.zeros(going, dtype=bool), table.solved])
    chance = np.zeros((states, actions, states))
    chance[np.arange(going)[:, None], np.arange(actions), table.following] = 1.0
    told = arrived({name: entry[:states] for name, entry in env.privileged().items()}, solved)
    shown = {name: entry[:states].copy() for name, entry in obs.items()}
    paid = np.broadcast_to(solved.astype(np.float64), chance.shape)
    return _finished(env.spec, chance, ends, solved, shown, told, paid, np.eye(1, states)[0])


def _table(spec: EnvSpec, facts: tuple[str, ...]) -> SmallTask:
    """Where chances do not sum to 1 an episode ends in one more state, which is shown as zeros."""
    if facts:
        raise UserError(f"{spec.id}: facts of its full state ({', '.join(facts)}) are not told for its table")
    assert spec.mdp is not None
    mdp = spec.mdp()
    states, actions = mdp.reward.shape
    if states >= MOST:
        raise UserError(f"{spec.id}: has {states} states, and more than {MOST - 1} are too many; use a smaller one")
    chance = np.zeros((states + 1, actions, states + 1))
    dense = mdp.chance.toarray() if sparse.issparse(mdp.chance) else mdp.chance
    chance[:states, :, :states] = dense.reshape(states, actions, states)
    chance[:states, :, states] = 1.0 - chance[:states].sum(axis=2).clip(max=1.0)
    number = np.arange(states + 1) % states
    one_hot = np.concatenate([np.eye(states), np.zeros((1, states))]).astype(np.float32)
    obs = {"cell": number[:, None]} if "cell" in spec.obs else {"vector": one_hot}
    paid = np.zeros(chance.shape)
    paid[:states] = mdp.reward[:, :, None]
    ends = np.arange(states + 1) == states
    return _finished(spec, chance, ends, np.zeros(states + 1, dtype=bool), obs, {}, paid, np.append(mdp.start, 0.0))


def _finished(
    spec: EnvSpec, chance: Array, ends: Array, solved: Array, obs: Obs, facts: Obs, paid: Array, start: Array
) -> SmallTask:
    chance[ends] = 0.0
    chance[ends, :, np.flatnonzero(ends)] = 1.0
    paid = absorbing(paid, ends)
    mdp = Mdp(chance, np.einsum("sat,sat->sa", chance, paid), start)
    return SmallTask(spec, mdp, ends, solved, obs, facts, paid)
