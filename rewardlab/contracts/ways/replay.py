"""Agents that learn from transitions of a buffer: how they are given some, and their own laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from rewardlab.contracts.agent_laws import STEPS, AgentCase, collect
from rewardlab.contracts.result import require
from rewardlab.contracts.state_laws import GAMMA, NUM_ENVS, require_equal
from rewardlab.seeding import torch_rng
from rewardlab.types import ReplayAgent, Rollout, Signals, TensorMetrics, Transitions


def begin(agent: Any, progress: float) -> None:
    """Before it acts it is told how far training has come."""
    agent.progress = progress


def assessed(agent: Any, acted: Rollout, states: list[torch.Tensor | None]) -> Rollout:
    """It needs nothing more of a rollout."""
    return acted


def learn(case: AgentCase, agent: Any, rollout: Rollout, signals: Signals, progress: float) -> dict[str, float]:
    """Two gradient steps on the whole rollout as a minibatch."""
    agent.progress = progress
    found: TensorMetrics = {}
    for _ in range(2):
        found, _ = agent.update_batch(transitions(case, agent, rollout, signals))
    return {name: float(value) for name, value in found.items()}


def transitions(case: AgentCase, agent: ReplayAgent, rollout: Rollout, signals: Signals) -> Transitions:
    """The steps of a rollout as they come from a buffer, n = 1."""
    extra = agent.columns(rollout.task_reward.numel())
    reward = torch.stack([spec.coef * signals.streams[spec.name] for spec in case.streams]).sum(dim=0)
    extra |= {"reward": reward.flatten(), "discount": (GAMMA * ~rollout.terminated).flatten()}
    obs, next_obs = ({k: v.flatten(0, 1) for k, v in entries.items()} for entries in (rollout.obs, rollout.next_obs))
    return Transitions(obs, rollout.action.flatten(0, 1), extra, next_obs)


def evaluation_does_not_explore(case: AgentCase) -> None:
    """On replay, what an agent does in evaluation depends on no generator and not on how far training has come.

    One whose policy is random then too says so: `stochastic`.
    """
    agent, _ = case.build()
    rollout = case.render(case.scripts(STEPS)[0])
    acts = []
    for seed, progress in ((1, 0.0), (1 if agent.stochastic else 2, 1.0)):
        agent.progress = progress
        obs, state = {name: entry[0] for name, entry in rollout.obs.items()}, agent.initial_state(NUM_ENVS)
        acts.append(agent.act(obs, state, rollout.first[0], "sample", torch_rng(seed, "act")).action)
    require(torch.equal(*acts), "two actions in evaluation on the same observation differ")


def nothing_follows_a_termination(case: AgentCase) -> None:
    """Where the discount is 0, the next observation is not learned from; elsewhere it is."""
    script = case.scripts(STEPS)[0]
    for discount in (0.0, 0.9):
        learned = []
        for turned in (False, True):
            agent, _ = case.build()
            rollout = collect(agent, case.render(script), torch_rng(23, "act"))
            learn(case, agent, rollout, case.signals(rollout), 0.0)
            batch = transitions(case, agent, rollout, case.signals(rollout))
            batch.extra["discount"] = torch.full_like(batch.extra["discount"], discount)
            if turned:
                batch.next_obs = {name: entry.flip(0) for name, entry in batch.next_obs.items()}
            _, misjudged = agent.update_batch(batch)
            learned.append(misjudged)
        differs, wanted = not torch.equal(*learned), discount > 0
        require(differs == wanted, f"with a discount of {discount} the next observation {_counts(differs)}")


def tells_how_wrong_it_was(case: AgentCase) -> None:
    """An error of at least 0 for each step, without a gradient, for priorities; larger where more is to learn."""
    agent, _ = case.build()
    rollout = collect(agent, case.render(case.scripts(STEPS)[0]), torch_rng(23, "act"))
    batch = transitions(case, agent, rollout, case.signals(rollout))
    batch.extra["reward"][3] += 100.0
    _, misjudged = agent.update_batch(batch)
    require(misjudged.shape == batch.extra["reward"].shape, f"the errors have shape {tuple(misjudged.shape)}")
    require(bool(torch.isfinite(misjudged).all() and (misjudged >= 0).all()), "an error is negative or not finite")
    require(not misjudged.requires_grad, "the errors carry a gradient")
    require(int(misjudged.argmax()) == 3, "the step with the surprising reward is not the one misjudged most")


def weights_of_steps_count(case: AgentCase) -> None:
    """A step whose importance weight is 0 does not change the critic's loss, whatever its reward."""
    losses = []
    for reward in (0.0, 10.0):
        agent, _ = case.build()
        rollout = collect(agent, case.render(case.scripts(STEPS)[0]), torch_rng(23, "act"))
        batch = transitions(case, agent, rollout, case.signals(rollout))
        batch.extra["weight"] = torch.ones_like(batch.extra["reward"])
        batch.extra["weight"][3], batch.extra["reward"][3] = 0.0, reward
        metrics, _ = agent.update_batch(batch)
        losses.append({name: float(value) for name, value in metrics.items()})
    require_equal(losses[0], losses[1], "what is learned from a step of weight 0")


LAWS: tuple[Callable[[AgentCase], None], ...] = (
    evaluation_does_not_explore,
    nothing_follows_a_termination,
    tells_how_wrong_it_was,
    weights_of_steps_count,
)


def _counts(differs: bool) -> str:
    return "is learned from" if differs else "counts for nothing"
