"""Perceptual steps: pays for looking like a late step of demonstrations, which are cut into steps without labels.

Paper: Sermanet et al. 2017, Unsupervised perceptual rewards for imitation learning
Assumes: demos

Each demonstration is cut into `steps` pieces, so that features vary little within a piece. Piece i of all of them is
step i. For each step from the second on the features that show it best are kept, and p_i(s) is how likely a state is in
it. A step that leads to s' is paid the sum of 2^(i - 1) p_i(s'), and `offset`.

Features are those of a fixed random network, of a network that was trained on pictures there, and to scale. Of all ways
to cut a demonstration the best is taken, there one cut after another. p_i is naive Bayes' against all other steps, and
so within 0 and 1. Nothing is learned here. The offset is ours: the sum is at most 2^steps - 2, and twice that is taken
off by default. So even a view that looks like all steps at once costs something, and success, which ends an episode, is
worth more than to wait there. offset=0 is the paper's, whose tasks go on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rewardlab.datasets.options import DemosOptions
from rewardlab.errors import UserError
from rewardlab.maths.distinct import distinct_of, spread
from rewardlab.maths.perceptual_steps import StepModel, in_step, partition, step_model, step_reward
from rewardlab.networks.flat import can_onehot, encode_flat
from rewardlab.networks.picture import flat_network
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout, State, TensorObs, Transitions

VERSION = 2


@dataclass
class Config(DemosOptions, BonusConfig):
    coef: float = option(0.01, "weight of what is paid: every step is, so that returns are large", minimum=0)
    steps: int = option(3, "steps that demonstrations are cut into", minimum=2, maximum=20)
    chosen: int = option(32, "features that tell a step", above=0)
    offset: float | None = option(None, "added to what every step is paid; null: twice the most, taken off")
    hidden: int = option(128, "width of the random network's layer", above=0)
    features: int = option(128, "features that it has", above=0)


@dataclass(frozen=True)
class _Steps:
    """What was found in demonstrations: the scale of features, [D] each, and the steps from the second on."""

    mean: torch.Tensor
    std: torch.Tensor
    models: list[StepModel]


class Scheme(BonusScheme):
    """Fits everything to the demonstrations when it pays first."""

    metrics = ("explore/perceptual_last_step",)
    models_task = True
    pays_anew = True
    stateful = ("encoder",)

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: no demonstrations, or some that do not fit the environment.
        """
        super().__init__(config, context)
        if config.demos is None:
            raise UserError(
                "reward=perceptual_steps: needs demonstrations, such as rewardlab demos records: reward.demos=DIR"
            )
        self.config, self.assumes = config, self.assumes | {"demos"}
        self._file = config.demonstrations("reward", context.spec)
        self._onehot = can_onehot(context.spec.obs)
        sizes = (config.hidden, config.features)
        encoder = flat_network(context.spec.obs, sizes, context.generator, onehot=self._onehot)
        self.encoder = encoder.to(context.device).requires_grad_(False)
        self._offset = 2.0 * (2.0 - 2.0**config.steps) if config.offset is None else config.offset
        self._found: _Steps | None = None
        self._last = 0.0

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        distinct = distinct_of(rollout)
        likely = self._likely(distinct.rows)
        self._last = float(spread(likely[-1], distinct.there).mean())
        return spread(step_reward(likely), distinct.there) + self._offset

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        return {"intrinsic": step_reward(self._likely(steps.next_obs)) + self._offset}

    def update(self, rollout: Rollout) -> Metrics:
        return {"explore/perceptual_last_step": self._last}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._found = None  # it is of the network as it was

    def _likely(self, obs: TensorObs) -> list[torch.Tensor]:
        """How likely states [B] are in each step from the second on, [B] each."""
        if self._found is None:
            self._found = self._fitted()
        found = self._found
        scaled = (self._encoded(obs) - found.mean) / found.std
        return [in_step(scaled, model) for model in found.models]

    def _encoded(self, obs: TensorObs) -> torch.Tensor:
        encoded: torch.Tensor = self.encoder(encode_flat(obs, self.context.spec.obs, onehot=self._onehot))
        return encoded

    def _fitted(self) -> _Steps:
        """Raises:
        UserError: a demonstration has fewer steps than it is to be cut into.
        """
        config, device = self.config, self.context.device
        shown = [{name: entry.to(device) for name, entry in obs.items()} for obs in self._file.read().shown]
        encoded = [self._encoded({name: entry[1:] for name, entry in obs.items()}) for obs in shown]
        together = torch.cat(encoded)
        mean, std = together.mean(dim=0), together.std(dim=0, correction=0).clamp(min=1e-6)
        belongs = []
        for features in encoded:
            if len(features) < config.steps:
                raise UserError(
                    f"reward.steps={config.steps}: a demonstration of {self.config.demos} has {len(features)} steps"
                )
            bounds = partition(((features - mean) / std).cpu().numpy(), config.steps)
            lengths = torch.tensor(bounds[1:]) - torch.tensor(bounds[:-1])
            belongs.append(torch.arange(config.steps).repeat_interleave(lengths))
        step, scaled = torch.cat(belongs).to(device), (together - mean) / std
        models = [step_model(scaled[step == i], scaled[step != i], config.chosen) for i in range(1, config.steps)]
        return _Steps(mean, std, models)
