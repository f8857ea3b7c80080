"""Agents that learn from a data set: they are given made-up steps as minibatches; and their own laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from rewardlab.contracts.agent_laws import STEPS, AgentCase, policy
from rewardlab.contracts.result import require
from rewardlab.contracts.state_laws import GAMMA, require_equal, restore, saved
from rewardlab.datasets.steps import StoredSteps
from rewardlab.seeding import numpy_rng
from rewardlab.types import Rollout, Signals, TensorMetrics, TensorObs

_BATCH = 256  # so many that every step is among them


def begin(agent: Any, progress: float) -> None:
    """It is told of its progress when it learns."""


def assessed(agent: Any, acted: Rollout, states: list[torch.Tensor | None]) -> Rollout:
    """It needs nothing more of a rollout."""
    return acted


def learn(case: AgentCase, agent: Any, rollout: Rollout, signals: Signals, progress: float) -> dict[str, float]:
    """Two gradient steps on minibatches of the rollout's steps, each environment's as an episode."""
    data = stored(case, rollout, signals)
    if agent.updates == 0:
        agent.begin(data)
    found: TensorMetrics = {}
    rng = np.random.default_rng(agent.updates)
    for _ in range(2):
        found = agent.learn(agent.draw(data, _BATCH, rng), progress)
    return {name: float(value) for name, value in found.items()}


def stored(case: AgentCase, rollout: Rollout, signals: Signals) -> StoredSteps:
    """The steps of a rollout as a data set: what every environment played is cut where an episode ends."""
    reward = torch.stack([spec.coef * signals.streams[spec.name] for spec in case.streams]).sum(dim=0)
    obs: dict[str, list[torch.Tensor]] = {name: [] for name in rollout.obs}
    steps: list[tuple[int, int]] = []
    starts, begun = [0], 0
    for env in range(rollout.num_envs):
        begun = 0
        for t in range(rollout.steps):
            steps.append((t, env))
            if bool(rollout.done[t, env]) or t == rollout.steps - 1:
                for name, kept in obs.items():
                    kept += [rollout.obs[name][begun : t + 1, env], rollout.next_obs[name][t : t + 1, env]]
                starts.append(len(steps))
                begun = t + 1
    time, at = torch.tensor(steps).unbind(dim=1)
    shown: TensorObs = {name: torch.cat(kept) for name, kept in obs.items()}
    return StoredSteps(
        shown, rollout.action[time, at], reward[time, at], rollout.terminated[time, at], np.array(starts), GAMMA
    )


def evaluation_does_not_explore(case: AgentCase) -> None:
    """An agent whose policy is random in evaluation says so: `stochastic`."""
    agent, _ = case.build()
    if agent.stochastic:
        return
    rollout = case.render(case.scripts(STEPS)[0])
    obs = {name: entry[0] for name, entry in rollout.obs.items()}
    acts = [
        agent.act(obs, None, rollout.first[0], "sample", torch.Generator().manual_seed(seed)).action for seed in (1, 2)
    ]
    require(torch.equal(*acts), "two actions in evaluation on the same observation differ")


def says_that_it_is_offline(case: AgentCase) -> None:
    """What it needs is said, so that no report ranks it with those that play."""
    agent, _ = case.build()
    require("offline" in agent.assumes, "assumes does not say offline")


def data_are_left_alone(case: AgentCase) -> None:
    """Neither `begin` nor `draw` nor `learn` changes the data set."""
    agent, _ = case.build()
    rollout = case.render(case.scripts(STEPS)[0])
    data = stored(case, rollout, case.signals(rollout))
    before = [{name: entry.clone() for name, entry in data.obs.items()}, data.action.clone(), data.reward.clone()]
    agent.begin(data)
    agent.learn(agent.draw(data, _BATCH, numpy_rng(1, "law")), 0.0)
    require_equal(before, [data.obs, data.action, data.reward], "the data set")


def goes_on_from_any_step(case: AgentCase) -> None:
    """A restored agent that never saw the beginning goes on as the other does, without another `begin`."""
    rollout = case.render(case.scripts(STEPS)[0])
    data = stored(case, rollout, case.signals(rollout))
    agent, context = case.build()
    other, other_context = case.build(seed=99)
    agent.begin(data)
    rng = np.random.default_rng(5)
    agent.learn(agent.draw(data, _BATCH, rng), 0.1)
    restore(other, other_context, saved(agent, context))
    for one in (agent, other):
        one.learn(one.draw(data, _BATCH, np.random.default_rng(6)), 0.2)
    require_equal(saved(agent, context), saved(other, other_context), "the state after a restored step")
    require_equal(policy(agent), policy(other), "the policy after a restored step")


LAWS: tuple[Callable[[AgentCase], None], ...] = (
    evaluation_does_not_explore,
    says_that_it_is_offline,
    data_are_left_alone,
    goes_on_from_any_step,
)
