"""Fully connected networks forwards and backwards without autograd: a pass through all layers is one compiled call.

On small networks most of autograd's time goes into its many small calls; this takes a third of it. The weights are
those of ordinary modules, whose initialisation, optimiser and saved state stay what they are. CPU and float32 only.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from rewardlab.maths.compiled import compiles
from rewardlab.networks import fused_kernels
from rewardlab.networks.actor_critic import ActorCritic
from rewardlab.networks.adam import Adam
from rewardlab.networks.fused_encoder import FusedEncoder
from rewardlab.networks.fused_kernels import ELU, LINEAR, RELU, TANH
from rewardlab.networks.tanh import Tanh
from rewardlab.types import Array, TensorObs

_BLOCK = 512  # rows that `predict` takes at once: what lies between the layers stays in the cache
_MOST_SHAPES = 1024  # numbers of rows that views of the buffers are kept for
_KINDS: dict[type[nn.Module], int] = {Tanh: TANH, nn.ReLU: RELU, nn.ELU: ELU}


def kinds_of(modules: Iterable[nn.Module]) -> list[int]:
    """The activations of layers one after the other, as the compiled loops call them."""
    kinds: list[int] = []
    for module in modules:
        if isinstance(module, nn.Linear):
            kinds.append(LINEAR)
        else:
            kinds[-1] = _KINDS[type(module)]
    return kinds


def can_fuse(*modules: nn.Module) -> bool:
    """Whether there are no convolutions, and all weights are where the compiled loops can work on them."""
    if any(isinstance(part, nn.Conv2d) for module in modules for part in module.modules()):
        return False
    return compiles(*(parameter for module in modules for parameter in module.parameters()))


class FusedMLP:
    """The function of an `mlp` and its gradient; an empty one is the identity. Autograd takes no notice of it.

    Args:
        network: made by `mlp`; its weights stay where they are (make an optimiser of them first).
        gradients: from a parameter to where its gradient goes (`Adam.gradients`); None where nothing is to be learned.
    """

    def __init__(self, network: nn.Sequential, gradients: dict[torch.Tensor, torch.Tensor] | None = None) -> None:
        layers = [module for module in network if isinstance(module, nn.Linear)]
        self._depth = len(layers)
        self._weights = tuple(layer.weight.detach().numpy() for layer in layers)
        self._biases = tuple(layer.bias.detach().numpy() for layer in layers)
        self._kinds = np.array(kinds_of(network), dtype=np.int64)
        if gradients is not None:
            self._weight_gradients = tuple(gradients[layer.weight].numpy() for layer in layers)
            self._bias_gradients = tuple(gradients[layer.bias].numpy() for layer in layers)
        self._rows = 0  # for so many there is memory
        self._buffers: dict[int, _Buffers] = {}
        self._inputs: Array = np.empty(0, np.float32)

    def predict(self, inputs: torch.Tensor) -> torch.Tensor:
        """[..., D] -> [..., O], in memory of its own."""
        if self._depth == 0:
            return inputs
        rows = np.ascontiguousarray(inputs.reshape(-1, inputs.shape[-1]).numpy())
        found = np.empty((len(rows), len(self._biases[-1])), np.float32)
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            outputs = (*self._of(len(block)).outputs[:-1], found[start : start + _BLOCK])
            fused_kernels.forward(block, self._weights, self._biases, self._kinds, outputs)
        return torch.from_numpy(found).view(*inputs.shape[:-1], found.shape[1])

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[B, D] -> [B, O]: a buffer that the next pass writes to."""
        if self._depth == 0:
            return inputs
        buffers = self._of(inputs.shape[0])
        self._inputs = np.ascontiguousarray(inputs.numpy())
        fused_kernels.forward(self._inputs, self._weights, self._biases, self._kinds, buffers.outputs)
        return buffers.result

    def backward(self, gradient: torch.Tensor, *, of_inputs: bool = False) -> torch.Tensor | None:
        """The gradients of the weights, from that of the outputs of the latest `forward`.

        Args:
            gradient: [B, O]; overwritten.
            of_inputs: whether the gradient of the inputs, [B, D], is asked for too: a buffer.
        """
        if self._depth == 0:
            return gradient if of_inputs else None
        buffers = self._of(gradient.shape[0])
        fused_kernels.backward(
            gradient.numpy(),
            self._inputs,
            self._weights,
            self._kinds,
            buffers.outputs,
            self._weight_gradients,
            self._bias_gradients,
            buffers.gradients,
            of_inputs,
        )
        return buffers.to_inputs if of_inputs else None

    def _of(self, rows: int) -> _Buffers:
        if rows not in self._buffers:
            if rows > self._rows or len(self._buffers) == _MOST_SHAPES:
                self._rows = max(rows, self._rows)
                self._buffers = {self._rows: self._allocate(self._rows)}
            self._buffers[rows] = self._buffers[self._rows].first(rows)
        return self._buffers[rows]

    def _allocate(self, rows: int) -> _Buffers:
        outputs = tuple(np.empty((rows, weight.shape[0]), np.float32) for weight in self._weights)
        gradients = tuple(np.empty((rows, weight.shape[1]), np.float32) for weight in self._weights)
        return _Buffers(outputs, gradients)


class _Buffers:
    """For B rows, by layer: outputs [B, O] and the gradients of inputs [B, D]; what passes give, as tensors."""

    def __init__(self, outputs: tuple[Array, ...], gradients: tuple[Array, ...]) -> None:
        self.outputs, self.gradients = outputs, gradients
        self.result, self.to_inputs = (torch.from_numpy(ends) for ends in (outputs[-1], gradients[0]))

    def first(self, rows: int) -> _Buffers:
        """Those for fewer rows, in the same memory."""
        return _Buffers(*(tuple(array[:rows] for array in kept) for kept in (self.outputs, self.gradients)))


class FusedActorCritic:
    """An `ActorCritic` of discrete actions, of nothing but fully connected layers and tables: see `fits`.

    Inputs are rows of floats, [..., P], as `FusedEncoder` makes them of observations.
    """

    def __init__(self, network: ActorCritic, optimiser: Adam) -> None:
        self.gradient, places = optimiser.gradients()
        self._encoder = FusedEncoder(network.encoder, places)
        self.inputs = self._encoder.inputs
        self._shared = FusedMLP(network.shared, places)
        self._policy, self._critic = FusedMLP(network.policy, places), FusedMLP(network.critic, places)
        self._goes_on = len(network.shared) > 0 or self._encoder.learns
        self._ends: tuple[torch.Tensor, ...] = ()
        self._places = [optimiser.places(head.parameters()) for head in (network.policy, network.critic)]

    @staticmethod
    def fits(network: ActorCritic) -> bool:
        plain = network.plain and all(part is None for part in (network.memory, network.box, network.standardised))
        return plain and FusedEncoder.fits(network.encoder) and can_fuse(network)

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """The policy's, [B, P] -> [B, A], in a buffer that the next pass writes to."""
        return self._policy.forward(self._shared.forward(self._encoder.predict(inputs)))

    def values(self, inputs: torch.Tensor) -> torch.Tensor:
        """The critic's, [..., P] -> [..., S]."""
        return self._critic.predict(self._shared.predict(self._encoder.predict(inputs)))

    def policy(self, inputs: torch.Tensor) -> torch.Tensor:
        """`logits` of any number of rows, [..., P] -> [..., A], in memory of their own."""
        return self._policy.predict(self._shared.predict(self._encoder.predict(inputs)))

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and values of a minibatch [B, P], in buffers that the next pass writes to."""
        features = self._shared.forward(self._encoder.forward(inputs))
        return self._policy.forward(features), self._critic.forward(features)

    def backward(self, of_logits: torch.Tensor | None, of_values: torch.Tensor | None) -> torch.Tensor:
        """All weights' gradient in one vector, from those of what the latest `forward` gave; both are overwritten.

        Where one is None, the gradient of that head's weights stays what it was.
        """
        below: torch.Tensor | None = None
        for head, of_head in ((self._policy, of_logits), (self._critic, of_values)):
            if of_head is not None:
                found = head.backward(of_head, of_inputs=self._goes_on)
                below = found if below is None or found is None else below.add_(found)
        if below is not None:
            below = self._shared.backward(below, of_inputs=self._encoder.learns)
        if below is not None:
            self._encoder.backward(below)
        return self.gradient

    def followed(self, obs: TensorObs) -> tuple[TensorObs, torch.Tensor]:
        """Distribution and values of observations [B, *shape], of which `gradient_and_unread` takes a loss."""
        logits, values = self._ends = tuple(each.clone().requires_grad_() for each in self.forward(self.inputs(obs)))
        return {"logits": logits}, values

    def gradient_and_unread(self, loss: torch.Tensor) -> tuple[torch.Tensor, list[slice]]:
        """What `Adam.gradient_and_unread` says of a loss on what the latest `followed` gave."""
        found = torch.autograd.grad(loss, self._ends, allow_unused=True)
        unread = [place for part, places in zip(found, self._places, strict=True) if part is None for place in places]
        for place in unread:
            self.gradient[place] = 0.0
        of_logits, of_values = (None if part is None else part.contiguous() for part in found)
        return self.backward(of_logits, of_values), unread
