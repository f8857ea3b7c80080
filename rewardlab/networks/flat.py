"""An observation as one flat vector of floats: the input of every fully connected network."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from rewardlab.maths.glyph_codes import CELL_CODE, MESSAGE_CODE, cell_codes, message_codes
from rewardlab.types import MASK, ObsSpec, TensorObs

UNREAD = ("achieved", MASK)  # entries that are for hindsight alone, or say what is allowed
CELLS = ("glyphs", "crop")  # entries whose numbers are glyphs of NetHack
ONEHOT_LIMIT = 64  # largest `high` of an integer entry whose values are told apart one by one


def encode_flat(obs: TensorObs, obs_spec: Mapping[str, ObsSpec], *, onehot: bool = False) -> torch.Tensor:
    """Every entry of an observation flattened and concatenated: float32 [..., D], D = `flat_size`.

    ``image`` is divided by its `high`, or one-hot per number (`onehot=True`: [..., H * W * C * (high + 1)]);
    ``mission`` is one-hot per position, [..., L * (high + 1)], because tokens have no order, and so is ``cell``;
    ``vector`` is as is; ``achieved`` and ``mask`` are left out. ``glyphs``, ``crop`` and ``message`` become fixed
    random codes (`maths.glyph_codes`): [..., H * W * 8] and [..., 64].

    Args:
        obs: each entry [..., *shape]; entries that `obs_spec` does not name are left out.
        obs_spec: as in `EnvSpec.obs`; its order is the order of the parts.
    """
    parts = []
    for name, spec in _read(obs_spec).items():
        entry = obs[name].flatten(obs[name].dim() - len(spec.shape)) if spec.shape else obs[name].unsqueeze(-1)
        if name in CELLS:
            parts.append(cell_codes(entry).flatten(-2))
        elif name == "message":
            parts.append(message_codes(entry))
        elif _is_onehot(name, spec, onehot):
            parts.append(_onehot(entry, spec.high + 1))
        else:
            parts.append(entry / float(spec.high) if spec.high > 0 else entry.float())  # integers become float32
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


def flat_size(obs_spec: Mapping[str, ObsSpec], *, onehot: bool = False) -> int:
    """The length D of what `encode_flat` returns."""
    return sum(_width(name, spec, onehot) for name, spec in _read(obs_spec).items())


def can_onehot(obs_spec: Mapping[str, ObsSpec]) -> bool:
    """Whether the image, if there is one, has few enough values to tell them apart (pixels have not)."""
    return "image" not in obs_spec or 0 < obs_spec["image"].high <= ONEHOT_LIMIT


def _read(obs_spec: Mapping[str, ObsSpec]) -> dict[str, ObsSpec]:
    return {name: spec for name, spec in obs_spec.items() if name not in UNREAD}


def _width(name: str, spec: ObsSpec, onehot: bool) -> int:
    if name == "message":
        return MESSAGE_CODE
    each = CELL_CODE if name in CELLS else spec.high + 1 if _is_onehot(name, spec, onehot) else 1
    return math.prod(spec.shape) * each


def _is_onehot(name: str, spec: ObsSpec, onehot: bool) -> bool:
    return name in ("mission", "cell") or (onehot and name == "image" and spec.high > 0)


def _onehot(entry: torch.Tensor, values: int) -> torch.Tensor:
    """[..., K] integers -> [..., K * values]."""
    zeros = torch.zeros(*entry.shape, values, dtype=torch.float32, device=entry.device)
    return zeros.scatter_(-1, entry.long().unsqueeze(-1), 1.0).flatten(-2)
