"""One run's folder: every file of a run but its tables goes through here."""

import contextlib
import errno
import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rewardlab.records import archive, checkpoint, files, lock
from rewardlab.records.loggers import side
from rewardlab.records.status import read_status, write_status

ANNOTATIONS = "annotations.csv"  # what a scheme asked and was answered
CONFIG, MANIFEST, STATUS, SUMMARY, CODE = "config.yaml", "manifest.json", "status.json", "summary.json", "code.py"
TRAIN, EVAL, SUITE, LOG = "train.csv", "eval.csv", "suite.csv", "run.log"
REPLICATES, WITHIN = "replicates.csv", "within.csv"
# Everything that belongs to one run, in the order in which `clear` removes it: a folder without a status is no run.
_OWN = (
    STATUS, checkpoint.CHECKPOINT, checkpoint.POLICY, archive.ARCHIVE, archive.REWARD_MAP, SUMMARY, EVAL, SUITE,
    REPLICATES, WITHIN, TRAIN, MANIFEST, CONFIG, CODE, ANNOTATIONS, LOG, "play.gif",
)  # fmt: skip
_FASTEST_PULSE, _SLOWEST_PULSE = 1.0, 30.0  # seconds between two writings of a running run's status


class RunStore:
    """The folder of one run. Making the object touches nothing; whoever writes should hold `lock`."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._locked: os.stat_result | None = None  # the folder as it was when the lock was taken

    @contextlib.contextmanager
    def lock(self) -> Iterator[lock.Owner]:
        """Hold the run, and tidy what a killed owner left half-written.

        Raises:
            Locked: a live process holds it.
        """
        with lock.hold(self.folder) as owner:
            self._locked = os.stat(self.folder)
            files.clean_temporaries(self.folder)
            try:
                yield owner
            finally:
                self._locked = None

    def set_status(
        self, state: str, frames: int, error: str | BaseException | None = None, kind: str | None = None
    ) -> None:
        """Say where the run stands, atomically; see `write_status`."""
        with self._still_there():
            write_status(self.folder, state, frames, error, kind)

    def manifest(self) -> dict[str, Any] | None:
        return files.read_json(self.folder / MANIFEST)[0]

    def manifest_problem(self) -> str:
        """Why there is no manifest; empty where there is one."""
        return files.read_json(self.folder / MANIFEST)[1]

    def keep_copy(self, name: str) -> str | None:
        """Put a damaged file aside, under the name that is returned; None where there is none."""
        if not (self.folder / name).exists():
            return None
        kept = f"{name}.damaged"
        (self.folder / name).replace(self.folder / kept)
        return kept

    def frames(self) -> int:
        """How far the run has come, by its status."""
        status = read_status(self.folder)[0]
        return status.frames if status is not None else 0

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        with self._still_there():
            files.write_json(self.folder / MANIFEST, manifest)

    def write_config(self, text: str) -> None:
        with self._still_there():
            files.write_atomic(self.folder / CONFIG, text.encode())

    def write_code(self, text: str) -> None:
        with self._still_there():
            files.write_atomic(self.folder / CODE, text.encode())

    def write_annotations(self, text: str) -> None:
        with self._still_there():
            files.write_atomic(self.folder / ANNOTATIONS, text.encode(errors="replace"))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        with self._still_there():
            files.write_json(self.folder / SUMMARY, summary)

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint as a whole; sync the tables first, and keep their lengths in the state."""
        with self._still_there():
            checkpoint.save(self.folder / checkpoint.CHECKPOINT, state)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last checkpoint's state, or None; why an existing one is of no use goes to run.log."""
        return self._load(checkpoint.CHECKPOINT)

    def checkpoint_problem(self) -> str:
        """Why the checkpoint cannot be loaded; empty where it can."""
        return checkpoint.load(self.folder / checkpoint.CHECKPOINT)[1]

    def save_replay(self, frames: int, state: dict[str, Any]) -> str:
        """Write what a replay buffer holds beside those that are there; the name, for the checkpoint to come."""
        name = checkpoint.REPLAY.format(frames=frames)
        with self._still_there():
            checkpoint.save(self.folder / name, state)
        return name

    def load_replay(self, name: str) -> dict[str, Any]:
        """What `save_replay` wrote.

        Raises:
            Damaged: it is missing or cannot be read.
        """
        state, reason = checkpoint.load(self.folder / name)
        if state is None:
            raise files.Damaged(reason)
        return state

    def drop_replays(self, but: str | None = None) -> None:
        """Remove replay buffers that the checkpoint does not name, or all: a finished run needs none."""
        for path in self.folder.glob(checkpoint.REPLAY.format(frames="*")):
            if path.name != but:
                with contextlib.suppress(OSError):
                    path.unlink()

    def save_policy(self, state: dict[str, Any]) -> None:
        with self._still_there():
            checkpoint.save(self.folder / checkpoint.POLICY, state)

    def load_policy(self) -> dict[str, Any] | None:
        """The trained policy, or None."""
        return self._load(checkpoint.POLICY)

    def save_arrays(self, name: str, arrays: Mapping[str, Any]) -> None:
        """What a finished run keeps as arrays, in `archive.ARCHIVE` or `archive.REWARD_MAP`."""
        with self._still_there():
            archive.save(self.folder / name, arrays)

    def log(self, line: str) -> None:
        """Append a line to run.log, with the time before it."""
        with self._still_there(), open(self.folder / LOG, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{files.now()} {line.rstrip()}\n")

    def clear(self) -> None:
        """Remove what earlier runs wrote here, for `overwrite=true`; the lock and foreign files stay."""
        for name in _OWN:
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).unlink()
        self.drop_replays()
        for logger_folder in side.logger_folders(self.folder):
            shutil.rmtree(logger_folder, ignore_errors=True)
        files.clean_temporaries(self.folder)

    def set_aside(self) -> Path | None:
        """Move what earlier runs wrote here into a folder beside it, whose name is returned; None: there is nothing.

        run.log stays, and goes on.
        """
        names = [name for name in _OWN if name != LOG]
        there = [self.folder / name for name in names if (self.folder / name).exists()]
        there += self.folder.glob(checkpoint.REPLAY.format(frames="*"))
        if not there:
            return None
        aside = next(path for i in itertools.count(1) if not (path := self.folder / f"damaged-{i}").exists())
        aside.mkdir()
        for path in there:
            path.rename(aside / path.name)
        return aside

    @contextlib.contextmanager
    def pulse(self, frames: Callable[[], int]) -> Iterator[None]:
        """Say `running` now and then, from a thread: a run that compiles or evaluates for long is seen to be alive.

        Often at first and more and more rarely, for the sake of shared file systems. A full disk is no concern of it.
        """
        over = threading.Event()

        def beat() -> None:
            started = time.monotonic()
            while not over.wait(min(_SLOWEST_PULSE, max(_FASTEST_PULSE, (time.monotonic() - started) / 20))):
                with contextlib.suppress(OSError):
                    self.set_status("running", frames())

        thread = threading.Thread(target=beat, daemon=True, name="pulse")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextlib.contextmanager
    def _still_there(self) -> Iterator[None]:
        """While something is written into the folder; it is made for who writes without the lock.

        Raises:
            FileNotFoundError: it was removed or replaced under its owner: nothing is written to a new one.
        """
        self._check_there()
        if self._locked is None:
            self.folder.mkdir(parents=True, exist_ok=True)
        try:
            yield
        except FileNotFoundError:
            self._check_there()  # says so where it was removed only now
            raise

    def _check_there(self) -> None:
        if self._locked is None:
            return
        try:
            there = os.path.samestat(self._locked, os.stat(self.folder))
        except OSError:
            there = False
        if not there:
            raise FileNotFoundError(errno.ENOENT, "the run's folder was removed while it ran", str(self.folder))

    def _load(self, name: str) -> dict[str, Any] | None:
        state, reason = checkpoint.load(self.folder / name)
        if state is None and reason != f"no {name}":
            self.log(f"{reason}: not used")
        return state
