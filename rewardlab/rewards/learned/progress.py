"""Progress: pays for what a step adds to a learned measure of how near success is.

Paper: Ng et al. 1999, Policy invariance under reward transformations: theory and application to reward shaping
Assumes: demos for pairwise_delta, and where reward.demos is set

step_gain, the form of DenseGRPO: V(s') - V(s), V the predicted outcome of an episode by what is shown: its return,
the undiscounted sum of task rewards, learned from the states of the latest whole episodes, `memory` steps of them. Over
an episode it adds up to V(s_T) - V(s_0).
potential, the form of Robo-Dopamine: gamma V(s') - V(s) with V = 0 in terminal states (Grzes 2017, Reward shaping in
episodic reinforcement learning), by which the best policies stay the best. Without the two it would pay to loiter. V is
the predicted outcome, or with reward.demos=DIR how much of a demonstration is done: i / L after i of its L steps.
pairwise_delta, the form of VLAC: c(s, s') in [-1, 1], which learns (j - i) / L of the states after i and j steps of a
demonstration of L, whichever comes first. Pairs of other goals, of which c is to be 0 there, are left out.
success_reference, the form of SRPO: failures are paid by how near they came to successes; see `progress_reference`.

There, V and c are language and vision models; here small networks, which learn after each rollout. Adaptive noise for
each step index (DenseGRPO) is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rewardlab.datasets.options import DemosOptions
from rewardlab.datasets.shown_ways import ShownWays
from rewardlab.errors import UserError
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.networks.picture import flat_network
from rewardlab.parts.both_ends import at_both_ends
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.buffers.whole_episodes import WholeEpisodes
from rewardlab.parts.models.step_rewards import StepRewards
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.rewards.learned.progress_reference import SuccessReference
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Episode, Metrics, Rollout, State, TensorObs, Transitions

VERSION = 1
METHODS = ("step_gain", "potential", "pairwise_delta", "success_reference")
_PLAYED = ("step_gain", "success_reference")  # those that learn from the agent's own play alone


@dataclass
class Config(DemosOptions, BonusConfig):
    method: str = option("step_gain", "how progress is measured", choices=METHODS)
    memory: int = option(50_000, "the latest steps of whole episodes, whose outcomes are learned", above=0)
    hidden: int = option(64, "width of the network's two layers", above=0)
    learning_rate: float = option(1e-3, "Adam's step size", above=0)
    batch_size: int = option(256, "states, or pairs of them, in a gradient step", above=0)
    samples_per_step: float = option(0.25, "how many of them are learned from, for each step played", above=0)

    def validate(self) -> None:
        if self.method in _PLAYED and self.demos is not None:
            raise ValueError(
                f"demos={self.demos}: method={self.method} learns from what is played; method=potential reads them"
            )
        for name in ("memory", "learning_rate", "batch_size", "samples_per_step"):
            given = getattr(self, name)
            if self.method == "success_reference" and given != getattr(type(self), name):
                raise ValueError(f"{name}={given}: method=success_reference trains no network")


class Scheme(BonusScheme):
    """The network learns from demonstrations where there are any, else from whole episodes of the agent's own."""

    models_task = True
    whole_episodes = True
    pays_anew = True
    metrics: tuple[str, ...] = ("loss/progress",)
    stateful: tuple[str, ...] = ("model", "episodes", "memory")

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: demonstrations that do not fit, or a memory that is too small for an episode.
        """
        super().__init__(config, context)
        self.config, spec = config, context.spec
        if spec.max_steps is not None and spec.max_steps > config.memory:
            raise UserError(
                f"reward.memory={config.memory}: an episode of {spec.id} may have {spec.max_steps} steps; raise it"
            )
        self._pairs, self._owed = config.method == "pairwise_delta", 0.0  # states that are still to be learned from
        if self._pairs and config.demos is None:
            raise UserError(
                "reward.method=pairwise_delta: needs demonstrations, such as those of rewardlab demos: reward.demos=DIR"
            )
        self.reference = SuccessReference(config.hidden, context) if config.method == "success_reference" else None
        if self.reference is not None:
            self.metrics, self.stateful, self.pays_anew = (), ("reference",), False
            self.pays_prediction = True  # until there is a success, whatever is reached
            return
        shown = config.demos is not None and config.method not in _PLAYED
        self._ways = ShownWays(config.demonstrations("reward", spec), context.device) if shown else None
        if self._ways is not None:
            self.assumes = self.assumes | {"demos"}
        self.potential_based = config.method == "potential"
        self.pays_anew = not self.potential_based  # a replayed step does not tell whether it terminated
        widths = (config.hidden, config.hidden, 1)
        beside = flat_size(spec.obs) if self._pairs else 0
        network = flat_network(spec.obs, widths, context.generator, beside=beside).to(context.device)
        self.model = StepRewards(network, config.learning_rate)
        self.episodes = EpisodeAssembler(context.num_envs, successors=True)
        self.memory = WholeEpisodes(config.memory, context.device)
        self._ended: list[Episode] = []

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        if self.reference is not None:
            return self.reference.pay(rollout)
        if self._ways is None:
            self._ended = self.episodes.add(rollout)
        if self._pairs:
            return self._between(*at_both_ends(self._flat, rollout))
        here, there = at_both_ends(lambda obs: self.model.of(self._flat(obs)), rollout)
        if not self.potential_based:
            return there - here
        return self.context.gamma * there.masked_fill(rollout.terminated, 0.0) - here

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        here, there = self._flat(steps.obs), self._flat(steps.next_obs)
        paid = self._between(here, there) if self._pairs else self.model.of(there) - self.model.of(here)
        return {"intrinsic": paid}

    def update(self, rollout: Rollout) -> Metrics:
        if self.reference is not None:
            self.reference.learn()
            return {}
        self.memory.add(self._ended)
        self._ended = []
        if self._ways is None and not len(self.memory):
            return {}
        config, losses = self.config, []
        self._owed += rollout.task_reward.numel() * config.samples_per_step
        while self._owed >= config.batch_size:
            self._owed -= config.batch_size
            losses.append(self.fit())
        return {"loss/progress": float(torch.stack(losses).mean())} if losses else {}

    def fit(self) -> torch.Tensor:
        """One gradient step on the mean squared error; that."""
        count, rng = self.config.batch_size, self.context.numpy_rng
        wanted: torch.Tensor
        if self._ways is None:
            drawn = self.memory.single_steps(max(1, count // 2), rng)
            inputs = torch.cat([self._flat(drawn.steps.obs), self._flat(drawn.steps.next_obs)])
            wanted = drawn.returns.repeat(2)
        elif self._pairs:
            one, other, wanted = self._ways.pairs(count, rng)
            inputs = torch.cat([self._flat(one), self._flat(other)], dim=-1)
        else:
            shown, wanted = self._ways.done(count, rng)
            inputs = self._flat(shown)
        bounded = self._pairs
        return self.model.learn(
            inputs, lambda found: (wanted - (torch.tanh(found) if bounded else found)).square().mean()
        )

    def state_dict(self) -> State:
        return super().state_dict() | {"owed": self._owed}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._owed = state["owed"]

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return encode_flat(obs, self.context.spec.obs)

    def _between(self, here: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.model.of(torch.cat([here, there], dim=-1)))
