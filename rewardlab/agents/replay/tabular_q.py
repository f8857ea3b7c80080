"""Q-learning on a table, optimistic at first: what was not tried yet is thought to be as good as can be

Paper: Watkins and Dayan 1992, Q-learning

For environments that show the number of a state (`cell`, as env=deepsea does) and discrete actions: the yardstick for
deep exploration with networks. Every value begins at `initial`, which should be no less than the best return; actions
are greedy, ties broken at random in training. Steps are drawn from replay, as by the other agents there: the weighted
sum of all reward streams, cut at termination.

    Q(s, a) <- Q(s, a) + learning_rate (r + discount max_b Q(s', b) - Q(s, a))

A pair that is several times in a minibatch moves by the mean of its errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rewardlab.agents.base import BaseAgent
from rewardlab.agents.replay.options import ReplayConfig
from rewardlab.errors import UserError
from rewardlab.schemas import option
from rewardlab.types import ActOutput, BuildContext, State, StreamSpec, TensorMetrics, TensorObs, Transitions

VERSION = 1
_MOST_STATES = 10**6


@dataclass
class Config(ReplayConfig):
    learning_starts: int = option(1, "steps in the buffer before learning begins", above=0)
    initial: float = option(1.0, "every value at first; at least the best return, to be optimistic")
    learning_rate: float = option(1.0, "how far a value moves; 1 where nothing is random", above=0, maximum=1)
    epsilon: float = option(0.0, "share of random actions in training", minimum=0, maximum=1)


class Agent(BaseAgent):
    learns_from = "replay"
    metrics = ("loss/td", "loss/q_mean")

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: the environment shows no cell, or its actions are not discrete.
        """
        spec = context.spec
        cell, actions = spec.obs.get("cell"), spec.action.n
        if cell is None or actions is None or cell.high > _MOST_STATES:
            raise UserError(f"agent=tabular_q: needs a table of states (cell), which {spec.id} has not; use agent=dqn")
        self.config = config
        self.rollout_steps = config.rollout_steps
        self.progress = 0.0
        self.assumes = config.assumes()
        self._actions = actions
        self._table = torch.full((cell.high + 1, actions), config.initial, device=context.device)

    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        values = self._table[obs["cell"][:, 0]]
        if mode != "explore":
            return ActOutput(values.argmax(dim=-1), None)
        order = torch.rand(values.shape, generator=rng, device=rng.device).to(values.device)
        best = torch.where(values == values.amax(dim=-1, keepdim=True), order, -1.0).argmax(dim=-1)
        if self.config.epsilon > 0:
            chance = torch.rand(first.shape, generator=rng, device=rng.device).to(values.device)
            best = torch.where(chance < self.config.epsilon, order.argmax(dim=-1), best)
        return ActOutput(best, None)

    def columns(self, count: int) -> dict[str, torch.Tensor]:
        return {}

    def update_batch(self, batch: Transitions) -> tuple[TensorMetrics, torch.Tensor]:
        following = self._table[batch.next_obs["cell"][:, 0]].amax(dim=-1)
        place = batch.obs["cell"][:, 0] * self._actions + batch.action
        values = self._table.view(-1)
        error = batch.extra["reward"] + batch.extra["discount"] * following - values[place]
        weighted = error * batch.extra["weight"] if "weight" in batch.extra else error
        moved = torch.zeros_like(values).index_add_(0, place, weighted)
        values += self.config.learning_rate * moved / torch.bincount(place, minlength=len(values)).clamp(min=1)
        self._updates += 1
        return {"loss/td": weighted.square().mean(), "loss/q_mean": values.mean()}, error.abs()

    def policy_state_dict(self) -> State:
        return {"table": self._table.clone()}

    def load_policy_state_dict(self, state: State) -> None:
        self._table.copy_(state["table"])

    def state_dict(self) -> State:
        return super().state_dict() | self.policy_state_dict()

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.load_policy_state_dict(state)
