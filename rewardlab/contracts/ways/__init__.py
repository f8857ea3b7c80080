"""What the laws have to know of each way of learning: one module for each that agents name in `learns_from`.

It has `begin(agent, progress)`, `assessed(agent, rollout, states)`, `learn(case, agent, rollout, signals, progress)`
and `LAWS`, the laws of the way's own agents.
"""

from importlib import import_module
from typing import Any


def way(agent: Any) -> Any:
    """The module of an agent's way of learning; `agent` may be its class."""
    return import_module(f"rewardlab.contracts.ways.{agent.learns_from}")
