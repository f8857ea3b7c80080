"""A network that learns to predict a fixed random one: how wrong it is says how new an observation is."""

from collections.abc import Iterator

import torch
from torch import nn

from rewardlab.errors import UserError
from rewardlab.maths import compiled
from rewardlab.maths.distinct import distinct_of, pick
from rewardlab.maths.intrinsic import prediction_error
from rewardlab.networks.adam import Adam
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.networks.fused import FusedMLP, can_fuse
from rewardlab.networks.init import RELU_GAIN
from rewardlab.networks.picture import BLOCK, flat_network, network_for, newest, newest_of, reads_as_picture
from rewardlab.parts.both_ends import at_successors, over_rows
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.parts.state import load_state, state_of
from rewardlab.types import BuildContext, Rollout, State, TensorObs

NETWORKS = ("auto", "published")
_CLIP = 5.0  # whitened observations stay within +- this
_SLOPE = 0.2  # of rectifiers below 0 in the published convolutions


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
        network: str = "auto",
        channels: int | None = None,
    ) -> None:
        """Args:
        extra_layers: of the predictor, beside those of the target's shape.
        error: kind of `prediction_error`, scored and learned alike.
        whiten: scale each number by its running moments, and clip it.
        network: `published`: of pictures, the target is one layer after the convolutions, whose rectifiers leak;
            `auto`: a layer of `hidden` comes before it, and they do not.
        channels: how many of a picture's channels are read, from the last on; None: all.

        Raises:
            UserError: no picture is shown, where one is needed.
        """
        self._context, self._error, self._whiten = context, error, whiten
        self._channels = channels
        self._obs = dict(context.spec.obs) if channels is None else newest(context.spec.obs, channels)
        self._slope = _SLOPE if network == "published" else 0.0
        image = self._obs.get("image")
        self._pictures = image is not None and reads_as_picture(image)
        if network == "published" and not (image and self._pictures and network_for(image.shape) == "cnn"):
            raise UserError("reward.network=published: reads pictures of 36 x 36 or more; use auto")
        size, shared = flat_size(self._obs), [] if network == "published" else [hidden]
        self.target = self._network(*shared, features).requires_grad_(False)
        self.predictor = self._network(*shared, *[hidden] * extra_layers, features)
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
        return over_rows(lambda some: self._errors(self._inputs(some)), obs)

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
        reached, count = distinct.there.flatten(), len(next(iter(distinct.rows.values())))
        targets = over_rows(lambda some: self._targets(self._inputs(some)), distinct.rows)
        # Pictures are whitened anew for each minibatch: as floats, those of a rollout would take gigabytes.
        inputs = None if self._pictures else self._inputs(distinct.rows)
        losses = []
        for rows, weights in self._minibatches(reached, count, epochs, batch_size, share, together):
            if inputs is None:
                chosen = self._inputs({name: entry.index_select(0, rows) for name, entry in distinct.rows.items()})
            else:
                chosen = inputs.index_select(0, rows)
            losses.append(self._descend(chosen, targets.index_select(0, rows), weights))
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
            size, loss, gradient = BLOCK if self._pictures else len(inputs), 0.0, None
            for some, aims, counts in zip(
                *(torch.split(entry, size) for entry in (inputs, targets, weights)), strict=True
            ):
                part = (prediction_error(self.predictor(some), aims, self._error) * counts).sum() / len(inputs)
                of_part = self.optimiser.gradient(part)
                gradient = of_part if gradient is None else gradient.add_(of_part)
                loss += float(part.detach())
            assert gradient is not None
            self.optimiser.step(gradient)
            return loss
        prediction = self._fused.forward(inputs)
        slope = torch.empty_like(prediction)
        kind = compiled.ERRORS.index(self._error)
        error = compiled.distance_loss(prediction.numpy(), targets.numpy(), weights.numpy(), kind, slope.numpy())
        self._fused.backward(slope)
        self.optimiser.step(self._gradient)
        return float(error)

    def _network(self, *widths: int) -> nn.Sequential:
        generator, device = self._context.generator, self._context.device
        return flat_network(self._obs, widths, generator, last_gain=RELU_GAIN, slope=self._slope).to(device)

    def _inputs(self, obs: TensorObs) -> torch.Tensor:
        flat = self._flat(obs)
        return self.observations.normalise(flat, _CLIP) if self._whiten else flat

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return encode_flat(obs if self._channels is None else newest_of(obs, self._channels), self._obs)

    def state_dict(self) -> State:
        return state_of(self._pieces())

    def load_state_dict(self, state: State) -> None:
        load_state(self._pieces(), state)

    def _pieces(self) -> dict[str, nn.Module | Adam | RunningMoments]:
        return {name: getattr(self, name) for name in ("target", "predictor", "optimiser", "observations")}
