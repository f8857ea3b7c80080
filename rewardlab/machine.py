"""What concerns the machine: its cores, the threads of a process on it, and where what can be made again is kept."""

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


def use_one_thread() -> None:
    """From here on, this process computes with one thread: the products of numpy and of compiled loops, and torch."""
    import scipy.linalg.cython_blas  # noqa: F401  # the products of compiled loops: limited once it is there
    import torch  # only now: it takes long to import
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
    torch.set_num_threads(1)


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
