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
from rewardlab.sweep.kernel import signal_at_parents_end

_POLL_SECONDS = 1.0


def main() -> None:
    starting.begin()
    do(int(sys.argv.pop(1)))


def do(driver: int) -> None:
    """Do the job that sys.argv tells of, in this process, and exit. Ctrl-C has been seen to."""
    _follow(driver)
    runpy.run_module("rewardlab", run_name="__main__", alter_sys=True)


def _follow(driver: int) -> None:
    """End with SIGTERM when the driver ends."""
    if not signal_at_parents_end(signal.SIGTERM):
        threading.Thread(target=_watch, args=(driver,), daemon=True).start()
    if os.getppid() != driver:  # it ended before we asked
        sys.exit(128 + signal.SIGTERM)


def _watch(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
