"""What a config leaves open: filled in from the rest of it, and held against the machine."""

import math
import os
from typing import Any

from rewardlab import schemas
from rewardlab.errors import UserError, unknown
from rewardlab.schemas import RootConfig, shown

_EVALUATIONS = 50  # of a run, where eval.every does not say otherwise


def complete(config: RootConfig) -> None:
    """Fill in what follows from the rest.

    Raises:
        UserError: the budget is none, or there is no folder.
    """
    config.frames = _frames(config.frames)
    if config.eval.every is None:
        config.eval.every = max(1, config.frames // _EVALUATIONS)
    if config.checkpoint.every is None:
        config.checkpoint.every = config.eval.every
    if not config.results_dir.strip():
        raise UserError("results_dir=: must name a folder")
    config.results_dir = os.path.abspath(os.path.expanduser(config.results_dir))


def _frames(value: Any) -> int:
    """A budget: 2000000, 2_000_000 and 2e6 are the same."""
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if number <= 0:
        raise UserError(f"frames={shown(value)}: must be greater than 0")
    if isinstance(number, float) and not number.is_integer():
        raise UserError(f"frames={shown(value)}: must be a whole number, as in frames=2e6")
    if number > schemas.LARGEST_BUDGET:
        raise UserError(f"frames={shown(value)}: must be at most {schemas.LARGEST_BUDGET:g}")
    return int(number)


def check_device(device: str) -> None:
    """Raises: UserError if there is no such device on this machine."""
    if device == "cpu":
        return
    kind, _, index = device.partition(":")
    if kind == "gpu":
        raise UserError(f"device={device}: no such device; did you mean cuda? (allowed: cpu, cuda, cuda:0, mps)")
    if kind not in ("cpu", "cuda", "mps") or (index and not index.isdecimal()):
        raise unknown("device", device, ("cpu", "cuda", "cuda:0", "mps"), "device")
    import torch

    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[kind]
    if int(index or 0) >= count:
        raise UserError(
            f"device={device}: not on this machine ({count} {kind} device{'s' * (count != 1)}); try device=cpu"
        )
