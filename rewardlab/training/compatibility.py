"""What an agent and a reward scheme want of one another: refused before anything is written."""

import importlib.util

from rewardlab.agents.base import BaseAgent
from rewardlab.errors import UserError
from rewardlab.rewards.base import GIVE_LIMIT, BaseScheme
from rewardlab.schemas import RootConfig
from rewardlab.training.learning.base import way
from rewardlab.types import Agent, EnvSpec, RewardScheme


def check_fit(scheme: RewardScheme, agent: Agent, config: RootConfig, spec: EnvSpec) -> None:
    """What the agent's way of learning says of the two.

    Raises:
        UserError: the agent can't learn from what the scheme gives, or is no learner at all.
    """
    if not isinstance(scheme, BaseScheme):
        raise UserError(f"reward={config.reward.name}: its Scheme must extend BaseScheme of rewardlab/rewards/base.py")
    if not isinstance(agent, BaseAgent):
        raise UserError(f"agent={config.agent.name}: its Agent must extend BaseAgent of rewardlab/agents/base.py")
    if agent.whole_episodes and spec.max_steps is None:
        raise UserError(
            f"agent={config.agent.name}: learns from whole episodes, and {spec.id} has no limit of steps; {GIVE_LIMIT}"
        )
    if importlib.util.find_spec(f"rewardlab.training.learning.{agent.learns_from}") is None:
        raise UserError(f"agent={config.agent.name}: learns_from={agent.learns_from}: no such way of learning")
    chosen = way(agent)
    if lacking := [name for name in chosen.NEEDS if not hasattr(agent, name)]:
        raise UserError(
            f"agent={config.agent.name}: learns_from={agent.learns_from} needs {', '.join(chosen.NEEDS)}, and it has no"
            f" {', '.join(lacking)}"
        )
    chosen.check(scheme, agent, config, spec)
