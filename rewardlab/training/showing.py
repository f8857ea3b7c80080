"""What environments show is held against what learners can read."""

import numpy as np

from rewardlab.errors import NotFinite
from rewardlab.types import EnvSpec, Obs, StepBatch


def require_finite(spec: EnvSpec, obs: Obs, doing: str) -> None:
    """Refuse observations with a number that is none.

    Args:
        obs: each entry [N, ...].
        doing: when it was shown, for the message.

    Raises:
        NotFinite: names the entry.
    """
    for name, entry in obs.items():
        if entry.dtype.kind == "f" and not np.isfinite(entry).all():
            env, *place = np.argwhere(~np.isfinite(entry))[0].tolist()
            where = f"{name}{place}" if place else name
            shown = entry[env, *place] if place else entry[env]
            raise NotFinite(f"{spec.id} shows {shown} in {where} {doing}: an observation must be finite numbers")


def require_finite_step(spec: EnvSpec, batch: StepBatch) -> None:
    """The same of a step: its true successors, and the first frames of new episodes."""
    require_finite(spec, batch.next_obs, "after a step")
    if batch.obs is not batch.next_obs:
        require_finite(spec, batch.obs, "after a reset")
