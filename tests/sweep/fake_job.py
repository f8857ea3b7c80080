"""Stands in for a run: `fake_job.py FOLDER BEHAVIOUR`. Writes a status as a run does, and ends as it is told."""

import os
import signal
import sys
import time
from pathlib import Path

from rewardlab.records.continuation import decide
from rewardlab.records.lock import Locked
from rewardlab.records.status import write_status
from rewardlab.records.store import RunStore

SECONDS = 60.0


def main() -> None:
    folder, behaviour = Path(sys.argv[1]), sys.argv[2]
    print(f"fake job {behaviour}", flush=True)
    if behaviour == "crash":
        print("ImportError: broken before it began", flush=True)
        sys.exit(1)
    if behaviour == "nothing":
        sys.exit(0)
    if behaviour == "share":
        sys.exit(share(folder))
    folder.mkdir(parents=True, exist_ok=True)
    write_status(folder, "running", 10)
    (folder / "started").touch()
    if behaviour == "finish":
        time.sleep(0.3)
        write_status(folder, "finished", 100)
    elif behaviour == "kill-once":  # the second try gets through
        if (folder / "tried").exists():
            write_status(folder, "finished", 100)
        else:
            (folder / "tried").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    elif behaviour == "fail":
        write_status(folder, "failed", 20, "RuntimeError: as asked")
        sys.exit(1)
    elif behaviour == "diverge":
        write_status(folder, "diverged", 30, "loss/policy is nan after frame 30")
        sys.exit(1)
    elif behaviour == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif behaviour in ("wait", "stubborn"):
        received: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, lambda number, frame: received.append(number))
        (folder / "pid").write_text(str(os.getpid()))
        give_up = time.monotonic() + SECONDS
        while (not received or behaviour == "stubborn") and time.monotonic() < give_up:
            time.sleep(0.02)
        write_status(folder, "interrupted", 40)
        sys.exit(128 + received[0])


def share(folder: Path) -> int:
    """Take the run as a real one does: look, lock, look again."""
    if decide(folder, overwrite=False).action in ("skip", "locked"):
        return 0
    try:
        with RunStore(folder).lock():
            if decide(folder, overwrite=False, held=True).action == "skip":
                return 0
            with (folder / "owners").open("a") as file:
                file.write(f"{os.getpid()}\n")
            write_status(folder, "running", 10)
            time.sleep(0.05)
            write_status(folder, "finished", 100)
    except Locked:
        pass
    return 0


if __name__ == "__main__":
    main()
