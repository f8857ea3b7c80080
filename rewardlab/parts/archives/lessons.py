"""When a descriptor that learns has its lessons: the rule of the STAX repository."""

from __future__ import annotations

from typing import Any

from rewardlab.types import State


class Lessons:
    """When to learn: whenever so many children have lived since the last time, twice as many the next time, and so on.

    They are counted in whole generations, and each chunk of `DescriptorOptions.lesson` begins with none.
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._lived, self._chunks, self._lessons = 0, 0, 0

    def lived(self, count: int) -> bool:
        """Whether it is time, after so many more children."""
        self._lived += count
        return self._lived >= self._options.lesson and self.chunk()

    def chunk(self) -> bool:
        """Whether it is time, after a chunk that the caller counts itself."""
        self._lived, self._chunks = 0, self._chunks + 1
        if self._chunks <= self._lessons and self._options.rarer:
            return False
        self._chunks, self._lessons = 0, self._lessons + 1
        return True

    def state_dict(self) -> State:
        return {"lived": self._lived, "chunks": self._chunks, "lessons": self._lessons}

    def load_state_dict(self, state: State) -> None:
        self._lived, self._chunks, self._lessons = state["lived"], state["chunks"], state["lessons"]
