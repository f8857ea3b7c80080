"""What Linux's kernel does for a process on request (prctl): tell it that its parent died, hand it the orphans."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def signal_at_parents_end(number: int) -> bool:
    """Have this process sent a signal when its parent ends; false where the kernel can't."""
    return _prctl(_PR_SET_PDEATHSIG, number)


@contextmanager
def adopting() -> Iterator[None]:
    """Descendants whose parent ends meanwhile become children of this process, not of the system's first.

    Raises:
        OSError: the kernel can't.
    """
    if not _prctl(_PR_SET_CHILD_SUBREAPER, 1):
        raise OSError("this system hands over no orphans")
    try:
        yield
    finally:
        _prctl(_PR_SET_CHILD_SUBREAPER, 0)


def _prctl(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        failed: int = ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    except (OSError, AttributeError):
        return False
    return not failed
