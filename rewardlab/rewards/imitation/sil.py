"""Self-imitation: repeats past actions that led to more than the value said.

Paper: Oh et al. 2018, Self-imitation learning

Steps (s, a, R) of episodes that were paid anything go to a replay buffer, R the observed discounted return. After
each rollout the agent takes gradient steps on

    L = -log pi(a|s) (R - V(s))+  +  value_coef / 2 ((R - V(s))+)^2  -  entropy_coef H(pi(.|s)),

only where R > V(s), where V is not differentiated in the first term. Draws are proportional to priority^alpha, the
priority of a step being its (R - V)+ when last drawn, and importance weights correct for that with beta. As in the
published code, gaps are cut at `clip`, the sum is divided by the number of steps with R > V, at least 64, and PPO's
variant weighs the whole by 0.1. An episode cut off by the time limit counts with what it was paid until then.

Constants of the published code for PPO: 10 updates of 512, buffer 50,000, alpha 0.6, beta 0.1, value weight 0.01, no
entropy term (0.01 on Atari, where A2C takes 4 updates).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from rewardlab.maths.returns import returns_to_ends
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.buffers.prioritised_replay import PrioritisedReplay
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RewardConfig, option
from rewardlab.types import AuxLoss, BuildContext, Judgement, Metrics, Rollout, Signals, Transitions

VERSION = 1
_FEWEST = 64  # steps that the sum is divided by


@dataclass
class Config(RewardConfig):
    coef: float = option(0.1, "weight of the whole loss", minimum=0)
    value_coef: float = option(0.01, "weight of the value's term in it", minimum=0)
    entropy_coef: float = option(0.0, "weight of the policy's entropy in it", minimum=0)
    clip: float = option(1.0, "larger gaps between return and value count as this", above=0)
    buffer_size: int = option(50_000, "steps of episodes that were paid", above=0)
    alpha: float = option(0.6, "how much priorities count; 0 draws uniformly", minimum=0)
    beta: float = option(0.1, "how much importance weights correct for that", minimum=0, maximum=1)
    updates: int = option(10, "gradient steps after each rollout", above=0)
    batch_size: int = option(512, "steps in each", above=0)


class Scheme(BaseScheme):
    """Pays the task's reward; what it adds is the loss."""

    name = "sil"
    whole_episodes = True
    metrics = ("explore/sil_steps", "explore/sil_above_value")
    stateful = ("episodes", "replay")

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.episodes = EpisodeAssembler(context.num_envs)
        self.replay = PrioritisedReplay(config.buffer_size, config.alpha, config.beta)
        self._above: list[float] = []  # shares of steps with R > V in this iteration's batches

    def compute(self, rollout: Rollout) -> Signals:
        self._above = []
        for episode in self.episodes.add(rollout):
            if bool((episode.task_reward > 0).any()):
                returns = returns_to_ends(episode.task_reward, self.context.gamma)
                self.replay.add(Transitions(episode.obs, episode.action, {"return": returns}))
        return Signals({"task": rollout.task_reward})

    def update(self, rollout: Rollout) -> Metrics:
        found = {"explore/sil_steps": float(len(self.replay))}
        if self._above:
            found["explore/sil_above_value"] = sum(self._above) / len(self._above)
        return found

    def aux_losses(self) -> tuple[AuxLoss, ...]:
        return (self,)

    def batches(self) -> Iterator[Transitions]:
        for _ in range(self.config.updates if len(self.replay) else 0):
            batch, places = self.replay.sample(self.config.batch_size, self.context.numpy_rng)
            batch.extra["place"] = torch.from_numpy(places)
            yield batch

    def loss(self, batch: Transitions, judgement: Judgement) -> torch.Tensor:
        config, weight = self.config, batch.extra["weight"]
        gap = ((batch.extra["return"] - judgement.task_value) / judgement.return_scale).clamp(0.0, config.clip)
        fixed = gap.detach()
        above = (fixed > 0).float()
        self.replay.set_priorities(batch.extra["place"].numpy(), fixed.cpu().numpy())
        self._above.append(float(above.mean()))
        terms = -judgement.log_prob * fixed + 0.5 * config.value_coef * gap.square()
        terms = terms - config.entropy_coef * above * judgement.entropy
        loss: torch.Tensor = config.coef * (weight * terms).sum() / above.sum().clamp(min=_FEWEST)
        return loss
