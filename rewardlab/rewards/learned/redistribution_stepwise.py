"""Methods whose network says what a step is worth, so that any can be paid at any time: rd, rrd, lare, diaster, spa."""

from __future__ import annotations

from dataclasses import replace

import torch

from rewardlab.maths.redistribution import means_of, share_errors, sums_of
from rewardlab.networks.adam import Adam
from rewardlab.networks.init import mlp
from rewardlab.networks.picture import flat_network
from rewardlab.parts.buffers.whole_episodes import Drawn
from rewardlab.parts.models.factors import FACTORS, Factors
from rewardlab.parts.models.step_inputs import StepInputs
from rewardlab.parts.models.step_rewards import StepRewards
from rewardlab.parts.models.sub_returns import SubReturns, side_by_side
from rewardlab.parts.state_keys import FACT
from rewardlab.rewards.learned.redistribution_memory import Remembering
from rewardlab.rewards.learned.redistribution_options import Options
from rewardlab.types import BuildContext, Metrics, Rollout, State, TensorObs, Transitions

_LEARNING_RATE = 3e-4


class Stepwise(Remembering):
    """The network learns once an episode has ended."""

    pays_anew = True
    metrics: tuple[str, ...] = ("loss/redistribution", "explore/redistribution_episodes")
    stateful: tuple[str, ...] = ("episodes", "memory", "model")

    def __init__(self, config: Options, context: BuildContext) -> None:
        super().__init__(config, context, successors=not config.factors)
        spec, widths = context.spec, (config.hidden, config.hidden, 1)
        self.inputs = StepInputs(spec, context.device, successors=True)
        self._factors = Factors(config.name or config.plugin, config.factors, spec) if config.factors else None
        if self._factors is not None:
            network = mlp((self._factors.size, *widths), context.generator)
        else:
            network = flat_network(spec.obs, widths, context.generator, beside=self.inputs.beside)
        self.rate = config.learning_rate or _LEARNING_RATE
        self.model = StepRewards(network.to(context.device), self.rate)
        self._owed = 0.0  # steps that are still to be learned from

    def pay(self, rollout: Rollout) -> torch.Tensor:
        if self._factors is not None:
            found = self._factors.of(rollout.obs, rollout.action, rollout.next_obs, rollout.privileged)
            self.note(replace(rollout, obs={FACTORS: found}, next_obs={}))
            return self.model.of(found)
        self.note(rollout)
        inputs, place = self.inputs.of_rollout(rollout)
        return self.model.of(inputs)[place] + self._grounding(rollout.obs, rollout.next_obs, 2)

    def pay_anew(self, steps: Transitions) -> torch.Tensor:
        if self._factors is not None:
            facts = {name.removeprefix(FACT): fact for name, fact in steps.extra.items() if name.startswith(FACT)}
            return self.model.of(self._factors.of(steps.obs, steps.action, steps.next_obs, facts))
        return self.model.of(self.inputs.of_steps(steps)) + self._grounding(steps.obs, steps.next_obs, 1)

    def learn(self, rollout: Rollout) -> Metrics:
        self.remember()
        if not len(self.memory):
            return {}
        config, losses = self.config, []
        self._owed += rollout.task_reward.numel() * config.samples_per_step
        while self._owed >= config.batch_size:
            self._owed -= config.batch_size
            losses.append(self.fit())
        found = {"explore/redistribution_episodes": float(len(self.memory))}
        return found | ({"loss/redistribution": float(torch.stack(losses).mean())} if losses else {})

    def fit(self) -> torch.Tensor:
        """One gradient step; its loss."""
        config, rng = self.config, self.context.numpy_rng
        if config.method == "rrd" or (config.method == "lare" and config.steps):
            drawn = self.memory.some_steps(max(1, config.batch_size // config.steps), config.steps, rng)
            share = drawn.returns / drawn.lengths

            def loss_of(rewards: torch.Tensor) -> torch.Tensor:
                predicted = rewards.view(len(share), config.steps)
                return share_errors(predicted, share, drawn.lengths, config.unbiased).mean()

        else:
            drawn = self.memory.all_steps(config.batch_size, rng)

            def loss_of(rewards: torch.Tensor) -> torch.Tensor:
                if config.method == "spa":
                    return (drawn.returns - sums_of(rewards, drawn.counts)).square().mean()
                return (drawn.returns / drawn.lengths - means_of(rewards, drawn.counts)).square().mean()

        return self.model.learn(self.shown(drawn), loss_of)

    def shown(self, drawn: Drawn) -> torch.Tensor:
        """The network's inputs, [B, D]."""
        return drawn.steps.obs[FACTORS] if self._factors is not None else self.inputs.of_steps(drawn.steps)

    def state_dict(self) -> State:
        return super().state_dict() | {"owed": self._owed}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._owed = state["owed"]

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
