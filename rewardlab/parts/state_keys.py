"""What counts as one state: 64-bit keys of what the steps of a rollout reached."""

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.facts import PLACE, STATE_HASH
from rewardlab.maths.counting import Keys, hash_rows
from rewardlab.maths.distinct import distinct_of
from rewardlab.parts.simhash import SimHash
from rewardlab.types import BuildContext, Rollout, State, TensorObs, Transitions

KINDS = ("view", "state", "simhash", "place", "message")
_FACTS = {"state": STATE_HASH, "place": PLACE}
_VIEWS = ("image", "cell", "glyphs", "crop")
FACT = "privileged."  # what full-state facts are called in `Transitions.extra`


def facts_of(kind: str) -> tuple[str, ...]:
    """The full-state facts that a kind of key reads."""
    return (_FACTS[kind],) if kind in _FACTS else ()


def revision_of(kind: str) -> int:
    """The `revision` of settings with such keys: 1 since simhash measures floats as random play spreads them."""
    return int(kind == "simhash")


class StateKeys:
    """Keys of five kinds.

    view: the image that the agent sees, every number of it, NetHack's map, or the cell of a table. message: NetHack's
    top line. state: the full state, which the agent does not see. place: where the agent stands.
    simhash: random bits of the whole observation, which similar ones share: for pixels and vectors, of which no two are
    the same; see `SimHash`.

    Attributes:
        scheme: the name of the scheme that counts. kind: which of these.
        warmup_steps: vector steps of a random agent that `warm_up` wants to see before anything is counted.
    """

    def __init__(self, scheme: str, kind: str, bits: int, context: BuildContext) -> None:
        """Args:
        scheme: the name for what is refused.
        bits: length of the simhash.

        Raises:
            UserError: the key is of what the environment does not show.
        """
        obs = context.spec.obs
        wanted = ("message",) if kind == "message" else _VIEWS
        self._entry = next((name for name in wanted if name in obs), "")
        if kind in ("view", "message") and not self._entry:
            reads = "the message" if kind == "message" else "the image, the map or the cell"
            raise UserError(
                f"reward={scheme}: key={kind} reads {reads}, and {context.spec.id} shows {', '.join(obs)};"
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
        if self.kind in _FACTS:
            return _as_keys(rollout.privileged[_FACTS[self.kind]], self.kind)
        distinct = distinct_of(rollout)
        keys: Keys = self._of(distinct.rows)[distinct.there.cpu().numpy()]
        return keys

    def reached_in(self, steps: Transitions) -> Keys:
        """The same of steps from a replay buffer, [B]."""
        if self.kind in _FACTS:
            return _as_keys(steps.extra[f"{FACT}{_FACTS[self.kind]}"], self.kind)
        return self._of(steps.next_obs)

    def acted_on(self, rollout: Rollout) -> Keys:
        """Of the states that were acted on, [T, N]."""
        if self.kind in _FACTS:
            return _as_keys(rollout.current_privileged[_FACTS[self.kind]], self.kind)
        distinct = distinct_of(rollout)
        keys: Keys = self._of(distinct.rows)[distinct.here[:-1].cpu().numpy()]
        return keys

    def starts(self, rollout: Rollout) -> Keys:
        """Of the states in which episodes begin: [T, N], 0 wherever none does."""
        keys = np.zeros(tuple(rollout.first.shape), dtype=np.int64)
        first = rollout.first
        if self.kind in _FACTS:
            keys[first.cpu().numpy()] = _as_keys(rollout.current_privileged[_FACTS[self.kind]][first], self.kind)
        elif bool(first.any()):
            distinct = distinct_of(rollout)
            keys[first.cpu().numpy()] = self._of(distinct.rows)[distinct.here[:-1][first].cpu().numpy()]
        return keys

    def _of(self, obs: TensorObs) -> Keys:
        """Observations [..., *shape] -> keys [...]."""
        if self._entry and self.kind != "simhash":
            seen, dims = obs[self._entry], len(self._spec[self._entry].shape)
            return hash_rows(seen.flatten(seen.dim() - dims).cpu().numpy())
        return self._simhash.keys(obs)

    def state_dict(self) -> State:
        return self._simhash.state_dict()

    def load_state_dict(self, state: State) -> None:
        self._simhash.load_state_dict(state)


def _as_keys(facts: torch.Tensor, kind: str) -> Keys:
    """Hashes [...], or places [..., 2] -> [...]."""
    found = facts.cpu().numpy().astype(np.int64, copy=False)
    return hash_rows(found) if kind == "place" else found
