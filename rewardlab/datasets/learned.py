"""What a run learned of its rewards, for another run to use as it is."""

from __future__ import annotations

import warnings
from pathlib import Path

from rewardlab.datasets.folders import LEARNED
from rewardlab.errors import UserError
from rewardlab.records import checkpoint
from rewardlab.types import State


def learned_reward(key: str, path: str) -> State:
    """The state of the reward scheme of a run, as its last checkpoint has it.

    Args:
        key: the option that names the run's folder, for refusals.

    Raises:
        UserError: it is not the folder of a run with a checkpoint that can be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch thinks of a file that is none of ours is said in the reason
        state, reason = checkpoint.load(Path(path).expanduser() / LEARNED)
    if state is None:
        raise UserError(f"{key}={path}: {reason}; name the folder of a run, which holds a {LEARNED}")
    found = state.get("scheme")
    return found if isinstance(found, dict) else {}
