"""Methods whose network says what a step is worth, so that any can be paid at any time: rd, rrd, lare, diaster, spa."""

from __future__ import annotations

from dataclasses import replace

import torch

from rewardlab.maths.redistribution import means_of, share_errors, sums_of
from rewardlab.networks.adam import Adam
from rewardlab.networks.init import mlp
from rewardlab.networks.picture import flat_network
from rewardlab.networks.standardised import Standardised
from rewardlab.parts.buffers.whole_episodes import Drawn
from rewardlab.parts.models.factors import FACTORS
from rewardlab.parts.models.step_inputs import StepInputs
from rewardlab.parts.models.step_rewards import StepRewards
from rewardlab.parts.models.sub_returns import SubReturns, side_by_side
from rewardlab.rewards.learned.redistribution_factors import StepFactors
from rewardlab.rewards.learned.redistribution_memory import Remembering
from rewardlab.rewards.learned.redistribution_options import Options
from rewardlab.types import BuildContext, Metrics, ObsSpec, Rollout, State, TensorObs, Transitions

_LEARNING_RATE, _OF_FACTORS = 3e-4, 1e-3


class Stepwise(Remembering):
    """The network learns once an episode has ended.

    Factors come in any units and are few: they are standardised, and so are the shares R / T that are learned of them.
    Unscaled, a squared speed of 64 beside a cosine leaves a network that learns for the speed alone.
    """

    pays_anew = True
    metrics: tuple[str, ...] = ("loss/redistribution", "explore/redistribution_episodes")
    stateful: tuple[str, ...] = ("episodes", "memory", "model", "scaled")

    def __init__(self, config: Options, context: BuildContext) -> None:
        of_factors = bool(config.factors) or config.code is not None
        super().__init__(config, context, successors=not of_factors)
        spec, widths = context.spec, (config.hidden, config.hidden, 1)
        self.inputs = StepInputs(spec, context.device, successors=True)
        self.factors = StepFactors(config, context) if of_factors else None
        self.scaled = Standardised({})  # of factors
        if self.factors is not None:
            network = mlp((self.factors.size, *widths), context.generator)
            self.scaled = Standardised({FACTORS: ObsSpec((self.factors.size,), "float32")}).to(context.device)
        else:
            network = flat_network(spec.obs, widths, context.generator, beside=self.inputs.beside)
        self.rate = config.learning_rate or (_OF_FACTORS if self.factors is not None else _LEARNING_RATE)
        self.model = StepRewards(network.to(context.device), self.rate)
        self._owed = 0.0  # steps that are still to be learned from
        self._usual, self._spread = 0.0, 1.0  # mean and deviation of shares, where factors are learned from

    def pay(self, rollout: Rollout) -> torch.Tensor:
        if self.factors is not None:
            found = self.factors.of_rollout(rollout)
            self.note(replace(rollout, obs={FACTORS: found}, next_obs={}))
            return self._worth(found)
        self.note(rollout)
        inputs, place = self.inputs.of_rollout(rollout)
        return self.model.of(inputs)[place] + self._grounding(rollout.obs, rollout.next_obs, 2)

    def pay_anew(self, steps: Transitions) -> torch.Tensor:
        if self.factors is not None:
            return self._worth(self.factors.of_steps(steps))
        return self.model.of(self.inputs.of_steps(steps)) + self._grounding(steps.obs, steps.next_obs, 1)

    def learn(self, rollout: Rollout) -> Metrics:
        self.remember()
        if not len(self.memory):
            return {}
        config, losses = self.config, []
        self._owed += rollout.task_reward.numel() * config.pace
        while self._owed >= config.batch_size:
            self._owed -= config.batch_size
            losses.append(self.fit())
        found = {"explore/redistribution_episodes": float(len(self.memory))}
        return found | ({"loss/redistribution": float(torch.stack(losses).mean())} if losses else {})

    def remember(self) -> int:
        """Keep the episodes that ended, and take the scales of factors and shares from them; how many they are."""
        if self.factors is not None:
            for episode in self._ended:
                self.scaled.add(episode.obs)
        count = super().remember()
        if count and self.factors is not None and len(self.memory):
            self._usual, self._spread = self.memory.share_scale()
        return count

    def fit(self) -> torch.Tensor:
        """One gradient step; its loss."""
        config, rng = self.config, self.context.numpy_rng
        if config.method in ("rrd", "lare") and config.drawn:
            drawn = self.memory.some_steps(max(1, config.batch_size // config.drawn), config.drawn, rng)
            share = self._wanted(drawn)

            def loss_of(rewards: torch.Tensor) -> torch.Tensor:
                predicted = rewards.view(len(share), config.drawn)
                return share_errors(predicted, share, drawn.lengths, config.unbiased).mean()

        else:
            drawn = self.memory.all_steps(config.batch_size, rng)

            def loss_of(rewards: torch.Tensor) -> torch.Tensor:
                if config.method == "spa":
                    return (drawn.returns - sums_of(rewards, drawn.counts)).square().mean()
                return (self._wanted(drawn) - means_of(rewards, drawn.counts)).square().mean()

        return self.model.learn(self.shown(drawn), loss_of)

    def shown(self, drawn: Drawn) -> torch.Tensor:
        """The network's inputs, [B, D]."""
        if self.factors is None:
            return self.inputs.of_steps(drawn.steps)
        shown: torch.Tensor = self.scaled(drawn.steps.obs)[FACTORS]
        return shown

    def state_dict(self) -> State:
        return super().state_dict() | {"owed": self._owed, "usual": self._usual, "spread": self._spread}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._owed, self._usual, self._spread = state["owed"], state["usual"], state["spread"]

    def _worth(self, factors: torch.Tensor) -> torch.Tensor:
        """What steps with these factors are paid, [..., K] -> [...]."""
        return self._usual + self._spread * self.model.of(self.scaled({FACTORS: factors})[FACTORS])

    def _wanted(self, drawn: Drawn) -> torch.Tensor:
        """What the mean over an episode's steps is to be, [M], on the network's scale."""
        return (drawn.returns / drawn.lengths - self._usual) / self._spread

    def _grounding(self, obs: TensorObs, next_obs: TensorObs, dims: int) -> torch.Tensor | float:
        """What spa pays beside: for steps of `dims` leading dimensions whose observation changed."""
        if self.config.method != "spa":
            return 0.0
        changes = [(next_obs[name] != entry).flatten(dims).any(dim=-1) for name, entry in obs.items()]
        return self.config.grounding * torch.stack(changes).any(dim=0).float()


class Diaster(Stepwise):
    """The network learns the differences of what a GRU makes of the pieces of an episode, which learns beside it."""

    metrics = (*Stepwise.metrics, "loss/redistribution_pieces")
    stateful = (*Stepwise.stateful, "pieces", "optimiser")

    def __init__(self, config: Options, context: BuildContext) -> None:
        super().__init__(config, context)
        self.pieces = SubReturns(self.inputs.size, config.hidden, context.generator).to(context.device)
        self.optimiser = Adam(self.pieces.parameters(), self.rate)
        self._scale = config.scale
        self._errors: list[torch.Tensor] = []

    def learn(self, rollout: Rollout) -> Metrics:
        self._errors = []
        found = super().learn(rollout)
        if self._errors:
            found["loss/redistribution_pieces"] = float(torch.stack(self._errors).mean())
        return found

    def fit(self) -> torch.Tensor:
        if self._scale is None:
            self._scale = self.deviation() or None
        scale, rng = self._scale or 1.0, self.context.numpy_rng
        drawn = self.memory.all_steps(self.config.batch_size, rng)
        inputs, lengths = self.shown(drawn), drawn.lengths
        columns, within = side_by_side(inputs, lengths)
        cuts = torch.from_numpy(rng.integers(1, lengths.cpu().numpy().clip(min=2))).to(lengths.device)
        error = (drawn.returns / scale - self.pieces.of_cut(columns, lengths, cuts)).square().mean()
        self.optimiser.descend(error)
        self._errors.append(error.detach())
        with torch.no_grad():
            begins = torch.zeros_like(within)
            begins[0] = True
            upto = self.pieces(columns, begins)
            gains = torch.diff(upto, dim=0, prepend=torch.zeros_like(upto[:1]))
        wanted = scale * gains.t()[within.t()]
        return self.model.learn(inputs, lambda rewards: (wanted - rewards).square().mean())

    def state_dict(self) -> State:
        return super().state_dict() | {"scale": self._scale}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._scale = state["scale"]
