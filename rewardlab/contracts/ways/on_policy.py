"""Agents that learn from each rollout once: how they are given one, and their own laws."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch

from rewardlab.contracts.agent_laws import STEPS, AgentCase, collect, differ, policy, rng, row
from rewardlab.contracts.result import require
from rewardlab.contracts.state_laws import NUM_ENVS, require_equal, saved
from rewardlab.errors import UserError
from rewardlab.types import Judgement, Rollout, Signals, Transitions


def begin(agent: Any, progress: float) -> None:
    """It is told of its progress when it learns."""


def assessed(agent: Any, acted: Rollout, states: list[torch.Tensor | None]) -> Rollout:
    """With log_prob, dist and values; `states` are the recurrent ones after each step."""
    acted.take(agent.assess(acted))
    rows = [{name: entry[t] for name, entry in acted.next_obs.items()} for t in range(acted.steps)]
    acted.final_values = torch.stack([agent.value(row, state) for row, state in zip(rows, states, strict=True)])
    return acted


def learn(case: AgentCase, agent: Any, rollout: Rollout, signals: Signals, progress: float) -> dict[str, float]:
    """One round of learning."""
    return dict(agent.update(rollout, signals, progress))


def valuing_changes_nothing(case: AgentCase) -> None:
    """Valuing leaves the agent's state as it is."""
    agent, context = case.build()
    before = saved(agent, context)
    rollout = case.render(case.scripts(STEPS)[0])
    agent.value(row(rollout, 1), agent.initial_state(NUM_ENVS))
    require_equal(before, saved(agent, context), "the state after valuing")


def assesses_as_declared(case: AgentCase) -> None:
    """log_prob is [T, N], values are [T + 1, N, S], of finite numbers, without gradients."""
    agent, _ = case.build()
    rollout = collect(agent, case.render(case.scripts(STEPS)[0]), rng())
    shapes = {"log_prob": (STEPS, NUM_ENVS), "values": (STEPS + 1, NUM_ENVS, rollout.values.shape[-1])}
    for name, shape in shapes.items():
        value = getattr(rollout, name)
        require(tuple(value.shape) == shape, f"{name} has shape {tuple(value.shape)} instead of {shape}")
        require(bool(torch.isfinite(value).all()), f"{name} is not finite")
        require(not value.requires_grad, f"{name} carries a gradient")
    for name, parameters in rollout.dist.items():
        require(tuple(parameters.shape[:2]) == (STEPS, NUM_ENVS), f"{name} has shape {tuple(parameters.shape)}")


def planted_advantage_changes_the_policy(case: AgentCase) -> None:
    """A bonus on the advantages, or on the value targets, is learned from."""
    script = case.scripts(STEPS)[0]
    for name in ("advantage_bonus", "value_target_bonus"):
        policies = []
        for bonus in (0.0, 1.0):
            agent, _ = case.build()
            rollout = collect(agent, case.render(script), rng())
            planted = torch.zeros_like(rollout.task_reward)
            planted[STEPS // 2, 0] = bonus
            signals = case.signals(rollout)
            setattr(signals, name, planted)
            agent.update(rollout, signals, 0.0)
            policies.append(policy(agent))
        if agent.updates > 0 and agent.reads_rewards:
            require(differ(policies[0], policies[1]), f"a planted {name} changed nothing that is learned")


def aux_losses_are_learned(case: AgentCase) -> None:
    """An agent that takes a scheme's loss steps once on each of its batches, counts that, and declares its column."""
    agent, _ = case.build()
    if not agent.takes_aux_losses:
        return
    script = case.scripts(STEPS)[0]
    aux_loss = _Cloning(case.render(script))
    try:
        agent.take_aux_losses((aux_loss,))
    except UserError:
        return
    require("loss/cloning" in agent.metrics, "the column loss/cloning of a loss handed over is not declared")
    plain, _ = case.build()
    for one in (plain, agent):
        rollout = collect(one, case.render(script), rng())
        metrics = one.update(rollout, case.signals(rollout), 0.0)
    require("loss/cloning" in metrics, "the loss handed over is not among the metrics")
    steps = agent.updates - plain.updates
    require(steps == aux_loss.COUNT, f"{aux_loss.COUNT} batches were handed over, and {steps} steps were counted")
    require(aux_loss.losses[-1] < aux_loss.losses[0], "the loss handed over does not fall")


def tells_log_prob_as_it_assesses(case: AgentCase) -> None:
    """An agent that tells how likely it finds actions says the same of a rollout's single steps as of the rollout."""
    agent, context = case.build()
    if not agent.tells_log_prob:
        return
    rollout = collect(agent, case.render(case.scripts(STEPS)[0]), rng())
    before = saved(agent, context)
    obs = {name: entry.flatten(0, 1) for name, entry in rollout.obs.items()}
    told = agent.log_prob(obs, rollout.action.flatten(0, 1))
    require_equal(before, saved(agent, context), "the state after telling")
    expected = rollout.log_prob.flatten()
    require(told.shape == expected.shape, f"log_prob has shape {tuple(told.shape)} instead of {tuple(expected.shape)}")
    require(not told.requires_grad, "log_prob carries a gradient")
    gap = float((told - expected).abs().max())
    require(gap < 1e-4, f"log_prob differs by {gap:.3g} from what assess says of the same steps")


def weights_follow_the_budget(case: AgentCase) -> None:
    """A stream whose weight goes to 0 counts at the beginning of the budget and no more at its end."""
    if len(case.streams) == 1:
        return
    script = case.scripts(STEPS)[0]
    fading = replace(case, streams=(case.streams[0], replace(case.streams[1], coef_end=0.0)))
    for progress in (0.0, 1.0):
        policies = []
        for bonus in (0.0, 1.0):
            agent, _ = fading.build()
            rollout = collect(agent, fading.render(script), rng())
            signals = fading.signals(rollout)
            signals.streams["intrinsic"][STEPS // 2, 0] += bonus
            agent.update(rollout, signals, progress)
            policies.append(policy(agent))
        counts = agent.updates > 0 and progress < 1
        require(
            differ(*policies) == counts,
            f"a bonus that fades changes {'nothing' if counts else 'what is learned'} at {progress:.0%} of the budget",
        )


class _Cloning:
    """Imitates the actions of a rollout, over and over."""

    name = "cloning"
    COUNT = 20

    def __init__(self, rollout: Rollout) -> None:
        self.losses: list[float] = []
        self._steps = Transitions(
            {name: entry.flatten(0, 1) for name, entry in rollout.obs.items()}, rollout.action.flatten(0, 1)
        )

    def batches(self) -> Iterable[Transitions]:
        return [self._steps] * self.COUNT

    def loss(self, batch: Transitions, judgement: Judgement) -> torch.Tensor:
        loss = -judgement.log_prob.mean()
        self.losses.append(float(loss.detach()))
        return loss


LAWS: tuple[Callable[[AgentCase], None], ...] = (
    assesses_as_declared,
    valuing_changes_nothing,
    planted_advantage_changes_the_policy,
    aux_losses_are_learned,
    tells_log_prob_as_it_assesses,
    weights_follow_the_budget,
)
