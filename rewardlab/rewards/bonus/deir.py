"""DEIR: pays observations unlike those of the episode so far, the more so if a like trajectory led there.

Paper: Wan et al. 2023, DEIR: efficient and robust exploration through discriminative-model-based intrinsic rewards

The bonus of reaching o' along the trajectory w' is the least, over the episode's earlier observations o and the ways
w to them, of |o' - o|^2 / (|w' - w| + 1e-6) (eq. 4): a lower bound of the novelty that the agent itself caused. o is
the embedding of an observation, w the state of a GRU over them; the way to the first one is zero (as in the authors'
code). Both embeddings come from a discriminator that tells the true successor of (o, a) from a fake one, by binary
cross-entropy on the GRU's states before and after. Fakes are drawn from a queue of observations whose bonus was at
least the mean; a second candidate stands in for one that is equal to the true successor, and where both are, the sample
is left out. Every true transition counts, the last of an episode too, because its true successor is known.

The bonus is standardised by exponential moving mean and deviation (so that it can be negative), which a random agent's
warm-up sets first; a rollout is scored with those from before it.

- novelty=discriminative: the formula above. The default.
- novelty=plain: the least |o' - o|, the authors' ablation without trajectories.

Published: coef 0.01, momentum 0.9, queue of 100,000, Adam's step 3e-4, 4 passes in minibatches of 512, gradients cut to
norm 0.5, 128 features, hidden layers 256 wide with batch normalisation (swan-utokyo/deir). The defaults are a smaller
queue, smaller networks without it, and fewer passes with a larger step.
"""

from dataclasses import dataclass

import torch

from rewardlab.maths.distinct import distinct_of, pick, spread, tell_apart
from rewardlab.networks.adam import Adam, clip_norm
from rewardlab.networks.fused import can_fuse
from rewardlab.parts.memories.observation_queue import ObservationQueue
from rewardlab.parts.memories.trajectory_memory import TrajectoryMemory
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.models.discriminator import Discriminator, FusedDiscriminator, Samples, fakes
from rewardlab.parts.models.inverse_model import encode_action
from rewardlab.parts.moments.ema_moments import EmaMoments
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, DistinctObservations, Metrics, Rollout, State, TensorObs

VERSION = 3


@dataclass
class Config(BonusConfig):
    coef: float = option(0.001, "weight of the bonus", minimum=0)
    novelty: str = option(
        "discriminative", "distances weighed by those of trajectories, or plain", choices=("discriminative", "plain")
    )
    normalise_reward: bool = option(True, "standardise by moving mean and deviation")
    momentum: float = option(0.9, "share of these moments that stays at each rollout", minimum=0, maximum=1)
    warmup: int = option(128, "vector steps of a random agent that set these moments", minimum=0)
    queue: int = option(10_000, "observations that fakes are drawn from", above=0, maximum=10_000_000)
    hidden: int = option(64, "width of hidden layers", above=0)
    features: int = option(32, "size of the embeddings", above=0)
    learning_rate: float = option(2e-3, "Adam's step size", above=0)
    epochs: int = option(1, "passes over a rollout", above=0)
    batch_size: int = option(1024, "size of minibatches", above=0)
    max_grad_norm: float = option(0.5, "longer gradients are cut to this norm", above=0)


class Scheme(BonusScheme):
    """The memory is of embeddings as they were; trajectories and memory outlast rollouts."""

    metrics = ("loss/deir_discriminator", "explore/deir_accuracy", "explore/deir_bonus")
    stateful = ("discriminator", "optimiser", "memory", "queue", "moments")
    episodic_memory = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.warmup_steps = config.warmup if config.normalise_reward else 0
        sizes = (config.hidden, config.features)
        self.discriminator = Discriminator(context.spec, *sizes, context.generator).to(context.device)
        self.optimiser = Adam(self.discriminator.parameters(), config.learning_rate, 1e-5)
        self._fused = FusedDiscriminator(self.discriminator, self.optimiser) if can_fuse(self.discriminator) else None
        self.memory = TrajectoryMemory(context.num_envs, config.features, config.features)
        self.queue = ObservationQueue(context.spec, config.queue)
        self.moments = EmaMoments(config.momentum)
        self._trajectory = torch.zeros(context.num_envs, config.features, device=context.device)
        self._before = self._trajectory  # of the rollout that was paid last, for the update that follows
        self._mean = 0.0

    @torch.no_grad()
    def warm_up(self, rollout: Rollout) -> None:
        self._take_in(self._novelty(rollout), rollout)
        self.memory.forget()  # what follows are other episodes
        self._trajectory = torch.zeros_like(self._trajectory)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        novelty = self._novelty(rollout)
        self._mean = float(novelty.mean())
        paid = (novelty - self.moments.mean) / self.moments.std if self.config.normalise_reward else novelty
        self._take_in(novelty, rollout)
        return paid

    def update(self, rollout: Rollout) -> Metrics:
        config, generator, net, fused = self.config, self.context.generator, self.discriminator, self._fused
        distinct = distinct_of(rollout)
        inputs, known, drawn = self._with_candidates(distinct, config.epochs * distinct.there.numel())
        here, there = (spread(known, place.flatten()) for place in (distinct.here[:-1], distinct.there))
        action = encode_action(rollout.action, self.context.spec.action).flatten(0, 1)
        before, begun = self._before.flatten(0, 1), 0
        found = []
        for index in minibatches(len(there), config.batch_size, config.epochs, generator):
            true = there.index_select(0, index)
            fake, usable = fakes(true, drawn[:, begun : begun + len(index)])
            begun += len(index)
            picked = pick(torch.cat([here.index_select(0, index), true, fake]), len(inputs))
            samples = Samples(
                inputs.index_select(0, picked.rows),
                picked.place.view(3, -1),
                before.index_select(0, index),
                action.index_select(0, index),
                usable,
            )
            gradient, loss, right = net.learn(samples, self.optimiser) if fused is None else fused.learn(samples)
            clip_norm(gradient, config.max_grad_norm)
            self.optimiser.step(gradient)
            found.append((loss, right))
        mean_loss, accuracy = (sum(entries) / len(entries) for entries in zip(*found, strict=True))
        return dict(zip(self.metrics, (mean_loss, accuracy, self._mean), strict=True))

    def _novelty(self, rollout: Rollout) -> torch.Tensor:
        """float32 [T, N], before any scaling."""
        net = self.discriminator if self._fused is None else self._fused
        distinct = distinct_of(rollout)
        here = distinct.here[:-1]
        encoded, trajectories = net.see(self._inputs(distinct.rows), here, self._trajectory, rollout.first)
        before = torch.cat([self._trajectory.unsqueeze(0), trajectories[:-1]])
        self._before = before * (~rollout.first).unsqueeze(-1)
        self._trajectory = trajectories[-1]
        start, reached = spread(encoded, here), spread(encoded, distinct.there)
        return self.memory.novelty(start, reached, trajectories, rollout.first, self.config.novelty == "plain")

    def _take_in(self, novelty: torch.Tensor, rollout: Rollout) -> None:
        """Queue what is at least as new as the mean so far (all, where there is none), then move the moments."""
        new = novelty >= self.moments.mean if self.moments.batches else torch.ones_like(novelty, dtype=torch.bool)
        self.queue.add({name: rollout.next_obs[name][new] for name in self.context.spec.obs})
        self.moments.add(novelty)

    def _with_candidates(
        self, distinct: DistinctObservations, count: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The encoder's inputs [U, D]; which of them the rollout's frames are, int64 [F] (they may differ in what only
        the agent sees), and which the candidates drawn, int64 [2, count].
        """
        drawn, shown = self.queue.draw(2 * count, self.context.generator), distinct.rows
        rows, place = tell_apart(
            {name: torch.cat([shown[name], entry.to(shown[name].device)]) for name, entry in drawn.items()}
        )
        return self._inputs(rows), place[: -2 * count], place[-2 * count :].view(2, count)

    def _inputs(self, obs: TensorObs) -> torch.Tensor:
        return self.discriminator.encoder.flat(obs)

    def state_dict(self) -> State:
        return super().state_dict() | {"trajectory": self._trajectory.clone()}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._trajectory = state["trajectory"].to(self._trajectory.device, copy=True)
