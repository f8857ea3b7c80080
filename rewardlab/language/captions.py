"""Captions of the steps of a rollout on a grid: numbers that tell them apart, and the words of those that are new.

    captions = Captions("both")
    seen = captions.of(rollout)          # keys of all steps
    for at in seen.unseen(known):        # where a key that is not in `known` occurs first
        print(seen.text(at), seen.helpful(at))

`event` says what the action did, `view` what is in sight after it and what is carried, `both` one after the other. They
need the facts in `FACTS` and the observation `image`. How events and views are numbered stands in `maths/captions.py`.
Words are made of new captions only.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from rewardlab.facts import AHEAD, HELD, PLACE
from rewardlab.maths import captions
from rewardlab.maths.counting import Keys, combine_keys, hash_rows
from rewardlab.maths.distinct import distinct_of
from rewardlab.types import Array, Rollout, TensorObs

KINDS = ("event", "view", "both")
FACTS = (AHEAD, HELD, PLACE)

_HELPFUL = captions.helpful_events()


class Captions:
    """Makes captions of one kind.

    Args:
        kind: event, view or both.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def of(self, rollout: Rollout) -> Captioned:
        """The captions of what every step led to."""
        told = [_told(facts) for facts in (rollout.current_privileged, rollout.privileged)]
        action = rollout.action.cpu().numpy().reshape(-1)
        codes = captions.events(told[0], action, told[1])
        views = self._views(rollout)
        places = () if views is None else (distinct_of(rollout).there, distinct_of(rollout).here[:-1])
        there, here = (place.cpu().numpy().ravel() for place in places) if places else (None, None)
        return Captioned(
            self.kind,
            tuple(rollout.action.shape),
            _Frames(codes, _held(told[1]), there),
            _Frames(np.zeros_like(codes), _held(told[0]), here),
            views,
        )

    def _views(self, rollout: Rollout) -> Array | None:
        """What is in sight in each distinct observation, int64 [U, WORDS]; None where captions don't say."""
        if self.kind == "event":
            return None
        return captions.views(distinct_of(rollout).rows["image"].cpu().numpy())


@dataclass(frozen=True)
class _Frames:
    """Of T * N frames what had just happened, what is carried, and which of the distinct observations they are."""

    codes: Array
    held: Array
    places: Array | None


class Captioned:
    """The captions of a rollout of T steps.

    Attributes:
        keys: int64 [T, N], of what each step led to; with kind=event the event's code itself.
        begun: int64 [T, N], of the frame that was acted on, as one on which nothing has happened yet.
        events: int64 [T, N], codes of what each action did, whatever the kind.
        distinct: int64 [D], the keys in it, ascending. first: int64 [D], the flat step at which each occurs first.
        place: int64 [T, N], which of `distinct` each step has.
    """

    def __init__(
        self, kind: str, shape: tuple[int, ...], reached: _Frames, acted_on: _Frames, views: Array | None
    ) -> None:
        self._kind, self._reached, self._acted_on, self._views = kind, reached, acted_on, views
        hashed = None if views is None else hash_rows(views)
        self.keys, self.begun = (self._keys(each, hashed).reshape(shape) for each in (reached, acted_on))
        self.events: Array = reached.codes.reshape(shape)
        self.distinct, self.first, place = np.unique(self.keys, return_index=True, return_inverse=True)
        self.place: Array = place.reshape(shape)

    def unseen(self, known: Container[int]) -> list[int]:
        """The flat steps at which captions occur first whose keys are not in `known`, in the order of time."""
        found = zip(self.distinct.tolist(), self.first.tolist(), strict=True)
        return sorted(at for key, at in found if key not in known)

    def text(self, at: int, acted_on: bool = False) -> str:
        """A flat step's caption in words; with `acted_on` that of the frame before it, to which `begun` has the key."""
        frames = self._acted_on if acted_on else self._reached
        said = captions.event_text(int(frames.codes[at]))
        if self._views is None or frames.places is None:
            return said
        kind, colour = divmod(int(frames.held[at]), len(captions.COLOURS))
        seen = captions.view_text(self._views[frames.places[at]], kind, colour)
        return seen if self._kind == "view" else f"{said}; {seen}"

    def helpful(self, at: int) -> bool:
        """Whether what a flat step's caption tells leads on, by the engine: its event, or with kind=view its view."""
        frames = self._reached
        if self._kind != "view" or self._views is None or frames.places is None:
            return bool(_HELPFUL[frames.codes[at]])
        return captions.helpful_view(self._views[frames.places[at]], int(frames.held[at]) // len(captions.COLOURS))

    def _keys(self, frames: _Frames, views: Keys | None) -> Keys:
        if views is None or frames.places is None:
            return frames.codes
        keys = combine_keys(views[frames.places], frames.held)
        return combine_keys(keys, frames.codes) if self._kind == "both" else keys


def _told(facts: TensorObs) -> list[Array]:
    return [facts[name].cpu().numpy().reshape(-1, facts[name].shape[-1]) for name in FACTS]


def _held(told: list[Array]) -> Array:
    """What is carried as one number, 0 for nothing."""
    held: Array = told[FACTS.index(HELD)]
    found: Array = held[:, 0] * len(captions.COLOURS) + held[:, 1]
    return found
