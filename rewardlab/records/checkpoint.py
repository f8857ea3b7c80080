"""Checkpoints and policies: torch files that load without unpickling anything but tensors and plain values."""

import io
from pathlib import Path
from typing import Any

from rewardlab.errors import one_line
from rewardlab.records.files import write_atomic

CHECKPOINT = "checkpoint.pt"
POLICY = "policy.pt"
REPLAY = "replay-{frames}.pt"  # named by the checkpoint that needs it
_FORMATS = {"checkpoint": 2, "policy": 1, "replay": 1}  # raised when a reader of the old layout would be wrong

_PLAIN = (int, float, str, bool)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a state atomically.

    Args:
        state: nested dict, list, tuple, tensor, int, float, str, bool, None.

    Raises:
        TypeError: anything else, named by its place: it would not load again.
        OSError: the disk refused; the file is as it was.
    """
    import torch

    content = {"format": _FORMATS[_kind(path)], "state": _plain(state, "state", torch.Tensor)}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomic(path, buffer.getbuffer())


def load(path: Path) -> tuple[dict[str, Any] | None, str]:
    """Read a state of unknown origin, onto the CPU.

    Returns:
        The state and an empty text, or None and one line that says why there is none.
    """
    import torch

    if not path.exists():
        return None, f"no {path.name}"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises for a damaged file is not one family
        return None, f"{path.name} cannot be read ({type(error).__name__}: {one_line(error, 200)})"
    if not isinstance(content, dict) or not isinstance(content.get("state"), dict):
        return None, f"{path.name} is not from rewardlab"
    found, reads = content.get("format"), _FORMATS[_kind(path)]
    if found != reads:
        return None, f"{path.name} has format {one_line(repr(found), 40)}; this version reads {reads}"
    state: dict[str, Any] = content["state"]
    return state, ""


def _kind(path: Path) -> str:
    return path.stem.partition("-")[0]


def _plain(value: Any, place: str, tensor: type) -> Any:
    """The same with exact types: a subclass (a numpy float is a float) would be stored as a class to import."""
    if value is None or type(value) in _PLAIN or isinstance(value, tensor):
        return value
    if isinstance(value, dict):
        for key in value:
            if type(key) not in _PLAIN:
                raise TypeError(f"a key of {place} is a {type(key).__name__}, which does not belong in a checkpoint")
        return {key: _plain(item, f"{place}.{key}", tensor) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(item, f"{place}[{index}]", tensor) for index, item in enumerate(value))
    raise TypeError(f"{place} is a {type(value).__name__}, which does not belong in a checkpoint")
