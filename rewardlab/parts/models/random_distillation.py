"""A network that learns to predict a fixed random one: how wrong it is says how new an observation is."""

from collections.abc import Iterator

import torch
from torch import nn

from rewardlab.maths import compiled
from rewardlab.maths.distinct import distinct_of, pick
from rewardlab.maths.intrinsic import prediction_error
from rewardlab.networks.adam import Adam
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.networks.fused import FusedMLP, can_fuse
from rewardlab.networks.init import RELU_GAIN
from rewardlab.networks.picture import flat_network
from rewardlab.parts.both_ends import at_successors
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.parts.state import load_state, state_of
from rewardlab.types import BuildContext, Rollout, State, TensorObs

_CLIP = 5.0  # whitened observations stay within +- this


class RandomDistillation:
    """Target, predictor and its Adam; observations are whitened where that is asked for.

    Source: Burda et al. 2018, "Exploration by random network distillation", sections 2.2 and 2.4.
    """

    def __init__(
        self,
        context: BuildContext,
        *,
        hidden: int,
        features: int,
        learning_rate: float,
        error: str,
        extra_layers: int = 2,
        whiten: bool = False,
    ) -> None:
        """Args:
        extra_layers: of the predictor, beside those of the target's shape.
        error: kind of `prediction_error`, scored and learned alike.
        whiten: scale each number by its running moments, and clip it.
        """
        self._context, self._error, self._whiten = context, error, whiten
        size = flat_size(context.spec.obs)
        self.target = self._network(hidden, features).requires_grad_(False)
        self.predictor = self._network(*[hidden] * (1 + extra_layers), features)
        self.optimiser = Adam(self.predictor.parameters(), learning_rate)
        self.observations = RunningMoments((size,), context.device)
        self._fused: FusedMLP | None = None
        if can_fuse(self.target, self.predictor):
            self._gradient, places = self.optimiser.gradients()
            self._fused, self._fused_target = FusedMLP(self.predictor, places), FusedMLP(self.target)

    def take_in(self, rollout: Rollout) -> None:
        """Add what was reached, next_obs, to the moments."""
        self.observations.add_successors(rollout, self._flat)

    def score(self, obs: TensorObs) -> torch.Tensor:
        """The errors [...] on observations [..., *shape], whitened by the moments as they are."""
        return self._errors(self._inputs(obs))

    def score_and_take_in(self, rollout: Rollout) -> torch.Tensor:
        """The errors on next_obs, [T, N], by the moments from before; the very first are whitened by themselves."""
        if not self._whiten:
            return at_successors(self.score, rollout)
        unknown = self.observations.count == 0
        if unknown:
            self.take_in(rollout)
        scores = at_successors(self.score, rollout)
        if not unknown:
            self.take_in(rollout)
        return scores

    def _errors(self, inputs: torch.Tensor) -> torch.Tensor:
        prediction = self.predictor(inputs) if self._fused is None else self._fused.predict(inputs)
        return prediction_error(prediction, self._targets(inputs), self._error)

    def _targets(self, inputs: torch.Tensor) -> torch.Tensor:
        if self._fused is not None:
            return self._fused_target.predict(inputs)
        with torch.no_grad():
            targets: torch.Tensor = self.target(inputs)
        return targets

    def learn(
        self, rollout: Rollout, *, epochs: int, batch_size: int, share: float = 1.0, together: bool = False
    ) -> float:
        """Train the predictor on next_obs; the mean loss.

        Args:
            share: of each minibatch that is learned from: with many environments the predictor learns too fast.
            together: whether equal observations share a minibatch, where the one stands for all: a third of the work,
                for steps that agree less with one another.
        """
        distinct = distinct_of(rollout)
        inputs, reached = self._inputs(distinct.rows), distinct.there.flatten()
        targets, losses = self._targets(inputs), []
        for rows, weights in self._minibatches(reached, len(inputs), epochs, batch_size, share, together):
            losses.append(self._descend(inputs.index_select(0, rows), targets.index_select(0, rows), weights))
        return sum(losses) / len(losses)

    def _minibatches(
        self, reached: torch.Tensor, known: int, epochs: int, batch_size: int, share: float, together: bool
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The distinct observations of each minibatch, and how often each counts, in an average of one or nearly so."""
        met = pick(reached, known) if together else None
        count = len(reached) if met is None else len(met.rows)
        for index in minibatches(count, batch_size * count / len(reached), epochs, self._context.generator):
            index = index[: max(1, round(share * len(index)))].to(reached.device)
            if met is None:
                picked = pick(reached.index_select(0, index), known)
                yield picked.rows, picked.times * (len(picked.rows) / len(index))
            else:
                yield met.rows.index_select(0, index), met.times.index_select(0, index) * (count / len(reached))

    def _descend(self, inputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> float:
        """A gradient step on the mean of B errors, each times its weight; that mean."""
        if self._fused is None:
            loss = (prediction_error(self.predictor(inputs), targets, self._error) * weights).mean()
            self.optimiser.descend(loss)
            return float(loss.detach())
        prediction = self._fused.forward(inputs)
        slope = torch.empty_like(prediction)
        kind = compiled.ERRORS.index(self._error)
        error = compiled.distance_loss(prediction.numpy(), targets.numpy(), weights.numpy(), kind, slope.numpy())
        self._fused.backward(slope)
        self.optimiser.step(self._gradient)
        return float(error)

    def _network(self, *widths: int) -> nn.Sequential:
        context = self._context
        return flat_network(context.spec.obs, widths, context.generator, last_gain=RELU_GAIN).to(context.device)

    def _inputs(self, obs: TensorObs) -> torch.Tensor:
        flat = self._flat(obs)
        return self.observations.normalise(flat, _CLIP) if self._whiten else flat

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return encode_flat(obs, self._context.spec.obs)

    def state_dict(self) -> State:
        return state_of(self._pieces())

    def load_state_dict(self, state: State) -> None:
        load_state(self._pieces(), state)

    def _pieces(self) -> dict[str, nn.Module | Adam | RunningMoments]:
        return {name: getattr(self, name) for name in ("target", "predictor", "optimiser", "observations")}
