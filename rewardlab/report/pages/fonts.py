"""Fonts in PDFs: cut down to the characters of a figure, once for all figures that have the same characters.

matplotlib cuts anew for every figure, which takes as long as drawing it. There is no public way to change that, so that
two of its functions are replaced while figures are drawn; the bytes of the files stay the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO

from matplotlib.backends import _backend_pdf_ps

_CUT, _AS_FILE = (getattr(_backend_pdf_ps, name, None) for name in ("get_glyphs_subset", "font_as_file"))


@dataclass(frozen=True)
class _Cut:
    """Stands for a font that has been cut: all that matplotlib does with one is to save it and to ask for places."""

    data: bytes
    glyph_index_map: Mapping[int, int] = field(default_factory=dict)

    @property
    def font(self) -> "_Cut":
        return self

    def save(self, file: BinaryIO, **_: Any) -> None:
        file.write(self.data)


@contextmanager
def cut_once() -> Iterator[None]:
    """While it lasts, fonts are cut once. A matplotlib that lacks the two functions goes on as it is."""
    if _CUT is None or _AS_FILE is None:
        yield
        return
    _backend_pdf_ps.get_glyphs_subset = _cut  # type: ignore[assignment]
    try:
        yield
    finally:
        _backend_pdf_ps.get_glyphs_subset = _CUT


@contextmanager
def _cut(font: str, glyphs: Iterable[Any]) -> Iterator[_Cut]:
    yield _of_glyphs(font, frozenset(glyphs))


@lru_cache(maxsize=64)
def _of_glyphs(font: str, glyphs: frozenset[Any]) -> _Cut:
    assert _CUT is not None and _AS_FILE is not None
    with _CUT(font, glyphs) as found:
        data = _AS_FILE(getattr(found, "font", found)).getvalue()
        return _Cut(data, getattr(found, "glyph_index_map", {}))
