"""SMORe: scores of how much a step leads to a goal, without rewards, and a policy that imitates by them

Paper: Sikchi et al. 2024, Score models for offline goal-conditioned reinforcement learning
Assumes: an environment with goals

Half of a minibatch are steps that reach their goal: it is what was achieved right after them. The other half are steps
with a goal that was achieved later in their episode (hindsight, uniform), or the one that was pursued. Of these alone
V goes to an expectile of the least of two slow scores, and the policy imitates with the weight min(exp(beta (Q - V)),
100). Scores learn from both halves: see `maths.offline.goal_scores`. Goals end nothing: what follows always counts.

loss=stable is the authors' code, loss=dual the paper's own. Constants are those of the README and code: expectile 0.8
(a flag there says 0.1), three layers, layer normalisation in V, and a step size of the policy that falls to 0 along
half a cosine. The code draws 256 steps of each half, here batch_size=512.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.agents.offline.expectile import ExpectileAgent
from rewardlab.agents.offline.goals import GoalConfig, check_goals, later, with_goals
from rewardlab.datasets.steps import StoredSteps
from rewardlab.maths.offline import goal_scores
from rewardlab.schemas import option
from rewardlab.types import BuildContext, StreamSpec, TensorMetrics, Transitions

VERSION = 1


@dataclass
class Config(GoalConfig):
    batch_size: int = option(
        512, "steps of a gradient step, half of each kind; each counts as a frame", above=0, maximum=10**6
    )
    hidden: list[int] = option([256, 256, 256], "widths of the layers")
    loss: str = option("stable", "stable: squares, as in the code; dual: as in the paper", choices=("stable", "dual"))
    hindsight: float = option(0.8, "share of goals reached later; others are those pursued", minimum=0, maximum=1)
    expectile: float = option(0.8, "0.5: the mean of what was done; towards 1: the best of it", above=0, maximum=1)
    beta: float = option(3.0, "how much advantages count in imitation", minimum=0)
    target_rate: float = option(0.005, "how far the slow scores move at each gradient step", above=0, maximum=1)

    def validate(self) -> None:
        super().validate()
        if self.loss == "stable" and self.gamma == 1:
            raise ValueError("gamma=1: loss=stable scores reaching with 2 / (1 - gamma); set it below 1, or loss=dual")
        if self.batch_size < 2:
            raise ValueError("batch_size=1: half of each kind; 2 at least")


class Agent(ExpectileAgent):
    """See `learn` for one gradient step of each network, read from top to bottom."""

    metrics = ("loss/value", "loss/score", "loss/policy", "loss/v_mean", "loss/advantage_mean")

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: the world has no goals, or something but the task pays.
        """
        check_goals("smore", context, streams)
        super().__init__(config, context, halved=False, normed=True)

    def draw(self, data: StoredSteps, size: int, rng: np.random.Generator) -> Transitions:
        """First the steps towards goals, then as many, or one less, that reach theirs."""
        steps = rng.integers(len(data), size=size)
        rows = np.where(np.arange(size) < _towards(size), later(data, steps, rng), data.rows(steps) + 1)
        batch = with_goals(data, steps, rows)
        pursued = np.flatnonzero(rng.random(_towards(size)) >= self.config.hindsight)
        where = torch.from_numpy(pursued).to(batch.action.device)
        own = data.at(steps[pursued]).obs["goal"]
        for shown in (batch.obs, batch.next_obs):
            shown["goal"] = shown["goal"].index_copy(0, where, own)
        return batch

    @torch.no_grad()
    def learn(self, batch: Transitions, progress: float) -> TensorMetrics:
        config, count = self.config, _towards(len(batch.action))
        action = batch.action[:count]
        towards, following = (
            {name: entry[:count] for name, entry in shown.items()} for shown in (batch.obs, batch.next_obs)
        )
        here, there = self._value.inputs(towards), self._value.inputs(following)
        inputs = self._actor.passes.inputs(towards)

        least = self._critics.slow(inputs, action).amin(dim=0)
        value_loss, value_mean, _ = self.learn_value(here, least)

        advantage = least - self._value.predict(here).squeeze(-1)
        policy_loss = self.imitate(inputs, action, advantage, progress)

        targets = config.gamma * self._value.predict(there).squeeze(-1)
        losses = []

        def of_scores(scores: torch.Tensor) -> torch.Tensor:
            loss, *slopes = goal_scores(scores[:count], targets, scores[count:], config.gamma, config.loss == "dual")
            losses.append(loss)
            return torch.cat(slopes)

        self._critics.learn_by(self._critics.inputs(batch.obs), batch.action, of_scores)
        self._critics.follow()
        self._updates += 1
        return {
            "loss/value": value_loss,
            "loss/score": torch.stack(losses).mean(),
            "loss/policy": policy_loss,
            "loss/v_mean": value_mean,
            "loss/advantage_mean": advantage.mean(),
        }


def _towards(size: int) -> int:
    """How many of a minibatch's steps do not reach their goal."""
    return size - size // 2
