"""The package's own source files, and which of them others import: read once, in a few milliseconds."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from pathlib import Path

PACKAGE = Path(__file__).parent
_IMPORTS = re.compile(rb"^[ \t]*from rewardlab(?:\.([\w.]+))? import ([^(\n]+|\([^)]*\))", re.MULTILINE)


@lru_cache
def texts() -> dict[Path, bytes]:
    """Every module of the package."""
    return {path: path.read_bytes() for path in sorted(PACKAGE.rglob("*.py"))}


def room(path: Path) -> str:
    """The folder or module right below the package that a module of it is or lies in."""
    return str(path)[len(str(PACKAGE)) + 1 :].partition(os.sep)[0].removesuffix(".py")


def imported(roots: Iterable[Path], follow: Callable[[Path], bool]) -> set[Path]:
    """Modules of the package and all that they import, where `follow` says so; the roots as well."""
    known, found, waiting = texts(), set[Path](), list(roots)
    while waiting:
        path = waiting.pop()
        if path in found or path not in known or not follow(path):
            continue
        found.add(path)
        waiting += _imports(path)
    return found


def digest(paths: Iterable[Path]) -> str:
    """Of the contents of files and their names, 16 hex digits."""
    found = hashlib.sha256()
    for path in sorted(paths):
        text = texts().get(path)
        found.update(path.name.encode() + b"\0" + (path.read_bytes() if text is None else text) + b"\0")
    return found.hexdigest()[:16]


@cache
def _imports(path: Path) -> list[Path]:
    found = []
    for module, names in _IMPORTS.findall(texts()[path]):
        place = PACKAGE / module.decode().replace(".", "/")
        found += [place.with_suffix(".py"), *(place / f"{name}.py" for name in re.findall(r"\w+", names.decode()))]
    return [each for each in found if each in texts()]
