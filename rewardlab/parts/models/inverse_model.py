"""Features of observations that are learned by telling which action led from one to the next."""

from collections.abc import Mapping

import torch
from torch import nn

from rewardlab.networks.flat import flat_size
from rewardlab.networks.glyphs import GlyphNetwork, number_rows
from rewardlab.networks.init import mlp
from rewardlab.networks.picture import flat_network, flat_rows
from rewardlab.types import ActionSpec, EnvSpec, ObsSpec, TensorObs


class ObservationEncoder(nn.Module):
    """From an observation to features, [..., *obs] -> [..., features]: fully connected, a picture by convolutions."""

    def __init__(self, obs_spec: Mapping[str, ObsSpec], hidden: int, features: int, generator: torch.Generator) -> None:
        super().__init__()
        self._obs_spec = obs_spec
        self.inputs = flat_size(obs_spec)
        self.layers = self._layers(hidden, features, generator)

    def _layers(self, hidden: int, features: int, generator: torch.Generator) -> nn.Sequential:
        return flat_network(self._obs_spec, (hidden, hidden, features), generator)

    def forward(self, obs: TensorObs) -> torch.Tensor:
        features: torch.Tensor = self.layers(self.flat(obs))
        return features

    def flat(self, obs: TensorObs) -> torch.Tensor:
        """The input of `layers`, [..., D]: made once where several passes follow."""
        return flat_rows(obs, self._obs_spec)


class GlyphEncoder(ObservationEncoder):
    """Of NetHack's screen [B, *obs], by the whole network of E3B's code; see `GlyphNetwork`.

    Raises:
        UserError: there are no glyphs.
    """

    def _layers(self, hidden: int, features: int, generator: torch.Generator) -> nn.Sequential:
        return nn.Sequential(GlyphNetwork(self._obs_spec, (hidden, features), generator))

    def flat(self, obs: TensorObs) -> torch.Tensor:
        return number_rows(obs, self._obs_spec)


class InverseModel(nn.Module):
    """Encoder, and a head that guesses the action between two observations (Pathak et al. 2017, eq. 2 and 3).

    What an agent can't influence does not help to guess its action, so the features need not hold it.
    """

    def __init__(
        self, spec: EnvSpec, hidden: int, features: int, generator: torch.Generator, glyphs: bool = False
    ) -> None:
        """Args:
        glyphs: whether the encoder is the one of E3B's code for NetHack's screen.
        """
        super().__init__()
        self.action = spec.action
        kind = GlyphEncoder if glyphs else ObservationEncoder
        self.encoder = kind(spec.obs, hidden, features, generator)
        self.head = mlp((2 * features, hidden, action_size(spec.action)), generator, last_gain=0.01)

    def loss(self, features: torch.Tensor, next_features: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of a discrete action [B], mean squared error of a continuous one [B, A]: a scalar."""
        guess = self.head(torch.cat([features, next_features], dim=-1))
        if self.action.discrete:
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


def distinct_actions(action: torch.Tensor, spec: ActionSpec) -> tuple[torch.Tensor, torch.Tensor]:
    """Encoded actions [R, A], and which of them each is, int64 [...], of actions [...] or [..., *shape].

    Discrete ones are few, continuous ones all differ.
    """
    if spec.n is not None:
        return torch.eye(spec.n, device=action.device), action
    shape = action.shape[: action.dim() - len(spec.shape)]
    rows = action.reshape(-1, action_size(spec)).float()
    return rows, torch.arange(len(rows), device=action.device).view(shape)
