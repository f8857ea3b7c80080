"""What a reward model sees of a step: the observation, the action and what it led to, or named numbers of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import nn

from rewardlab.errors import UserError
from rewardlab.maths.boxes import executed, units
from rewardlab.maths.distinct import tell_apart
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.networks.picture import reads_as_picture
from rewardlab.networks.standardised import Standardised
from rewardlab.parts.models.inverse_model import action_size, encode_action
from rewardlab.types import EnvSpec, ObsSpec, TensorObs

FEATURES = ("observation", "terms", "both")
TERMS = "terms"
_OBS, _NEXT = "obs.", "next_obs."
_BOX = ("_low", "_high", "_middle", "_reach")


class StandardisedInputs(nn.Module):
    """Columns of steps -> inputs [..., size].

    Floats are standardised by what the model was last told of them (`settle`), so that a step's reward changes when
    the model learns and at no other time. An action is the one that was executed, in units of its box.

    Args:
        features: one of `FEATURES`.
        terms: how many numbers `terms` holds for a step.

    Raises:
        UserError: the world shows pictures of pixels, which are more than such a model can read.
    """

    def __init__(self, name: str, spec: EnvSpec, features: str, terms: int) -> None:
        super().__init__()
        self.spec, self._sees_obs, self._terms = spec, features != "terms", terms if features != "observation" else 0
        if self._sees_obs and any(reads_as_picture(entry) for entry in spec.obs.values()):
            raise UserError(
                f"reward={name}: its model reads numbers, and {spec.id} shows pictures; use reward.features=terms"
            )
        if features != "observation" and not terms:
            raise UserError(f"reward={name} reward.features={features}: needs reward.terms, as in ['vector[0]']")
        shown: Mapping[str, ObsSpec] = spec.obs if self._sees_obs else {}
        numbers = {TERMS: ObsSpec((self._terms,), "float32")} if self._terms else {}
        self._seen, self._used = Standardised({**shown, **numbers}), Standardised({**shown, **numbers})
        middle, reach = units(spec.action.low, spec.action.high)
        for kind, bound in zip(_BOX, (spec.action.low, spec.action.high, middle, reach), strict=True):
            tensor = torch.as_tensor(bound, dtype=torch.float32).reshape(spec.action.shape or (0,))
            self.register_buffer(kind, tensor, persistent=False)
        seen = 2 * flat_size(spec.obs) + action_size(spec.action) if self._sees_obs else 0
        self.size = seen + self._terms

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are read."""
        observed = tuple(f"{part}{name}" for part in (_OBS, _NEXT) for name in self.spec.obs)
        return (*(observed if self._sees_obs else ()), "action", TERMS)

    def columns(self, obs: TensorObs, next_obs: TensorObs, action: torch.Tensor, terms: torch.Tensor) -> TensorObs:
        """Those of steps [...]: views of what is given."""
        found = {f"{_OBS}{name}": entry for name, entry in obs.items()}
        found |= {f"{_NEXT}{name}": entry for name, entry in next_obs.items()}
        found |= {"action": action, TERMS: terms}
        return {name: found[name] for name in self.names}

    def add(self, columns: TensorObs) -> None:
        """Take steps [B] into the scale that `settle` will use."""
        obs = entries(columns, _NEXT) if self._sees_obs else {}
        self._seen.add({**obs, TERMS: columns[TERMS]})

    def settle(self) -> None:
        """From here on, standardise by all that was taken in."""
        self._used.load_state_dict(self._seen.state_dict())

    def forward(self, columns: TensorObs) -> torch.Tensor:
        scaled: TensorObs = self._used({TERMS: columns[TERMS]}) if self._terms else {}
        if not self._sees_obs:
            return scaled[TERMS]
        parts = [self._flat(entries(columns, _OBS)), self._action(columns["action"])]
        parts.append(self._flat(entries(columns, _NEXT)))
        return torch.cat([*parts, *scaled.values()], dim=-1)

    def told_apart(self, columns: TensorObs) -> tuple[TensorObs, torch.Tensor]:
        """The distinct ones of steps [B], and which of them each is, int64 [B].

        Where there are floats among the columns, each step counts as another.
        """
        read = {name: column for name, column in columns.items() if column.numel()}
        if any(column.is_floating_point() for column in read.values()):
            return columns, torch.arange(len(columns["action"]), device=columns["action"].device)
        rows, place = tell_apart(read)
        nothing = {name: column[: len(rows["action"])] for name, column in columns.items() if name not in read}
        return rows | nothing, place

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return encode_flat(self._used(obs), self.spec.obs)

    def _action(self, action: torch.Tensor) -> torch.Tensor:
        spec = self.spec.action
        if spec.discrete:
            return encode_action(action, spec)
        low, high, middle, reach = (cast(torch.Tensor, getattr(self, kind)) for kind in _BOX)
        scaled = (executed(action, low, high, spec.whole) - middle) / reach
        return scaled.flatten(action.dim() - len(spec.shape)).float()


def entries(columns: TensorObs, prefix: str) -> TensorObs:
    """The columns whose names begin so, without that."""
    return {name.removeprefix(prefix): column for name, column in columns.items() if name.startswith(prefix)}
