"""A network that learns to predict a fixed random one: how wrong it is says how new an observation is."""

import torch
from torch import nn

from rewardlab.maths.intrinsic import prediction_error
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.networks.init import RELU_GAIN, mlp
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.running_moments import RunningMoments
from rewardlab.parts.state import load_state, state_of
from rewardlab.types import BuildContext, State, TensorObs

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
        self.target = self._network(size, hidden, features).requires_grad_(False)
        self.predictor = self._network(size, *[hidden] * (1 + extra_layers), features)
        self.optimiser = torch.optim.Adam(self.predictor.parameters(), lr=learning_rate, fused=True)
        self.observations = RunningMoments((size,), context.device)

    def take_in(self, obs: TensorObs) -> None:
        """Add observations [..., *shape] to the moments."""
        self.observations.add(self._flat(obs).flatten(0, -2))

    def score(self, obs: TensorObs) -> torch.Tensor:
        """The errors [...] on observations [..., *shape], whitened by the moments as they are."""
        inputs = self._inputs(obs)
        return prediction_error(self.predictor(inputs), self.target(inputs), self._error)

    def score_and_take_in(self, obs: TensorObs) -> torch.Tensor:
        """The errors by the moments from before; the very first observations are whitened by themselves."""
        if self._whiten and self.observations.count == 0:
            self.take_in(obs)
            return self.score(obs)
        scores = self.score(obs)
        if self._whiten:
            self.take_in(obs)
        return scores

    def learn(self, obs: TensorObs, *, epochs: int, batch_size: int, share: float = 1.0) -> float:
        """Train the predictor on observations [T, N, *shape]; the mean loss.

        Args:
            share: of each minibatch that is learned from, drawn anew each time.
        """
        inputs = self._inputs(obs).flatten(0, 1)
        with torch.no_grad():
            targets = self.target(inputs)
        losses = []
        for index in minibatches(len(inputs), batch_size, epochs, self._context.generator):
            loss = self._mean_of_share(
                prediction_error(self.predictor(inputs[index]), targets[index], self._error), share
            )
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    def _mean_of_share(self, error: torch.Tensor, share: float) -> torch.Tensor:
        """The mean over a random share of a minibatch [B]: with many environments the predictor learns too fast."""
        if share == 1:
            return error.mean()
        mask = (torch.rand(len(error), generator=self._context.generator) < share).to(error)
        return (mask * error).sum() / mask.sum().clamp(min=1)

    def _network(self, *sizes: int) -> nn.Sequential:
        return mlp(sizes, self._context.generator, last_gain=RELU_GAIN).to(self._context.device)

    def _inputs(self, obs: TensorObs) -> torch.Tensor:
        flat = self._flat(obs)
        return self.observations.normalise(flat, _CLIP) if self._whiten else flat

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return encode_flat(obs, self._context.spec.obs)

    def state_dict(self) -> State:
        return state_of(self._pieces())

    def load_state_dict(self, state: State) -> None:
        load_state(self._pieces(), state)

    def _pieces(self) -> dict[str, nn.Module | torch.optim.Adam | RunningMoments]:
        return {name: getattr(self, name) for name in ("target", "predictor", "optimiser", "observations")}
