"""The process beside a run that feeds a service: it sends every row once, ends with the run and never touches it."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from feeds import SECONDS, TRAIN, USER_LOGGER, append, begin, ended, sent, wait_until

from rewardlab import discovery
from rewardlab.records.loggers import none, side, tensorboard
from rewardlab.records.status import read_status
from rewardlab.records.table import Table

ROOT = Path(__file__).parents[2]
EVAL = ("frames", "return_mean")


def test_tensorboard_gets_every_row_once_over_two_sessions(tmp_path):
    store = begin(tmp_path)
    with store.lock():
        process = tensorboard.start(tensorboard.Config(), tmp_path)
        train, evaluation = Table(tmp_path / "train.csv", TRAIN), Table(tmp_path / "eval.csv", EVAL)
        append(evaluation, 0)
        append(train, 100)
        train.append({"frames": 200, "return_mean": 0.2, "loss/policy": -1.5})
        kept = train.sync()
        append(train, 300)
        train.close()
        store.set_status("interrupted", 300)
        assert process.finish(SECONDS)
    first = [
        ("eval/return_mean", 0, 0.0),
        ("train/return_mean", 100, 0.1),
        ("train/return_mean", 200, 0.2),
        ("loss/policy", 200, -1.5),
        ("train/return_mean", 300, 0.3),
    ]
    assert sent(tmp_path) == first
    with store.lock():  # continued from row 200
        train = Table(tmp_path / "train.csv", TRAIN, keep_bytes=kept)
        process = tensorboard.start(tensorboard.Config(), tmp_path)
        store.set_status("running", 200)
        append(train, 300, 400)
        append(evaluation, 400)
        store.set_status("finished", 400)
        assert process.finish(SECONDS)
    assert sorted(sent(tmp_path)) == sorted([*first, ("train/return_mean", 400, 0.4), ("eval/return_mean", 400, 0.4)])
    store.clear()  # overwrite=true: a run of another id sends everything anew
    assert not (tmp_path / "tensorboard").exists()


def test_an_overwritten_run_is_sent_anew_even_if_an_old_position_survived(tmp_path):
    store = begin(tmp_path, "abc-0-2")
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "position.json").write_text('{"run_id": "abc-0-1", "train": 900, "eval": 900}')
    with closing(Table(tmp_path / "train.csv", TRAIN)) as train:
        append(train, 100)
    process = tensorboard.start(tensorboard.Config(), tmp_path)
    store.set_status("finished", 100)
    assert process.finish(SECONDS)
    assert sent(tmp_path) == [("train/return_mean", 100, 0.1)]


def test_the_status_alone_ends_a_feed_and_an_earlier_end_does_not(tmp_path):
    store = begin(tmp_path)
    store.set_status("interrupted", 0)
    time.sleep(0.01)
    process = tensorboard.start(tensorboard.Config(), tmp_path)
    with closing(Table(tmp_path / "train.csv", TRAIN)) as train:
        append(train, 100)
        assert wait_until(lambda: (tmp_path / "tensorboard" / "position.json").exists())
        assert not ended(process.pid)
        append(train, 200)
    store.set_status("failed", 200, "error")
    assert wait_until(lambda: ended(process.pid))
    assert [step for _, step, _ in sent(tmp_path)] == [100, 200]


@pytest.mark.parametrize("holder", ["store.lock()", "contextlib.nullcontext()"], ids=["locked", "process only"])
def test_a_feed_ends_when_its_run_was_killed(tmp_path, holder):
    code = """
        import contextlib, os, sys, time
        from pathlib import Path
        from rewardlab.records.loggers import tensorboard
        from rewardlab.records.store import RunStore
        from rewardlab.records.table import Table
        folder = Path(sys.argv[1])
        store = RunStore(folder)
        with HOLDER:
            store.write_manifest({"run_id": "killed"})
            store.set_status("running", 0)
            print(tensorboard.start(tensorboard.Config(), folder).pid, flush=True)
            table = Table(folder / "train.csv", ("frames", "return_mean"))
            table.append({"frames": 1, "return_mean": 0.5})
            while not (folder / "tensorboard" / "position.json").exists():
                time.sleep(0.05)
            table.append({"frames": 2, "return_mean": 0.25})
            os.kill(os.getpid(), 9)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code).replace("HOLDER", holder), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
    )
    assert run.returncode == -signal.SIGKILL
    assert wait_until(lambda: ended(int(run.stdout)))
    assert read_status(tmp_path)[0].state == "running"
    assert sent(tmp_path) == [("train/return_mean", 1, 0.5), ("train/return_mean", 2, 0.25)]


def test_a_feed_ends_when_the_lock_is_free_though_its_process_lives(tmp_path):
    store = begin(tmp_path)
    with store.lock():
        process = tensorboard.start(tensorboard.Config(), tmp_path)
        assert wait_until(lambda: "sending" in (tmp_path / "tensorboard" / "feed.log").read_text())
        time.sleep(1.5)
        assert not ended(process.pid)
    assert wait_until(lambda: ended(process.pid))


def test_a_feed_lives_apart_from_its_run(tmp_path):
    store = begin(tmp_path)
    process = tensorboard.start(tensorboard.Config(), tmp_path)
    found = psutil.Process(process.pid)
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    assert wait_until(lambda: found.nice() > psutil.Process().nice() or found.nice() == 19)
    store.set_status("finished", 0)
    assert process.finish(SECONDS)


def test_a_later_feed_takes_over(tmp_path):
    store = begin(tmp_path)
    with closing(Table(tmp_path / "train.csv", TRAIN)) as train:
        append(train, 100)
    old = tensorboard.start(tensorboard.Config(), tmp_path)
    assert wait_until(lambda: (tmp_path / "tensorboard" / "position.json").exists())
    new = tensorboard.start(tensorboard.Config(), tmp_path)
    assert wait_until(lambda: ended(old.pid))
    assert not ended(new.pid)
    store.set_status("finished", 100)
    assert new.finish(SECONDS)
    assert sent(tmp_path) == [("train/return_mean", 100, 0.1)]


@pytest.mark.parametrize("hang", [False, True])
def test_a_service_that_fails_or_hangs_never_touches_the_run(tmp_path, monkeypatch, hang):
    loggers = tmp_path / "user" / "records" / "loggers"
    loggers.mkdir(parents=True)
    (loggers / "mine.py").write_text(USER_LOGGER)
    monkeypatch.setenv("REWARDLAB_PATH", str(tmp_path / "user"))
    module = discovery.load("logger", "mine")
    folder = tmp_path / "run"
    store = begin(folder)
    with store.lock():
        process = module.start(module.Config(hang=hang), folder)
        with closing(Table(folder / "train.csv", TRAIN)) as train:
            append(train, 100)
        assert wait_until(lambda: "sending" in (folder / "mine" / "feed.log").read_text())
        store.set_status("finished", 100)
        started = time.monotonic()
        assert not process.finish(0.2 if hang else SECONDS)
        assert not hang or time.monotonic() - started < 5
    assert wait_until(lambda: ended(process.pid))
    log = (folder / "mine" / "feed.log").read_text()
    assert ("given up" if hang else "ConnectionError: the service is gone") in log
    assert read_status(store.folder)[0].state == "finished"


def test_a_feed_that_cannot_be_started_is_no_error(tmp_path, monkeypatch):
    store = begin(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    assert tensorboard.start(tensorboard.Config(), tmp_path) is None
    assert read_status(store.folder)[0].state == "running"


def test_none_starts_nothing(tmp_path):
    assert none.start(none.Config(), tmp_path) is None
    assert side.logger_folders(tmp_path) == [] and list(tmp_path.iterdir()) == []
