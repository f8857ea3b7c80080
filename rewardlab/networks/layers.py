"""An encoder and ReLU layers over it, and the passes through them without autograd where that is quicker."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from rewardlab.networks.adam import Adam
from rewardlab.networks.encoder import Encoder
from rewardlab.networks.fused import FusedMLP, can_fuse
from rewardlab.networks.fused_encoder import FusedEncoder
from rewardlab.networks.init import mlp
from rewardlab.networks.reader import Reader
from rewardlab.networks.standardised import Standardised
from rewardlab.types import State, TensorObs

Inputs = torch.Tensor | TensorObs  # of `Passes`


class Layers(Reader):
    """encoder, and what is given beside it -> ReLU layers -> outputs [B, O].

    Args:
        beside: how many numbers join the features, such as an action's.
        standardised: the scale of what is observed, which networks may share; None: it stays as it is.
        normed: whether what each layer between gives is brought to mean 0 and std 1 before its ReLU (Ba et al. 2016,
            Layer normalization, arXiv:1607.06450).
    """

    def __init__(
        self,
        encoder: Encoder,
        outputs: int,
        generator: torch.Generator,
        hidden: Sequence[int],
        *,
        beside: int = 0,
        standardised: Standardised | None = None,
        last_gain: float = 1.0,
        normed: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.standardised, self.normed = encoder, standardised, normed
        self.layers = mlp((encoder.size + beside, *hidden, outputs), generator, last_gain=last_gain)
        if normed:
            before = {2 * layer: nn.LayerNorm(width) for layer, width in enumerate(hidden)}
            self.layers = nn.Sequential(
                *(part for place, layer in enumerate(self.layers) for part in (layer, before.get(place)) if part)
            )

    def forward(self, prepared: TensorObs, beside: torch.Tensor | None = None) -> torch.Tensor:
        features = self.encoder(prepared)
        found: torch.Tensor = self.layers(features if beside is None else torch.cat([features, beside], dim=-1))
        return found


class Passes:
    """Passes forwards and backwards through `Layers`. Losses are told by their gradients at the outputs.

    Args:
        gradients: where its gradients go, `Adam.gradients`; None: of a network that does not learn.
    """

    def __init__(self, network: Layers, gradients: dict[torch.Tensor, torch.Tensor] | None = None) -> None:
        self.network, self._gradients = network, gradients
        plain = len(network.layers) > 0 and not network.normed
        self.fused = plain and FusedEncoder.fits(network.encoder) and can_fuse(network)
        self._outputs, self._beside = torch.empty(0), torch.empty(0)
        if self.fused:
            self._encoder = FusedEncoder(network.encoder, gradients)
            self._layers = FusedMLP(network.layers, gradients)

    def inputs(self, obs: TensorObs) -> Inputs:
        """What passes take, of observations [B, *shape]: the same for all networks that read alike."""
        scaled = obs if self.network.standardised is None else self.network.standardised(obs)
        return self._encoder.inputs(scaled) if self.fused else self.network.encoder.prepare(scaled)

    @torch.no_grad()
    def predict(self, inputs: Inputs, beside: torch.Tensor | None = None) -> torch.Tensor:
        """[B, O], of which no gradient is asked. Not between `forward` and `backward`."""
        if not self.fused:
            assert isinstance(inputs, dict)
            found: torch.Tensor = self.network(inputs, beside)
            return found
        assert isinstance(inputs, torch.Tensor)
        return self._layers.predict(_joined(self._encoder.predict(inputs), beside))

    def forward(self, inputs: Inputs, beside: torch.Tensor | None = None) -> torch.Tensor:
        """[B, O], remembered for `backward`: a buffer that the next pass writes to."""
        if not self.fused:
            assert isinstance(inputs, dict)
            self._beside = torch.empty(0) if beside is None else beside.detach().requires_grad_(True)
            with torch.enable_grad():  # whoever learns by slopes needs no graph but this one
                self._outputs = self.network(inputs, None if beside is None else self._beside)
            return self._outputs.detach()
        assert isinstance(inputs, torch.Tensor)
        return self._layers.forward(_joined(self._encoder.forward(inputs), beside))

    def backward(self, gradient: torch.Tensor, *, of_beside: bool = False) -> torch.Tensor | None:
        """Fill the gradients of the weights from those of the outputs of the latest `forward`, [B, O].

        Args:
            gradient: overwritten.
            of_beside: whether the gradient of what was given beside is asked for, [B, .]; what is left in the places of
                the weights' is of no use then.
        """
        if not self.fused:
            return self._backward(gradient, of_beside)
        goes_on = of_beside or self.network.encoder.learns
        below = self._layers.backward(gradient, of_inputs=goes_on)
        if below is None:
            return None
        size = self.network.encoder.size
        if self.network.encoder.learns and not of_beside:
            self._encoder.backward(below[:, :size].contiguous())
        return below[:, size:] if of_beside else None

    def _backward(self, gradient: torch.Tensor, of_beside: bool) -> torch.Tensor | None:
        if of_beside:
            return torch.autograd.grad(self._outputs, self._beside, gradient)[0]
        assert self._gradients is not None
        learned = [*self.network.encoder.parameters(), *self.network.layers.parameters()]
        for parameter, part in zip(learned, torch.autograd.grad(self._outputs, learned, gradient), strict=True):
            self._gradients[parameter].copy_(part)
        return None


class Learned:
    """Networks that learn by one optimiser, and their passes."""

    def __init__(self, networks: Sequence[nn.Module], rate: float) -> None:
        self.optimiser = Adam([p for network in networks for p in network.parameters()], rate)
        self.gradient, self._places = self.optimiser.gradients()

    def passes(self, network: Layers) -> Passes:
        return Passes(network, self._places)

    def place(self, parameter: nn.Parameter) -> torch.Tensor:
        """Where the gradient of a parameter goes."""
        return self._places[parameter]

    def step(self) -> None:
        """Against the gradients that passes have filled in."""
        self.optimiser.step(self.gradient)

    def state_dict(self) -> State:
        """The optimiser's."""
        return self.optimiser.state_dict()

    def load_state_dict(self, state: State) -> None:
        self.optimiser.load_state_dict(state)


def _joined(features: torch.Tensor, beside: torch.Tensor | None) -> torch.Tensor:
    return features if beside is None else torch.cat([features, beside], dim=-1)
