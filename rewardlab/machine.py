"""What concerns the machine: cores, memory, threads of a process, and where what can be made again is kept."""

import ctypes
import os
import sys
from pathlib import Path

# Every library that would start threads of its own reads one of these when it is first imported.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int | None:
    """Bytes of memory that the machine has; None where it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def give_back_memory() -> bool:
    """Gives pages that were freed back to the system; whether the C library can (glibc's can).

    glibc keeps arrays of up to 32 MiB in one heap. Between what lives long there, freed space is left that the next
    arrays do not fit into: Crafter with RND held 3.0 GB after some 275,000 frames, 5.2 GB after 750,000. With a rollout
    of an eighth it came to 0.87 GB, and to 0.53 GB whenever it gave back.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return False
    trim(0)
    return True


def one_thread() -> dict[str, str]:
    """Environment variables of a process with one thread: processes side by side beat threads inside one, and sums come
    out the same on every machine.
    """
    return dict.fromkeys(THREAD_VARIABLES, "1")


def user_cache() -> Path:
    """The folder in which this user keeps what rewardlab can make again."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "rewardlab"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "rewardlab"
    return Path.home() / ".cache" / "rewardlab"
