"""Explore first: fixed levels without a policy for the task, then on-policy learning along what was found."""

from collections.abc import Sequence
from typing import cast

from rewardlab.errors import UserError
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RootConfig
from rewardlab.training.environments import make_level_env
from rewardlab.training.learning import on_policy
from rewardlab.training.levels import training_levels
from rewardlab.training.wrappers.start_env import happens_again
from rewardlab.types import Agent, EnvSpec, ExploringAgent, Metrics

NEEDS = (*on_policy.NEEDS, "explore", "robustify")


def check(scheme: BaseScheme, agent: Agent, config: RootConfig, spec: EnvSpec) -> None:
    """Raises:
    UserError: there are no fixed levels to explore, or the scheme does not fit.
    """
    on_policy.check(scheme, agent, config, spec)
    if training_levels(config) is None:
        raise UserError(f"agent={config.agent.name}: explores fixed levels; set env.levels=K (env.levels=1: one level)")


class Learning(on_policy.Learning):
    """After the last step of exploration, episodes begin anew, along what was found."""

    @property
    def has_policy(self) -> bool:  # type: ignore[override]  # not a fixed fact here
        return not self._agent.exploring

    @property
    def _agent(self) -> ExploringAgent:
        return cast(ExploringAgent, self.parts.agent)

    def iterate(self, spent: int) -> tuple[int, Sequence[Metrics]]:
        agent, config, levels = self._agent, self.config, training_levels(self.config)
        if not agent.exploring:
            return super().iterate(spent)
        assert levels is not None, "refused by check"
        steps = self.steps(spent, agent.round_steps)
        played = steps * config.num_envs
        make = make_level_env(config, agent.facts)
        told = agent.explore(make, levels, config.num_envs, steps, (spent + played) / config.frames)
        if not agent.exploring:
            found = agent.solutions
            again = happens_again(make_level_env(config), found)
            agent.robustify([trail for trail, same in zip(found, again, strict=True) if same])
            self.begin()
        return played, (told,)
