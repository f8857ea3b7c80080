"""Outside services never stop or change a run: no key, refused, hanging, dying in the middle."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rewardlab.run import run
from tests.torture import runs

SETTING = "rnd, fast engine"


@contextmanager
def service(kind: str) -> Iterator[str]:
    """The address of one that refuses, hangs (takes every connection, never answers) or dies (closes each at once)."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if kind == "refuses":
            yield address
            return
        listener.listen(64)
        kept: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                if kind == "dies":
                    connection.recv(100)
                    connection.close()
                else:
                    kept.append(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield address


@pytest.mark.parametrize("kind", ["no key", "refuses", "hangs", "dies"])
def test_a_service_never_touches_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    alone = runs.prepare(SETTING, tmp_path / "alone")
    assert run(alone) == 0
    with service(kind) as address:
        monkeypatch.setenv("WANDB_BASE_URL", address)
        monkeypatch.setenv("WANDB_MODE", "online")
        monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
        if kind == "no key":
            monkeypatch.delenv("WANDB_API_KEY", raising=False)
        else:
            monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        followed = runs.prepare(SETTING, tmp_path / "followed", "logger=wandb", "logger.send_seconds=1")
        assert run(followed) == 0
        ended = time.time()
        assert runs.differing(alone.folder, followed.folder) == []
        finished = (followed.folder / "status.json").stat().st_mtime
    assert ended - finished < 10.0  # it waits for the side process for two seconds at most
