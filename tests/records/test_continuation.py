import errno

import pytest

from rewardlab.records.continuation import decide
from rewardlab.records.store import RunStore

ERROR = ValueError("shapes differ")
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("state", "error", "kind", "checkpoint", "action", "words"),
    [
        (None, None, None, False, "start", "a new run"),
        (None, None, None, True, "start", "a new run"),
        ("finished", None, None, True, "skip", "finished already, 700 frames"),
        ("finished", None, None, False, "skip", "results_dir="),
        ("running", None, None, True, "continue", "killed after frame 700"),
        ("running", None, None, False, "start", "no checkpoint"),
        ("interrupted", None, None, True, "continue", "interrupted at frame 700"),
        ("interrupted", None, None, False, "start", "no checkpoint"),
        ("paused", None, None, True, "continue", "paused at frame 700"),
        ("paused", None, None, False, "start", "no checkpoint"),
        ("failed", FULL, None, True, "continue", "could not write"),
        ("failed", FULL, None, False, "start", "could not write"),
        ("failed", "signal 9", "killed", True, "continue", "killed after frame 700"),
        ("failed", ERROR, None, True, "continue", "ValueError: shapes differ), tried again"),
        ("failed", ERROR, None, False, "start", "ValueError: shapes differ), tried again"),
        ("diverged", "loss is nan", None, True, "diverged", "frame 700 (loss is nan)"),
        ("diverged", None, None, False, "diverged", "overwrite=true"),
    ],
)
def test_what_becomes_of_a_run(tmp_path, state, error, kind, checkpoint, action, words, overwrite):
    store = RunStore(tmp_path / "run")
    if checkpoint:
        store.save_checkpoint({"frames": 700})
    if state is not None:
        store.set_status(state, 700, error, kind)
    decision = decide(store.folder, overwrite)
    assert decision.action == ("start" if overwrite else action)
    assert "\n" not in decision.reason
    if not overwrite:
        assert words in decision.reason
    with store.lock():
        assert decide(store.folder, overwrite).action == "locked"
        assert decide(store.folder, overwrite).reason.startswith("left to process ")
        assert decide(store.folder, overwrite, held=True) == decision


@pytest.mark.parametrize(
    ("pause_at", "action"), [(700, "paused"), (600, "paused"), (701, "continue"), (None, "continue")]
)
def test_a_paused_run_goes_on_where_more_is_wanted(tmp_path, pause_at, action):
    store = RunStore(tmp_path / "run")
    store.save_checkpoint({"frames": 700})
    store.set_status("paused", 700)
    decision = decide(store.folder, overwrite=False, pause_at=pause_at)
    assert decision.action == action
    assert decision.settled == (None if action == "continue" else "skipped")
    assert decide(store.folder, overwrite=True, pause_at=pause_at).action == "start"


def test_deciding_writes_nothing(tmp_path):
    assert decide(tmp_path / "run", overwrite=True).action == "start"
    assert decide(tmp_path / "run", overwrite=False).action == "start"
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_status_is_named_and_the_checkpoint_used(tmp_path):
    (tmp_path / "status.json").write_text('{"state": "fini')
    decision = decide(tmp_path, overwrite=False)
    assert (decision.action, "not valid JSON" in decision.reason) == ("start", True)
    RunStore(tmp_path).save_checkpoint({})
    assert decide(tmp_path, overwrite=False).action == "continue"


@pytest.mark.parametrize("content", [b"", b"rubbish", None])
def test_a_damaged_checkpoint_is_none(tmp_path, content):
    store = RunStore(tmp_path)
    store.set_status("interrupted", 700)
    store.save_checkpoint({"many": list(range(1000))})
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    decision = decide(tmp_path, overwrite=False)
    assert (decision.action, decision.exit_code) == ("damaged", 1)
    assert "checkpoint.pt is damaged" in decision.reason and "overwrite=true" in decision.reason
    assert decide(tmp_path, overwrite=True).keep
    assert store.load_checkpoint() is None
    store.set_status("finished", 700)
    assert decide(tmp_path, overwrite=False).action == "skip"  # it needs none any more
