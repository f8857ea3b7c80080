"""Where compiled kernels are kept: one folder per version of their sources, in the user's cache folder.

numba notices a change of the function it compiled, not of the functions that one calls; so the folder's name holds a
hash over all sources of kernels and numba's version. Left alone, numba would also tell apart copies of one source
in several places (checkouts, virtual environments) and compile anew in each: what the hash says is enough.
"""

import hashlib
import os
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from numba.core import caching

from rewardlab import sources
from rewardlab.machine import user_cache

_PACKAGE = sources.PACKAGE
_COMPILES = re.compile(rb"^(?:import numba|from numba|from rewardlab\.kernel_cache import)", re.MULTILINE)
_IMPORTS = re.compile(rb"^from rewardlab\.([\w.]+) import ([^(\n]+|\([^)]*\))", re.MULTILINE)


@lru_cache
def cache_folder() -> Path:
    """The folder of this version's kernels: under NUMBA_CACHE_DIR where that is set, else the user's cache folder."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in kernel_sources():
        digest.update(source.read_bytes())
    base = Path(os.environ["NUMBA_CACHE_DIR"]) if os.environ.get("NUMBA_CACHE_DIR") else user_cache()
    return base / f"kernels-{digest.hexdigest()[:16]}"


def kernel_sources() -> list[Path]:
    """The modules that compile anything, and those that these import: kernels read their functions and constants."""
    texts = sources.texts()
    found: set[Path] = {Path(__file__)}
    waiting = [path for path, text in texts.items() if _COMPILES.search(text)]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for module, names in _IMPORTS.findall(texts[path]):
            place = _PACKAGE / module.decode().replace(".", "/")
            named = (place / f"{name}.py" for name in re.findall(r"\w+", names.decode()))
            waiting += [each for each in (place.with_suffix(".py"), *named) if each in texts]
    return sorted(found - {Path(__file__)})


@lru_cache
def _can_write(folder: Path) -> bool:
    """Whether kernels can be kept here; without a place for them, every process compiles its own."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def specialise(template: Callable[..., Any], name: str, cached: bool = False, **parts: Any) -> Callable[..., Any]:
    """Compiles a template with some of its global names replaced, by other kernels or by constants.

    numba can cache a function under a name of its own when its parts are globals, but not when they are arguments or
    closure variables.

    Args:
        template: a plain function that mentions the parts as module globals.
        name: what tells this version from others in the cache.
        cached: keep the machine code on disk (only for outermost kernels: what they call is inside of them).
        parts: the replacements.
    """
    assert isinstance(template, FunctionType)
    special = FunctionType(template.__code__, {**template.__globals__, **parts}, name)
    special.__qualname__ = name
    special.__module__ = template.__module__
    special.__doc__ = template.__doc__
    special_kernel: Callable[..., Any] = kept(special) if cached else inner(special)
    return special_kernel


def inner(function: Callable[..., Any]) -> Any:
    """Compiles what only other kernels call: without the entry points for Python, which takes a quarter less time."""
    without: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(function, **without)


def kept(function: Callable[..., Any], **flags: Any) -> Any:
    """Compiles a function with numba's `flags`; its machine code is kept on disk.

    What it calls must be compiled from sources that the folder's name covers.
    """
    kernel: Any = numba.njit(function, **flags)
    if _can_write(cache_folder()):
        kernel._cache = _Cache(function)  # type: ignore[no-untyped-call]  # what `cache=True` does, in a folder of ours
    return kernel


class _OurFolder(caching._CacheLocator):
    """Every kernel of this version in one folder, whatever the path of its source and the date of the file."""

    def __init__(self, function: FunctionType) -> None:
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, py_func: FunctionType, py_file: str) -> "_OurFolder":
        return cls(py_func)

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return cache_folder().name

    def get_disambiguator(self) -> str:
        return str(self._line)


class _Place(caching.CompileResultCacheImpl):
    _locator_classes = [_OurFolder]  # type: ignore[list-item]  # noqa: RUF012


class _Cache(caching.FunctionCache):
    _impl_class = _Place


def compile_for(kernel: Any, arguments: tuple[Any, ...], what: str) -> None:
    """Compiles a cached kernel for the types of its arguments, or loads it; says so on stderr when it must compile."""
    types = tuple(numba.typeof(argument) for argument in arguments)  # type: ignore[no-untyped-call]
    if types in kernel.overloads:
        return
    known = any(cache_folder().rglob(f"*.{kernel.__name__}-*.nbi"))
    if not known:
        print(f"rewardlab: compiling {what} for the first time, kept in {cache_folder()}", file=sys.stderr, flush=True)
    kernel.compile(types)


def call(kernel: Any, arguments: tuple[Any, ...], what: str) -> Any:
    """What a cached kernel says of arguments whose types are the same at every call; `compile_for` before the first."""
    if not kernel.overloads:
        compile_for(kernel, arguments, what)
    return kernel(*arguments)
