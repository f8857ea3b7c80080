"""What a rollout is paid, by the scheme and the conditioner."""

import torch

from rewardlab.errors import Diverged
from rewardlab.training.parts import RunParts
from rewardlab.types import Metrics, Rollout, Signals


def pay(parts: RunParts, rollout: Rollout) -> tuple[Signals, Metrics]:
    """The reward streams of a rollout, and their means.

    Raises:
        Diverged: a reward is not finite.
    """
    signals = parts.scheme.compute(rollout)
    if parts.conditioner is not None:
        signals.streams |= parts.conditioner.compute(rollout)
    for spec in parts.reward_streams:
        if not torch.isfinite(signals.streams[spec.name]).all():
            raise Diverged(f"the reward stream {spec.name} is not finite")
    return signals, {
        f"reward/{spec.name}_mean": float(signals.streams[spec.name].mean()) for spec in parts.reward_streams
    }
