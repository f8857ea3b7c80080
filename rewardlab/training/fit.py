"""What an agent and a reward scheme want of one another: refused before anything is written."""

from typing import Any

from rewardlab import discovery
from rewardlab.errors import UserError
from rewardlab.schemas import NO_CURRICULUM, RootConfig
from rewardlab.types import Agent, EnvSpec, OnPolicyAgent, ReplayAgent, RewardScheme


def check_fit(scheme: RewardScheme, agent: Agent, config: RootConfig, spec: EnvSpec) -> None:
    """Raises:
    UserError: the agent can't learn from what the scheme gives, or is no learner at all.
    """
    replays = isinstance(agent, ReplayAgent)
    named = f"reward={config.reward.name} agent={config.agent.name}"
    if not replays and not isinstance(agent, OnPolicyAgent):
        raise UserError(
            f"agent={config.agent.name}: needs assess, value and update, or progress, columns and update_batch"
        )
    if hasattr(scheme, "relabel") and not replays:
        raise UserError(f"{named}: relabels what is replayed, and this agent replays nothing; use {_replaying()}")
    if getattr(scheme, "reads_policy", False) and replays:
        raise UserError(f"{named}: reads the policy's probabilities, which an agent on replay has not; use agent=ppo")
    if replays and config.agent.bonus == "replayed":
        _check_replayed_bonus(scheme, config)
    if replays and config.agent.demos is not None:
        config.agent.demonstrations("agent", spec)
    if getattr(scheme, "pays_demonstrated", False):
        _check_demonstrated(config, replays)


def _check_replayed_bonus(scheme: Any, config: RootConfig) -> None:
    if config.agent.demos is not None and config.reward.privileged():
        raise UserError(
            f"reward={config.reward.name} agent.bonus=replayed: reads full-state facts, which demonstrations lack; use"
            " agent.bonus=collected"
        )
    if config.curriculum.plugin != NO_CURRICULUM:
        raise UserError("agent.bonus=replayed: what a curriculum pays can't be paid anew; use agent.bonus=collected")
    if len(scheme.streams) > 1 and not getattr(scheme, "pays_anew", False):
        able = [name for name in discovery.plugins("reward") if getattr(_scheme(name), "pays_anew", False)]
        raise UserError(
            f"reward={config.reward.name} agent.bonus=replayed: its bonus can't be paid anew; use"
            f" agent.bonus=collected, or one of {', '.join(able)}"
        )


def _check_demonstrated(config: RootConfig, replays: bool) -> None:
    if not replays:
        raise UserError(
            f"reward={config.reward.name} agent={config.agent.name}: pays demonstrated steps that are replayed, and"
            f" this agent replays nothing; use {_replaying()}"
        )
    if config.agent.demos is None or config.agent.bonus != "replayed":
        raise UserError(f"reward={config.reward.name}: needs agent.demos=DIR, agent.bonus=replayed and agent.n_step=1")


def _scheme(name: str) -> Any:
    return getattr(discovery.load("reward", name), "Scheme", None)


def _replaying() -> str:
    """Agents that learn from replay, as a user writes them."""
    from rewardlab.agents.replay.options import ReplayConfig

    able = [
        name for name in discovery.plugins("agent") if issubclass(discovery.config_class("agent", name), ReplayConfig)
    ]
    return " or ".join(f"agent={name}" for name in able)
