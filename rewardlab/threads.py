"""One thread for a process that computes: processes side by side beat threads inside one."""

import scipy.linalg.cython_blas  # noqa: F401  # the products of compiled loops: they can be limited once it is there
import torch
from threadpoolctl import threadpool_limits


def use_one_thread() -> None:
    """From here on, this process computes with one thread: the products of numpy and of compiled loops, and torch."""
    threadpool_limits(1, user_api="blas")
    torch.set_num_threads(1)
