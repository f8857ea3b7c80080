"""AGAC: acts so that an adversary, which learns to predict the policy, keeps failing.

Paper: Flet-Berliac et al. 2021, Adversarially guided actor-critic
Assumes: nothing with key=view, simhash or downscaled, privileged with key=state

The adversary p learns to match the policy pi that acted, by KL(pi || p). Then, a the action taken in s,

    advantage    = GAE(task) + GAE(coef * first visit) + c (log pi(a|s) - log p(a|s))
    value target = return + c KL(pi(.|s) || p(.|s)),

where the terms with c belong to their own step and are never accumulated over time; c goes linearly to 0 over the
budget. The bonus for states new to the episode is the part that the paper calls episodic counts. Here it has a value
head of its own; in the published code one critic, of the task's returns alone, is the baseline of both.

Constants of the published TensorFlow code on MiniGrid: c = 4e-4 and 0.1 / sqrt(N_ep) (bonus=count) over agent
positions; of its PyTorch code: 0.0125 at first visits (bonus=first), for which our PPO comes to dawdle on
MultiRoom-N7-S4; the adversary's learning rate is 0.3 of the policy's. There its loss shares the policy's minibatches;
here it is trained after each rollout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from rewardlab.maths import distributions
from rewardlab.maths.distinct import distinct_of, pick, spread
from rewardlab.networks.box_policy import BoxPolicy
from rewardlab.networks.picture import flat_network, flat_rows
from rewardlab.parts.memories.episode_counts import EpisodeCounts
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.state_keys import KINDS, CellOptions, StateKeys, revision_of
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import RootConfig, option
from rewardlab.types import BuildContext, EnvSpec, Metrics, Rollout, Signals, TensorObs

VERSION = 3


@dataclass
class Config(CellOptions, BonusConfig):
    coef: float = option(0.00125, "weight of the bonus for states new to the episode", minimum=0)
    c: float = option(4e-4, "weight of what the adversary fails to predict", minimum=0)
    c_end: float = option(0.0, "share of c that is left at the end of the budget, reached linearly", minimum=0)
    bonus: str = option(
        "first", "first: 1 at the first visit in the episode; count: 1 / sqrt(visits)", choices=("first", "count")
    )
    key: str = option("view", "what is counted: the view, the full state, or simhash of the observation", choices=KINDS)
    bits: int = option(32, "length of the simhash: more bits tell more states apart", above=0, maximum=1024)
    hidden: int = option(64, "width of the adversary's two hidden layers", above=0)
    learning_rate: float = option(6e-4, "Adam's step size of the adversary: 0.3 of the policy's", above=0)
    epochs: int = option(1, "passes of the adversary over a rollout", above=0)
    batch_size: int = option(256, "size of its minibatches", above=0)

    def revision(self, setting: RootConfig) -> int:
        return revision_of(self.key)


class Scheme(BonusScheme):
    """Counts states within episodes, and trains the adversary on what the policy did."""

    metrics = ("loss/agac_adversary", "explore/agac_gap")
    reads_policy = True
    stateful = ("keys", "adversary", "optimiser", "visits")
    episodic_memory = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.keys = StateKeys("agac", config, context)
        self.tell_apart_by(self.keys)
        self.adversary = Adversary(context.spec, config.hidden, context.generator)
        self.adversary.to(context.device)
        self.optimiser = torch.optim.Adam(self.adversary.parameters(), lr=config.learning_rate, eps=1e-5, fused=True)
        self.visits = EpisodeCounts(context.num_envs)
        self._gap = 0.0

    @torch.no_grad()
    def compute(self, rollout: Rollout) -> Signals:
        config = self.config
        c = config.c * (1.0 + (config.c_end - 1.0) * rollout.progress)
        distinct = distinct_of(rollout)
        guess = _spread(self.adversary(self._flat(distinct.rows)), distinct.here[:-1])
        gap = rollout.log_prob - distributions.log_prob(guess, rollout.action)
        divergence = distributions.kl_divergence(rollout.dist, guess)
        self._gap = float(divergence.mean())
        signals = super().compute(rollout)
        return Signals(signals.streams, advantage_bonus=c * gap, value_target_bonus=c * divergence)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        first = rollout.first.cpu().numpy()
        counts = self.visits.add(self.keys.reached(rollout), self.keys.starts(rollout), first)
        bonus = 1.0 / np.sqrt(counts) if self.config.bonus == "count" else counts == 1
        return torch.from_numpy(bonus.astype(np.float32)).to(rollout.task_reward.device)

    def update(self, rollout: Rollout) -> Metrics:
        config, distinct = self.config, distinct_of(rollout)
        flat, here = self._flat(distinct.rows), distinct.here[:-1].flatten()
        dist = {name: entry.flatten(0, 1) for name, entry in rollout.dist.items()}
        losses = []
        for index in minibatches(len(here), config.batch_size, config.epochs, self.context.generator):
            picked = pick(here[index], len(flat))
            guess = _spread(self.adversary(flat[picked.rows]), picked.place)
            acted = {name: entry[index] for name, entry in dist.items()}
            loss = distributions.kl_divergence(acted, guess).mean()
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            losses.append(loss.detach())
        return {"loss/agac_adversary": float(torch.stack(losses).mean()), "explore/agac_gap": self._gap}

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return flat_rows(obs, self.context.spec.obs)


def _spread(dist: TensorObs, place: torch.Tensor) -> TensorObs:
    return {name: spread(entry, place) for name, entry in dist.items()}


class Adversary(nn.Module):
    """Another policy over flat observations, [..., D] -> the parameters of a distribution, each [..., A]."""

    def __init__(self, spec: EnvSpec, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        action = spec.action
        widths = (hidden, hidden, action.n or math.prod(action.shape))
        self.layers = flat_network(spec.obs, widths, generator, activation="tanh", gain=5 / 3, last_gain=0.01)
        self.box = None if action.discrete else BoxPolicy(action)

    def forward(self, flat: torch.Tensor) -> TensorObs:
        out = self.layers(flat)
        found: TensorObs = {"logits": out} if self.box is None else self.box(out)
        return found
