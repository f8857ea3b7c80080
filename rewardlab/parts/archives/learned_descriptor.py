"""Lives told apart by codes that are learned of pictures of the world.

Source: Paolo et al. 2020, Unsupervised learning and exploration of reachable outcome space (TAXONS; arXiv:1909.05508);
the rule of training is that of the STAX repository.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.facts import GRID, SIGHT
from rewardlab.parts.archives.descriptors import Descriptor, moments_of
from rewardlab.parts.models.autoencoder import Autoencoder
from rewardlab.types import Array, BuildContext, Lives, Metrics, Obs, State

_BATCH, _HELD_OUT = 128, 0.2
_AT_ONCE = 1024  # pictures that are described at once
_GRID_VALUES = (11, 6, 4)  # objects, colours, states of a cell
_SIGHT_SHAPE = (32, 32, 3)


class Codes(Descriptor):
    """The codes of an `Autoencoder`, and how badly it knows what it sees, both kept beside the pictures.

    It reads a small picture of the world, or the grid with each number told apart. It is made with the first picture:
    only then it is known how large a grid is.

    Args:
        options: `DescriptorOptions`.

    Raises:
        UserError: the environment gives neither a picture nor a grid.
    """

    learns = True

    def __init__(self, options: Any, context: BuildContext) -> None:
        spec = context.spec
        self.watched = next((name for name in (SIGHT, GRID) if name in spec.privileged), "")
        if not self.watched:
            raise UserError(
                f"agent={options.name}: descriptor=autoencoder reads small pictures or a grid, and {spec.id} gives"
                " neither"
            )
        self._options, self._generator, self._device = options, context.generator, context.device
        self.sight_shape = _SIGHT_SHAPE if self.watched == SIGHT else ()
        self.assumes = frozenset({"privileged"})
        self.moments = moments_of(options.samples, spec.max_steps)
        self.size = min(len(self.moments), options.samples) * options.code
        self._model: Autoencoder | None = None

    def kept(self, lives: Lives) -> Obs:
        return self.renewed({"sights": lives.outcome["sights"][:, :, : self._options.samples]})

    def renewed(self, outcome: Obs) -> Obs:
        """The same lives as the codes of now tell them apart; other entries stay."""
        sights = outcome["sights"]
        many = sights.shape[:3]  # individuals, levels, moments
        codes, errors = self._coded(sights.reshape(-1, *sights.shape[3:]))
        return {**outcome, "codes": codes.reshape(*many, self._options.code), "errors": errors.reshape(many)}

    def describe(self, outcome: Obs) -> Array:
        codes: Array = outcome["codes"].reshape(len(outcome["codes"]), -1).astype(np.float64)
        return codes

    def surprise(self, outcome: Obs) -> Array:
        """The sum of the errors of a life's pictures, float64 [P]."""
        errors: Array = outcome["errors"].sum(axis=(1, 2), dtype=np.float64)
        return errors

    def fit(self, outcomes: Obs, rng: np.random.Generator) -> Metrics:
        """A lesson on lives that were kept. The last weights stay, not the best ones, as in the authors' code."""
        options, sights = self._options, outcomes["sights"]
        flat = sights.reshape(-1, *sights.shape[3:])
        model = self._made(flat)
        order = rng.permutation(len(flat))
        held = order[: int(len(order) * _HELD_OUT)] if options.patience else order[:0]
        train, least, worse, error = order[len(held) :], np.inf, 0, np.nan
        for epoch in range(options.epochs):
            shuffled = rng.permutation(train)
            for at in range(0, len(shuffled), _BATCH):
                model.learn(self._pictures(flat[shuffled[at : at + _BATCH]]))
            if epoch == 0 or not len(held):
                continue
            error = float(self._coded(flat[held])[1].mean())
            worse = worse + 1 if error > least else 0
            least = min(least, error)
            if worse == options.patience:
                break
        return {"loss/encoder": float(self._coded(flat)[1].mean()) if np.isnan(error) else error}

    def state_dict(self) -> State:
        return {} if self._model is None else {"inputs": self._inputs, "model": self._model.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self._model = None
        if state:
            before = self._generator.get_state()
            self._make(state["inputs"]).load_state_dict(state["model"])
            self._generator.set_state(before)

    @torch.no_grad()
    def _coded(self, sights: Array) -> tuple[Array, Array]:
        """Codes float32 [B, code] and errors float32 [B] of sights [B, ...]."""
        model = self._made(sights)
        parts = [model(self._pictures(sights[at : at + _AT_ONCE])) for at in range(0, max(len(sights), 1), _AT_ONCE)]
        codes, errors = (torch.cat(each).cpu().numpy() for each in zip(*parts, strict=True))
        return codes, errors

    def _pictures(self, sights: Array) -> torch.Tensor:
        """float32 [B, D], within [0, 1]."""
        if self.watched == SIGHT:
            return torch.from_numpy(sights).to(self._device).flatten(1) / 255.0
        told = [sights[..., i, None] == np.arange(count) for i, count in enumerate(_GRID_VALUES)]
        return torch.from_numpy(np.concatenate(told, axis=-1)).to(self._device).flatten(1).float()

    def _made(self, sights: Array) -> Autoencoder:
        return self._model if self._model is not None else self._make(self._pictures(sights[:1]).shape[1])

    def _make(self, inputs: int) -> Autoencoder:
        options = self._options
        self._inputs = inputs
        self._model = Autoencoder(inputs, options.code, options.units, self._generator, self._device)
        return self._model
