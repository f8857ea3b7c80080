"""The on-policy iteration: collect, compute reward streams, learn from the rollout once."""

from typing import cast

from rewardlab.training.build import Parts
from rewardlab.training.collect import Collector
from rewardlab.training.paying import pay
from rewardlab.types import Metrics, OnPolicyAgent, State


class OnPolicyLearning:
    """It keeps nothing between iterations."""

    metrics: tuple[str, ...] = ()

    def __init__(self, parts: Parts, agent: OnPolicyAgent) -> None:
        self._parts, self._agent = parts, agent

    def pretrain(self) -> Metrics:
        """What the agent learns before the first frame, if anything."""
        learn = getattr(self._agent, "pretrain", None)
        return {} if learn is None else cast(Metrics, learn())

    def iterate(self, collector: Collector, steps: int, progress: float) -> tuple[Metrics, ...]:
        """One iteration: the metrics of the reward streams and of all parts."""
        parts = self._parts
        rollout = collector.collect(steps, parts.streams.torch_rngs["act"])
        rollout.progress = progress
        signals, means = pay(parts, rollout)
        learned = self._agent.update(rollout, signals, progress)
        practised = parts.update_practice(progress)
        return means, learned, parts.scheme.update(rollout), *practised

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State, exact: bool) -> None:
        pass

    def buffer(self) -> State | None:
        return None

    def load_buffer(self, state: State) -> None:
        pass
