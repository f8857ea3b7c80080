"""Progress: pays for what a step adds to a learned measure of how near success is.

Paper: Ng et al. 1999, Policy invariance under reward transformations: theory and application to reward shaping
Assumes: demos for pairwise_delta, prover_advantage and segment_classifier, and where reward.demos is set

step_gain, the form of DenseGRPO: V(s') - V(s), V the predicted outcome of an episode by what is shown: its return,
the undiscounted sum of task rewards, learned from the states of the latest whole episodes, `memory` steps of them. Over
an episode it adds up to V(s_T) - V(s_0).
potential, the form of Robo-Dopamine: gamma V(s') - V(s) with V = 0 in terminal states (Grzes 2017, Reward shaping in
episodic reinforcement learning), by which the best policies stay the best. Without the two it would pay to loiter. V is
the predicted outcome, or with reward.demos=DIR how much of a demonstration is done: i / L after i of its L steps.
pairwise_delta, the form of VLAC: c(s, s') in [-1, 1], which learns (j - i) / L of the states after i and j steps of a
demonstration of L, whichever comes first. Pairs of other goals, of which c is to be 0 there, are left out.
prover_advantage, the form of PAV (Setlur et al. 2024, arXiv:2410.08146): how much likelier a step makes it that another
policy, the prover, succeeds: A = P(s') - P(s), with the outcome itself where the task terminates. The prover is the
best of `best_of` tries of an older policy, whose play is given: reward.demos=DIR, recorded by rewardlab demos --from
RUN --keep all. A network learns p, how likely that policy succeeds from a state; P = 1 - (1 - p)^best_of. A prover
that never fails tells nothing. What is paid is added to the agent's own Q of the task: the stream has no future
(gamma 0) by default. On replay, where streams are summed, it is shaping by P instead.
segment_classifier, the form of VLA-RL (Lu et al. 2025, arXiv:2505.18719; abstract only): how likely the state that is
reached is the last of a segment. Demonstrations are cut into `segments` pieces where what they show changes most, which
is ours, as is that ends and other states are learned from alike often. To stay at an end pays again: take a small coef.
success_reference, the form of SRPO: failures are paid by how near they came to successes; see `progress_reference`.

There, V and c are language and vision models; here small networks, which learn after each rollout. Adaptive noise for
each step index (DenseGRPO) is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from rewardlab.datasets.options import DemosOptions
from rewardlab.datasets.shown_ways import ShownWays
from rewardlab.errors import UserError
from rewardlab.maths.provers import prover_advantage
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
METHODS = ("step_gain", "potential", "pairwise_delta", "prover_advantage", "segment_classifier", "success_reference")
_PLAYED = ("step_gain", "success_reference")  # those that learn from the agent's own play alone
_PRETRAIN = 1000  # gradient steps, of what is learned from recorded play alone and does not change
_SHOWN = ("pairwise_delta", "prover_advantage", "segment_classifier")  # those that need demonstrations


@dataclass
class Config(DemosOptions, BonusConfig):
    method: str = option("step_gain", "how progress is measured", choices=METHODS)
    best_of: int = option(4, "prover_advantage: tries of which the prover is the best", above=0, neutral=4)
    segments: int = option(3, "segment_classifier: pieces of a demonstration", above=0, maximum=1000, neutral=3)
    pretrain: int | None = option(
        None,
        "gradient steps on demonstrations after the first rollout; null: 1000 for prover_advantage, segment_classifier",
        minimum=0,
        neutral=None,
    )
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
        for name, method in (("best_of", "prover_advantage"), ("segments", "segment_classifier")):
            if (given := getattr(self, name)) != getattr(type(self), name) and self.method != method:
                raise ValueError(f"{name}={given}: method={self.method} does not read it; method={method} does")
        if self.pretrain is not None and self.demos is None and self.method not in _SHOWN:
            raise ValueError(f"pretrain={self.pretrain}: on demonstrations, and there are none; set demos=DIR")
        for name in ("memory", "learning_rate", "batch_size", "samples_per_step"):
            given = getattr(self, name)
            if self.method == "success_reference" and given != getattr(type(self), name):
                raise ValueError(f"{name}={given}: method=success_reference trains no network")

    @property
    def steps_before(self) -> int:
        """Gradient steps on demonstrations, once the first rollout is paid."""
        if self.pretrain is not None:
            return self.pretrain
        return _PRETRAIN if self.method in ("prover_advantage", "segment_classifier") else 0


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
        self._before = config.steps_before
        if config.method in _SHOWN and config.demos is None:
            raise UserError(
                f"reward.method={config.method}: needs demonstrations, such as those of rewardlab demos:"
                " reward.demos=DIR"
            )
        if config.method == "prover_advantage" and spec.task.success is None:
            raise UserError(f"reward.method=prover_advantage: needs a task that says what success is, not {spec.id}")
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
        self._proves, self._ends = config.method == "prover_advantage", config.method == "segment_classifier"
        # A replayed step does not tell whether it terminated.
        self.pays_anew = not (self.potential_based or self._proves)
        if self._proves and config.gamma is None:
            self.streams = (self.streams[0], replace(self.streams[1], gamma=0.0))
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
        if self._ends:
            return self._end(rollout.next_obs)
        here, there = at_both_ends(lambda obs: self.model.of(self._flat(obs)), rollout)
        if self._proves:
            return prover_advantage(here, there, rollout.terminated, rollout.success, self.config.best_of)
        if not self.potential_based:
            return there - here
        return self.context.gamma * there.masked_fill(rollout.terminated, 0.0) - here

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        if self._ends:
            return {"intrinsic": self._end(steps.next_obs)}
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
        while self._before:
            self._before -= 1
            losses.append(self.fit())
        self._owed += rollout.task_reward.numel() * config.samples_per_step
        while self._owed >= config.batch_size:
            self._owed -= config.batch_size
            losses.append(self.fit())
        return {"loss/progress": float(torch.stack(losses).mean())} if losses else {}

    def fit(self) -> torch.Tensor:
        """One gradient step on the mean squared error, or of what is a chance on the cross-entropy; that."""
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
            if self._proves:
                shown, wanted = self._ways.outcomes(count, rng)
            elif self._ends:
                shown, wanted = self._ways.ends(count, self.config.segments, self._flat, rng)
            else:
                shown, wanted = self._ways.done(count, rng)
            inputs = self._flat(shown)
        if self._proves or self._ends:
            return self.model.learn(inputs, lambda found: binary_cross_entropy_with_logits(found, wanted))
        bounded = self._pairs
        return self.model.learn(
            inputs, lambda found: (wanted - (torch.tanh(found) if bounded else found)).square().mean()
        )

    def state_dict(self) -> State:
        return super().state_dict() | {"owed": self._owed, "before": self._before}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._owed, self._before = state["owed"], state.get("before", 0)

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return encode_flat(obs, self.context.spec.obs)

    def _end(self, obs: TensorObs) -> torch.Tensor:
        """How likely states are the last of a segment."""
        return torch.sigmoid(self.model.of(self._flat(obs)))

    def _between(self, here: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.model.of(torch.cat([here, there], dim=-1)))
