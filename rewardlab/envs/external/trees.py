"""gymnasium's nested spaces, Dicts and Tuples, as leaves at paths; and what is shown of them."""

from collections.abc import Iterator
from typing import Any

from gymnasium import spaces
from gymnasium.spaces import Dict, Tuple

Space = spaces.Space[Any]
Path = tuple[Any, ...]


def parts(space: Space) -> list[tuple[Any, Space]] | None:
    """The parts of a space by key or place; None where it has none."""
    if isinstance(space, Dict):
        return list(space.spaces.items())
    return list(enumerate(space.spaces)) if isinstance(space, Tuple) else None


def leaves(space: Space, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each space without parts, and where it stands."""
    found = parts(space)
    if found is None:
        yield path, space
        return
    for key, part in found:
        yield from leaves(part, (*path, key))


def at(tree: Any, path: Path) -> Any:
    """What stands there in a space, or in what is shown of it."""
    for key in path:
        tree = tree[key]
    return tree


class Rest:
    """What is left of a space without the leaves at some paths.

    Attributes:
        space: of what is left; None where nothing is.
    """

    def __init__(self, space: Space, taken: set[Path]) -> None:
        self._whole, self._taken = space, taken
        self.space = _without(space, taken) if taken else space
        self._cut = any(isinstance(at(space, path[:-1]), Tuple) for path in taken if path)  # others move up

    def of(self, shown: Any) -> Any:
        """What `space` is the space of. What was taken out of a Dict may still be in it."""
        return _left(self._whole, shown, self._taken) if self._cut else shown


def _without(space: Space, taken: set[Path], path: Path = ()) -> Space | None:
    found = parts(space)
    if found is None:
        return None if path in taken else space
    kept = {key: left for key, part in found if (left := _without(part, taken, (*path, key))) is not None}
    if not kept:
        return None
    return Dict(list(kept.items())) if isinstance(space, Dict) else Tuple(list(kept.values()))


def _left(space: Space, shown: Any, taken: set[Path], path: Path = ()) -> Any:
    found = parts(space)
    if found is None:
        return shown
    kept = {
        key: _left(part, shown[key], taken, (*path, key))
        for key, part in found
        if _without(part, taken, (*path, key)) is not None
    }
    return kept if isinstance(space, Dict) else tuple(kept.values())
