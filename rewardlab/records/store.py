"""One run's folder: every file of a run but its tables goes through here."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rewardlab.records import checkpoint, files, lock
from rewardlab.records.loggers import side
from rewardlab.records.status import write_status

CONFIG, MANIFEST, STATUS, SUMMARY = "config.yaml", "manifest.json", "status.json", "summary.json"
TRAIN, EVAL, LOG = "train.csv", "eval.csv", "run.log"
# Everything that belongs to one run, in the order in which `clear` removes it: a folder without a status is no run.
_OWN = (STATUS, checkpoint.CHECKPOINT, checkpoint.POLICY, SUMMARY, EVAL, TRAIN, MANIFEST, CONFIG, LOG, "play.gif")


class RunStore:
    """The folder of one run. Making the object touches nothing; whoever writes should hold `lock`."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @contextlib.contextmanager
    def lock(self) -> Iterator[lock.Owner]:
        """Hold the run, and tidy what a killed owner left half-written.

        Raises:
            Locked: a live process holds it.
        """
        with lock.hold(self.folder) as owner:
            files.clean_temporaries(self.folder)
            yield owner

    def set_status(
        self, state: str, frames: int, error: str | BaseException | None = None, kind: str | None = None
    ) -> None:
        """Say where the run stands, atomically; see `write_status`."""
        write_status(self.folder, state, frames, error, kind)

    def manifest(self) -> dict[str, Any] | None:
        return files.read_json(self.folder / MANIFEST)[0]

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        files.write_json(self.folder / MANIFEST, manifest)

    def write_config(self, text: str) -> None:
        files.write_atomic(self.folder / CONFIG, text.encode())

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        files.write_json(self.folder / SUMMARY, summary)

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint as a whole; sync the tables first, and keep their lengths in the state."""
        checkpoint.save(self.folder / checkpoint.CHECKPOINT, state)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last checkpoint's state, or None; why an existing one is of no use goes to run.log."""
        return self._load(checkpoint.CHECKPOINT)

    def save_policy(self, state: dict[str, Any]) -> None:
        checkpoint.save(self.folder / checkpoint.POLICY, state)

    def load_policy(self) -> dict[str, Any] | None:
        """The trained policy, or None."""
        return self._load(checkpoint.POLICY)

    def log(self, line: str) -> None:
        """Append a line to run.log, with the time before it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / LOG, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{files.now()} {line.rstrip()}\n")

    def clear(self) -> None:
        """Remove what earlier runs wrote here, for `overwrite=true`; the lock and foreign files stay."""
        for name in _OWN:
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).unlink()
        for logger_folder in side.logger_folders(self.folder):
            shutil.rmtree(logger_folder, ignore_errors=True)
        files.clean_temporaries(self.folder)

    def _load(self, name: str) -> dict[str, Any] | None:
        state, reason = checkpoint.load(self.folder / name)
        if state is None and reason != f"no {name}":
            self.log(f"{reason}: not used")
        return state
