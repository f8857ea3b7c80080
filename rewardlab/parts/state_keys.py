"""What counts as one state: 64-bit keys of what the steps of a rollout reached."""

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.facts import STATE_HASH
from rewardlab.maths.counting import Keys, hash_rows
from rewardlab.maths.distinct import distinct_of
from rewardlab.parts.simhash import SimHash
from rewardlab.types import BuildContext, Rollout, State, TensorObs, Transitions

KINDS = ("view", "state", "simhash")
FACT = "privileged."  # what full-state facts are called in `Transitions.extra`


def facts_of(kind: str) -> tuple[str, ...]:
    """The full-state facts that a kind of key reads."""
    return (STATE_HASH,) if kind == "state" else ()


def revision_of(kind: str) -> int:
    """The `revision` of settings with such keys: 1 since simhash measures floats as random play spreads them."""
    return int(kind == "simhash")


class StateKeys:
    """Keys of three kinds.

    view: the image that the agent sees, every number of it, or the cell of a table. state: the full state, which the
    agent does not see.
    simhash: random bits of the whole observation, which similar ones share: for pixels and vectors, of which no two are
    the same; see `SimHash`.

    Attributes:
        scheme: the name of the scheme that counts. kind: which of the three.
        warmup_steps: vector steps of a random agent that `warm_up` wants to see before anything is counted.
    """

    def __init__(self, scheme: str, kind: str, bits: int, context: BuildContext) -> None:
        """Args:
        scheme: the name for what is refused.
        bits: length of the simhash.

        Raises:
            UserError: the key is of the view, and the environment shows no image.
        """
        obs = context.spec.obs
        self._entry = next((name for name in ("image", "cell") if name in obs), "")
        if kind == "view" and not self._entry:
            shown = ", ".join(obs)
            raise UserError(
                f"reward={scheme}: key=view reads the image or the cell, and {context.spec.id} shows {shown};"
                " set key=simhash"
            )
        self.scheme, self.kind, self._spec = scheme, kind, obs
        self._simhash = SimHash(obs if kind == "simhash" else {}, bits, context.generator)
        self.warmup_steps = self._simhash.warmup_steps

    def warm_up(self, rollout: Rollout) -> None:
        """Take in what a random agent saw before training; from then on a state keeps its key."""
        self._simhash.warm_up(rollout)

    def reached(self, rollout: Rollout) -> Keys:
        """Of the true successors, [T, N]."""
        if self.kind == "state":
            return _as_keys(rollout.privileged[STATE_HASH])
        distinct = distinct_of(rollout)
        keys: Keys = self._of(distinct.rows)[distinct.there.cpu().numpy()]
        return keys

    def reached_in(self, steps: Transitions) -> Keys:
        """The same of steps from a replay buffer, [B]."""
        return _as_keys(steps.extra[f"{FACT}{STATE_HASH}"]) if self.kind == "state" else self._of(steps.next_obs)

    def acted_on(self, rollout: Rollout) -> Keys:
        """Of the states that were acted on, [T, N]."""
        if self.kind == "state":
            return _as_keys(rollout.current_privileged[STATE_HASH])
        distinct = distinct_of(rollout)
        keys: Keys = self._of(distinct.rows)[distinct.here[:-1].cpu().numpy()]
        return keys

    def starts(self, rollout: Rollout) -> Keys:
        """Of the states in which episodes begin: [T, N], 0 wherever none does."""
        keys = np.zeros(tuple(rollout.first.shape), dtype=np.int64)
        first = rollout.first
        if self.kind == "state":
            keys[first.cpu().numpy()] = _as_keys(rollout.current_privileged[STATE_HASH][first])
        elif bool(first.any()):
            distinct = distinct_of(rollout)
            keys[first.cpu().numpy()] = self._of(distinct.rows)[distinct.here[:-1][first].cpu().numpy()]
        return keys

    def _of(self, obs: TensorObs) -> Keys:
        """Observations [..., *shape] -> keys [...]."""
        if self.kind == "view":
            seen, dims = obs[self._entry], len(self._spec[self._entry].shape)
            return hash_rows(seen.flatten(seen.dim() - dims).cpu().numpy())
        return self._simhash.keys(obs)

    def state_dict(self) -> State:
        return self._simhash.state_dict()

    def load_state_dict(self, state: State) -> None:
        self._simhash.load_state_dict(state)


def _as_keys(hashes: torch.Tensor) -> Keys:
    return hashes.cpu().numpy().astype(np.int64, copy=False)
