"""On-policy: collect a rollout, compute its reward streams, learn from it once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch

from rewardlab import discovery
from rewardlab.errors import UserError
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RootConfig
from rewardlab.training.learning.base import Collected, agents_that_learn_from
from rewardlab.training.paying import pay
from rewardlab.training.wrappers.goal_env import ends_of_values
from rewardlab.types import Agent, EnvSpec, Metrics, OnPolicyAgent, Rollout

NEEDS = ("assess", "value", "update")


def check(scheme: BaseScheme, agent: Agent, config: RootConfig, spec: EnvSpec) -> None:
    """Raises:
    UserError: the scheme pays for steps that are replayed, or when it is too late, and nothing is.
    """
    if scheme.mixes_advantages and not agent.mixes_advantages:
        raise UserError(
            f"reward={config.reward.name} agent={config.agent.name}: mixes the advantages of its streams; use agent=ppo"
            " agent.streams=separate"
        )
    conditioner = getattr(discovery.load("curriculum", config.curriculum.plugin), "Conditioner", None)
    if conditioner is not None and conditioner.ends_values and agent.initial_state(1) is not None:
        raise UserError(
            f"curriculum={config.curriculum.name} agent={config.agent.name}: values end with each goal, and those of"
            " a memory are not known there; use agent.memory=none or agent=dqn"
        )
    wants = {
        "relabels what is replayed": scheme.relabels,
        "pays steps when their episode has ended": scheme.waits_for_ends,
        "pays demonstrated steps that are replayed": scheme.pays_demonstrated,
    }
    for what, wanted in wants.items():
        if wanted:
            raise UserError(
                f"reward={config.reward.name} agent={config.agent.name}: {what}, and this agent replays nothing; use"
                f" {agents_that_learn_from('replay')}"
            )


class Learning(Collected):
    """It keeps nothing between iterations."""

    def iterate(self, spent: int) -> tuple[int, Sequence[Metrics]]:
        """One iteration: its frames, and the metrics of the reward streams and of all parts."""
        parts, agent, progress = self.parts, cast(OnPolicyAgent, self.parts.agent), spent / self.config.frames
        rollout = self.collect(spent, agent.rollout_steps)
        rollout.progress = progress
        cut, task_ends = rollout, (rollout.terminated, rollout.truncated)
        if parts.conditioner is not None and parts.conditioner.ends_values:
            cut = _ending(rollout, ends_of_values(rollout, parts.conditioner))
        assess(agent, cut)
        if cut is not rollout:  # schemes see the task's own ends
            rollout = _ending(cut, task_ends)
        signals, means = pay(parts, rollout)
        means |= self.ranked(rollout, signals)
        learned = agent.update(cut, signals, progress)
        practised = parts.update_practice(progress)
        told = (means, learned, parts.scheme.update(rollout), *practised)
        return rollout.steps * rollout.num_envs, told


def _ending(rollout: Rollout, ends: tuple[torch.Tensor, torch.Tensor]) -> Rollout:
    return replace(rollout, terminated=ends[0], truncated=ends[1])


@torch.no_grad()
def assess(agent: OnPolicyAgent, rollout: Rollout) -> None:
    """Add what the policy makes of the rollout, and the values of the true successors: the next row's, except where an
    episode ended (one batched pass).
    """
    found = agent.assess(rollout)
    rollout.take(found)
    if found.final_values is not None:
        return
    time, env = rollout.done.nonzero(as_tuple=True)
    if len(time):
        reached = {key: entry[time, env] for key, entry in rollout.next_obs.items()}
        rollout.final_values[time, env] = agent.value(reached, rollout.end_states)
