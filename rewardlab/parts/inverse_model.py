"""Features of observations that are learned by telling which action led from one to the next."""

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from rewardlab.maths.intrinsic import prediction_error
from rewardlab.networks.adam import Adam
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.networks.init import mlp
from rewardlab.types import ActionSpec, EnvSpec, ObsSpec, Rollout, TensorObs


class ObservationEncoder(nn.Module):
    """A fully connected network from an observation to features, [..., *obs] -> [..., features]."""

    def __init__(self, obs_spec: Mapping[str, ObsSpec], hidden: int, features: int, generator: torch.Generator) -> None:
        super().__init__()
        self._obs_spec = obs_spec
        self.inputs = flat_size(obs_spec)
        self.layers = mlp((self.inputs, hidden, hidden, features), generator)

    def forward(self, obs: TensorObs) -> torch.Tensor:
        features: torch.Tensor = self.layers(self.flat(obs))
        return features

    def flat(self, obs: TensorObs) -> torch.Tensor:
        """The input of `layers`, [..., D]: made once where several passes follow."""
        return encode_flat(obs, self._obs_spec)


class InverseModel(nn.Module):
    """Encoder, and a head that guesses the action between two observations (Pathak et al. 2017, eq. 2 and 3).

    What an agent can't influence does not help to guess its action, so the features need not hold it.
    """

    def __init__(self, spec: EnvSpec, hidden: int, features: int, generator: torch.Generator) -> None:
        super().__init__()
        self._action = spec.action
        self.encoder = ObservationEncoder(spec.obs, hidden, features, generator)
        self.head = mlp((2 * features, hidden, action_size(spec.action)), generator, last_gain=0.01)

    def loss(self, features: torch.Tensor, next_features: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of a discrete action [B], mean squared error of a continuous one [B, A]: a scalar."""
        guess = self.head(torch.cat([features, next_features], dim=-1))
        if self._action.discrete:
            return nn.functional.cross_entropy(guess, action)
        return nn.functional.mse_loss(guess, action)


class ForwardModel(nn.Module):
    """Predicts the next features from the features and the action (Pathak et al. 2017, eq. 4)."""

    def __init__(self, action: ActionSpec, features: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self._action = action
        self.layers = mlp((features + action_size(action), hidden, features), generator)

    def forward(self, features: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Features [..., D] and actions [...] or [..., A] -> [..., D]."""
        prediction: torch.Tensor = self.layers(torch.cat([features, encode_action(action, self._action)], dim=-1))
        return prediction


def learn_dynamics(
    inverse: InverseModel,
    forward: ForwardModel,
    optimiser: Adam,
    rollout: Rollout,
    parts: Iterable[torch.Tensor],
    *,
    inverse_coef: float,
    forward_coef: float,
    error: str,
) -> tuple[float, float]:
    """Train both models, and the encoder through both, on a rollout; the mean inverse and forward losses.

    Args:
        optimiser: of the parameters of both.
        parts: indices [B] of minibatches among the T * N steps.
        error: kind of `prediction_error` that the forward loss is the mean of.
    """
    encoder = inverse.encoder
    obs, next_obs = encoder.flat(rollout.obs).flatten(0, 1), encoder.flat(rollout.next_obs).flatten(0, 1)
    action, losses = rollout.action.flatten(0, 1), []
    for index in parts:
        features, next_features = encoder.layers(torch.stack([obs[index], next_obs[index]]))
        inverse_loss = inverse.loss(features, next_features, action[index])
        forward_loss = prediction_error(forward(features, action[index]), next_features, error).mean()
        optimiser.descend(inverse_coef * inverse_loss + forward_coef * forward_loss)
        losses.append(torch.stack([inverse_loss.detach(), forward_loss.detach()]))
    inverse_mean, forward_mean = torch.stack(losses).mean(dim=0).tolist()
    return inverse_mean, forward_mean


def action_size(spec: ActionSpec) -> int:
    """The length of what `encode_action` returns."""
    size = 1
    for length in spec.shape:
        size *= length
    return spec.n if spec.n is not None else size


def encode_action(action: torch.Tensor, spec: ActionSpec) -> torch.Tensor:
    """A discrete action one-hot, [...] -> float32 [..., n]; a continuous one as it is, [..., A]."""
    if spec.n is None:
        return action.float()
    zeros = torch.zeros(*action.shape, spec.n, device=action.device)
    return zeros.scatter_(-1, action.unsqueeze(-1), 1.0)
