"""What plug-ins must be, and what agents and schemes want of one another: refused before anything is written."""

import sys

from rewardlab import discovery
from rewardlab.agents.base import BaseAgent
from rewardlab.errors import UserError, unknown
from rewardlab.rewards.base import GIVE_LIMIT, BaseScheme
from rewardlab.schemas import RootConfig
from rewardlab.training.learning.base import way, ways
from rewardlab.types import MASK, Agent, EnvSpec, RewardScheme

_OF_ALL = ("act", "rollout_steps")  # what every way of learning asks of an agent


def check_scheme_class(name: str, scheme: object) -> None:
    """Raises:
    UserError: it is no scheme of ours, so that nobody knows what it can do.
    """
    if not (isinstance(scheme, type) and issubclass(scheme, BaseScheme)):
        raise UserError(f"reward={name}: {_named(scheme)} must extend BaseScheme of rewardlab/rewards/base.py")


def check_agent_class(name: str, agent: object) -> None:
    """Raises:
    UserError: it is no agent of ours, or names no way of learning.
    """
    if not (isinstance(agent, type) and issubclass(agent, BaseAgent)):
        raise UserError(f"agent={name}: {_named(agent)} must extend BaseAgent of rewardlab/agents/base.py")
    if agent.learns_from not in ways():
        raise unknown(f"agent={name}: learns_from", agent.learns_from, ways(), "way of learning")


def check_fit(scheme: RewardScheme, agent: Agent, config: RootConfig, spec: EnvSpec) -> None:
    """What the agent's way of learning says of the two.

    Raises:
        UserError: the agent can't learn from what the scheme gives, or is no learner at all.
    """
    assert isinstance(agent, BaseAgent), "refused by check_agent_class"
    assert isinstance(scheme, BaseScheme), "refused by check_scheme_class"
    if agent.whole_episodes and spec.max_steps is None:
        raise UserError(
            f"agent={config.agent.name}: learns from whole episodes, and {spec.id} has no limit of steps; {GIVE_LIMIT}"
        )
    if MASK in spec.obs and not agent.obeys_masks:
        raise UserError(
            f"agent={config.agent.name}: {spec.id} allows only some actions at a time, which this agent can't heed;"
            " use agent=ppo, dqn or random"
        )
    if MASK in spec.obs and spec.action.extra:
        raise UserError(
            f"curriculum={config.curriculum.name}: adds actions, and {spec.id} says which are allowed without them;"
            " leave one of the two out"
        )
    chosen = way(config, agent)
    needs = (*_OF_ALL, *chosen.NEEDS)
    if lacking := [name for name in needs if not hasattr(agent, name)]:
        raise UserError(
            f"agent={config.agent.name}: learns_from={agent.learns_from} needs {', '.join(needs)}, and it has no"
            f" {', '.join(lacking)}"
        )
    if scheme.asks_policy and not agent.tells_log_prob:
        raise UserError(
            f"reward={config.reward.name} agent={config.agent.name}: asks how likely the policy finds demonstrated"
            " steps, which this agent can't say; use agent=ppo agent.memory=none"
        )
    chosen.check(scheme, agent, config, spec)
    if config.env.clip_reward and agent.learns_from == "population":
        raise UserError(f"env.clip_reward: agent={config.agent.name} learns from whole returns; leave it out")
    if config.env.delayed_reward:
        _check_delayed(scheme, agent, config, spec)


def _check_delayed(scheme: BaseScheme, agent: BaseAgent, config: RootConfig, spec: EnvSpec) -> None:
    """Raises:
    UserError: something would be told what single steps are paid, or the sum might never be.
    """
    if spec.max_steps is None:
        raise UserError(f"env.delayed_reward: pays at the end, and {spec.id} has no limit of steps; {GIVE_LIMIT}")
    told = {
        f"reward={config.reward.name} relabels each step with a reward of its own": scheme.relabels,
        f"agent={config.agent.name} reads what each step pays": agent.learns_from == "exploring",
        f"curriculum={config.curriculum.name} reads what each step pays": hasattr(
            discovery.load("curriculum", config.curriculum.plugin), "Conditioner"
        ),
    }
    for what, so in told.items():
        if so:
            raise UserError(f"env.delayed_reward: {what}; leave one of the two out")


def _named(found: object) -> str:
    """`Scheme of FILE`, as far as that can be told."""
    file = getattr(sys.modules.get(getattr(found, "__module__", "")), "__file__", None)
    return f"{getattr(found, '__name__', found)}{f' of {file}' if file else ''}"
