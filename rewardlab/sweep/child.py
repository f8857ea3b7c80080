"""A job's process: `python -m rewardlab.sweep.child DRIVER run ...` is `python -m rewardlab run ...` on a leash.

Should the driver die without a word (SIGKILL), the job gets SIGTERM: it writes its checkpoint and ends.
"""

import os
import runpy
import signal
import sys
import threading
import time

from rewardlab import starting

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_POLL_SECONDS = 1.0


def main() -> None:
    starting.begin()
    driver = int(sys.argv.pop(1))
    _follow(driver)
    runpy.run_module("rewardlab", run_name="__main__", alter_sys=True)


def _follow(driver: int) -> None:
    """End with SIGTERM when the driver ends."""
    if not _ask_kernel():
        threading.Thread(target=_watch, args=(driver,), daemon=True).start()
    if os.getppid() != driver:  # it ended before we asked
        sys.exit(128 + signal.SIGTERM)


def _ask_kernel() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        failed: int = ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    except (OSError, AttributeError):
        return False
    return not failed


def _watch(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
