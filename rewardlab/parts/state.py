"""The state of several stateful pieces as one plain dict, and back."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch

from rewardlab.types import State


class Stateful(Protocol):
    """What modules, optimisers and the parts of this folder have in common."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state_dict: Any) -> Any: ...


def state_of(pieces: Mapping[str, Stateful]) -> State:
    """The states of all pieces: only plain types, and copies, which later training leaves as they are."""
    return {name: _plain(piece.state_dict()) for name, piece in pieces.items()}


def load_state(pieces: Mapping[str, Stateful], state: State) -> None:
    """Restore what `state_of` saved."""
    for name, piece in pieces.items():
        piece.load_state_dict(state[name])


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value
