import collections
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.records.store import RunStore

ROOT = Path(__file__).parents[2]


def test_making_a_store_writes_nothing(tmp_path):
    store = RunStore(tmp_path / "run")
    assert store.manifest() is None
    assert store.load_checkpoint() is None
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_reads_back_exactly(tmp_path):
    torch.manual_seed(0)
    state = {
        "weights": {"w": torch.randn(3, 4), "n": torch.tensor(7, dtype=torch.int64), "b": torch.tensor([True, False])},
        "generator": torch.Generator().get_state(),
        "lengths": [1, 2.5, "three", None, True, (4, 5)],
        "nested": {"0": {"numbers": {1: -0.0}}},
    }
    store = RunStore(tmp_path)
    store.save_checkpoint(state)
    found = store.load_checkpoint()
    assert torch.equal(found["weights"]["w"], state["weights"]["w"])
    assert found["weights"]["n"].dtype == torch.int64 and int(found["weights"]["n"]) == 7
    assert torch.equal(found["generator"], state["generator"])
    assert found["lengths"] == state["lengths"] and isinstance(found["lengths"][5], tuple)
    assert str(found["nested"]) == str(state["nested"])


def test_a_module_state_becomes_a_plain_dict(tmp_path):
    store = RunStore(tmp_path)
    layer = torch.nn.Linear(2, 3)
    store.save_policy({"layer": layer.state_dict(), "ordered": collections.OrderedDict(a=1)})
    found = store.load_policy()
    assert type(found["layer"]) is dict and type(found["ordered"]) is dict
    assert torch.equal(found["layer"]["weight"], layer.weight)
    assert store.load_checkpoint() is None


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (np.float64(1.0), "state.a.b.* is a float64"),
        (np.zeros(2), "state.a.b.* is a ndarray"),
        ({(1, 2): 3}, "a key of state.a.b.* is a tuple"),
        ({1, 2}, "state.a.b.* is a set"),
        (torch.float32, "state.a.b.* is a dtype"),
    ],
)
def test_what_would_not_load_is_refused_by_its_place(tmp_path, value, named):
    store = RunStore(tmp_path)
    store.save_checkpoint({"old": 1})
    with pytest.raises(TypeError, match=named):
        store.save_checkpoint({"a": {"b": [value]}})
    assert store.load_checkpoint() == {"old": 1}


def test_a_crash_while_saving_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    store = RunStore(tmp_path)
    store.save_checkpoint({"frames": 1})

    def crash(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="No space left"):
        store.save_checkpoint({"frames": 2})
    assert store.load_checkpoint() == {"frames": 1}
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


def test_foreign_checkpoints_are_refused_unexecuted_and_named_in_the_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = RunStore(tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.pt"
    path.parent.mkdir()
    torch.save({"format": 1, "state": {"a": Evil()}}, path)
    assert store.load_checkpoint() is None
    path.write_bytes(pickle.dumps(Evil(), protocol=2))
    assert store.load_checkpoint() is None
    assert not (tmp_path / "executed").exists()
    torch.save({"weights": 1}, path)
    assert store.load_checkpoint() is None
    torch.save({"format": 999, "state": {}}, path)
    assert store.load_checkpoint() is None
    lines = (tmp_path / "run" / "run.log").read_text().splitlines()
    assert len(lines) == 4
    assert "is not from rewardlab" in lines[2]
    assert "has format 999; this version reads 2" in lines[3]


def test_texts_and_json_files(tmp_path):
    store = RunStore(tmp_path / "run")
    store.write_config("env: {id: ä}\n")
    store.write_manifest({"run_id": "r", "config": {"env.levels": float("inf")}})
    store.write_summary({"final_return": 0.5, "frames_to_90": None})
    store.log("first\n")
    store.log("second")
    folder = tmp_path / "run"
    assert (folder / "config.yaml").read_text(encoding="utf-8") == "env: {id: ä}\n"
    assert store.manifest() == {"run_id": "r", "config": {"env.levels": "inf"}}
    assert json.loads((folder / "summary.json").read_text()) == {"final_return": 0.5, "frames_to_90": None}
    assert [line.split(" ", 1)[1] for line in (folder / "run.log").read_text().splitlines()] == ["first", "second"]


def test_locking_cleans_what_a_killed_writer_left(tmp_path):
    litter = tmp_path / ".checkpoint.pt.123.tmp"
    litter.write_bytes(b"half")
    with RunStore(tmp_path).lock():
        assert not litter.exists()


def test_a_folder_that_is_removed_during_a_write_is_named_and_not_made_again(tmp_path, monkeypatch):
    store = RunStore(tmp_path / "run")
    fsync = os.fsync

    def move_away(descriptor):
        if store.folder.exists():
            store.folder.rename(tmp_path / "away")
        fsync(descriptor)

    with store.lock():
        monkeypatch.setattr(os, "fsync", move_away)
        with pytest.raises(FileNotFoundError, match="the run's folder was removed while it ran"):
            store.write_config("frames: 1")
    assert os.listdir(tmp_path) == ["away"]


def test_clear_removes_the_run_and_nothing_else(tmp_path):
    store = RunStore(tmp_path / "run")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "feed.json").touch()
    store.set_status("finished", 1)
    store.write_manifest({})
    store.save_checkpoint({})
    (store.folder / "train.csv").touch()
    (store.folder / "tensorboard").mkdir()
    (store.folder / "tensorboard" / "feed.json").touch()
    (store.folder / "wandb").symlink_to(outside)
    (store.folder / "notes.txt").write_text("mine")
    (store.folder / "plots").mkdir()
    with store.lock():
        store.clear()
        assert sorted(os.listdir(store.folder)) == ["lock", "notes.txt", "plots", "wandb"]
    assert (outside / "feed.json").exists()


def test_the_driver_reads_records_without_torch():
    code = (
        "import sys; from pathlib import Path\n"
        "from rewardlab.records import continuation, manifest, progress, store, table\n"
        "from rewardlab.records.loggers import feed, none, tensorboard, wandb\n"
        "continuation.decide(Path(sys.argv[1]), False); store.RunStore(Path(sys.argv[1])).manifest()\n"
        "print([name for name in ('torch', 'numpy', 'pandas', 'hydra', 'rich') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "/nowhere"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert done.stdout == "[]\n"
