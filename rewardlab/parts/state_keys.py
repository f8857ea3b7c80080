"""What counts as one state: 64-bit keys of what the steps of a rollout reached."""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.facts import PLACE, STATE_HASH
from rewardlab.maths.cells import downscaled_keys
from rewardlab.maths.counting import Keys, hash_rows
from rewardlab.maths.distinct import distinct_of
from rewardlab.parts.both_ends import row_blocks
from rewardlab.parts.simhash import SimHash
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Rollout, State, TensorObs, Transitions

KINDS = ("view", "state", "simhash", "downscaled", "place", "message")
_FACTS = {"state": STATE_HASH, "place": PLACE}
_VIEWS = ("image", "cell", "glyphs", "crop")
FACT = "privileged."  # what full-state facts are called in `Transitions.extra`


@dataclass
class CellOptions:
    """Of every scheme that counts states: what key=downscaled makes of a picture, and the facts that its key reads."""

    cell_blocks: int = option(
        8, "key=downscaled: patches that each side of the image is averaged to", above=0, maximum=1024, neutral=8
    )
    cell_depth: int = option(8, "key=downscaled: levels that each average is cut to", above=0, maximum=256, neutral=8)
    channels: int | None = option(
        None,
        "key=downscaled: channels that are read, from the last on: 1 is the latest grey frame; null: all",
        above=0,
        neutral=None,
    )

    def privileged(self: "KeyOptions") -> tuple[str, ...]:
        return facts_of(self.key)


class KeyOptions(Protocol):
    """What counts as one state; see `StateKeys`."""

    key: str
    bits: int
    cell_blocks: int
    cell_depth: int
    channels: int | None


def facts_of(kind: str) -> tuple[str, ...]:
    """The full-state facts that a kind of key reads."""
    return (_FACTS[kind],) if kind in _FACTS else ()


def revision_of(kind: str) -> int:
    """The `revision` of settings with such keys: 1 since simhash measures floats as random play spreads them."""
    return int(kind == "simhash")


class StateKeys:
    """Keys of six kinds.

    view: the image that the agent sees, every number of it, NetHack's map, or the cell of a table. message: NetHack's
    top line. state: the full state, which the agent does not see. place: where the agent stands.
    simhash: random bits of the whole observation, which similar ones share: for pixels and vectors, of which no two are
    the same; see `SimHash`.
    downscaled: the image shrunk to a few averages of a few levels, as the cells of Go-Explore; see `downscaled_keys`.

    Attributes:
        scheme: the name of the scheme that counts. kind: which of these.
        warmup_steps: vector steps of a random agent that `warm_up` wants to see before anything is counted.
    """

    def __init__(self, scheme: str, options: KeyOptions, context: BuildContext) -> None:
        """Args:
        scheme: the name for what is refused.

        Raises:
            UserError: the key is of what the environment does not show.
        """
        obs, kind = context.spec.obs, options.key
        self._options = options
        wanted = ("message",) if kind == "message" else _VIEWS
        self._entry = next((name for name in wanted if name in obs), "")
        if kind in ("view", "message") and not self._entry:
            reads = "the message" if kind == "message" else "the image, the map or the cell"
            raise UserError(
                f"reward={scheme}: key={kind} reads {reads}, and {context.spec.id} shows {', '.join(obs)};"
                " set key=simhash"
            )
        if kind == "downscaled":
            _check_image(scheme, options.channels, context)
        elif unread := [f.name for f in fields(CellOptions) if getattr(options, f.name) != f.default]:
            raise UserError(f"reward={scheme}: key={kind} does not read reward.{unread[0]}; key=downscaled does")
        self.scheme, self.kind, self._spec = scheme, kind, obs
        self._simhash = SimHash(obs if kind == "simhash" else {}, options.bits, context.generator)
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
        """Observations [B, *shape] -> keys [B]."""
        return np.concatenate([self._of_some(block) for block in row_blocks(obs)])

    def _of_some(self, obs: TensorObs) -> Keys:
        if self.kind in ("view", "message"):
            return hash_rows(obs[self._entry].flatten(1).cpu().numpy())
        if self.kind == "downscaled":
            options, image = self._options, obs["image"][..., -(self._options.channels or 0) :].cpu().numpy()
            return downscaled_keys(image, options.cell_blocks, options.cell_depth, self._spec["image"].high)
        return self._simhash.keys(obs)

    def state_dict(self) -> State:
        return self._simhash.state_dict()

    def load_state_dict(self, state: State) -> None:
        self._simhash.load_state_dict(state)


def _check_image(scheme: str, channels: int | None, context: BuildContext) -> None:
    obs, world = context.spec.obs, context.spec.id
    if "image" not in obs or len(obs["image"].shape) != 3:
        shown = ", ".join(obs)
        raise UserError(f"reward={scheme}: key=downscaled reads the image, and {world} shows {shown}; set key=simhash")
    if channels is not None and channels > obs["image"].shape[-1]:
        raise UserError(f"reward.channels={channels}: the image of {world} has {obs['image'].shape[-1]}")


def _as_keys(facts: torch.Tensor, kind: str) -> Keys:
    """Hashes [...], or places [..., 2] -> [...]."""
    found = facts.cpu().numpy().astype(np.int64, copy=False)
    return hash_rows(found) if kind == "place" else found
