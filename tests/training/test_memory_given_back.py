"""Memory that a run freed goes back to the system with its checkpoints."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from rewardlab.cli import main
from rewardlab.machine import give_back_memory
from rewardlab.training import loop


def resident() -> int:
    """Bytes of this process that lie in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other C libraries give memory back by themselves")
def test_what_lies_between_what_lives_is_given_back() -> None:
    arrays = [np.ones(100_000, dtype=np.uint8) for _ in range(2_000)]
    few = arrays[::100]
    del arrays
    before = resident()
    assert give_back_memory()
    assert before - resident() > 100e6
    assert all(each.all() for each in few)


def test_a_run_gives_back_with_its_checkpoints_and_learns_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[bool] = []
    monkeypatch.setattr(loop, "give_back_memory", lambda: given.append(give_back_memory()))
    tables = []
    for seconds, most in ((-1.0, True), (3600.0, False)):
        monkeypatch.setattr(loop, "_TRIM_SECONDS", seconds)
        folder = tmp_path / str(most)
        short = ["frames=4096", "num_envs=8", "eval.every=4096", "eval.episodes=2", "checkpoint.every=1024"]
        assert main(["run", "env=doorkey_5x5", *short, f"results_dir={folder}"]) == 0
        assert (len(given) >= 2) == most
        given.clear()
        (table,) = folder.rglob("eval.csv")
        tables.append([line.split(",")[3:] for line in table.read_text().splitlines()])
    assert tables[0] == tables[1]
