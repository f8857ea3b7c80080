"""wandb: what it is sent, under which id, and when it is online."""

import json
import time
from contextlib import closing

import pytest
from feeds import SECONDS, TRAIN, append, begin

from rewardlab.records.loggers import wandb
from rewardlab.records.table import Table

pytestmark = pytest.mark.usefixtures("nobody_is_logged_in")


def test_wandb_writes_offline_files_and_keeps_its_id_when_continued(tmp_path):
    store = begin(tmp_path)
    identity = wandb.wandb_id(store.manifest(), tmp_path)
    for session, frames in enumerate(((123, 234), (234, 345))):
        with store.lock():
            store.set_status("running", 0)
            process = wandb.start(wandb.Config(project="p", tags=["tagged"]), tmp_path)
            with closing(Table(tmp_path / "train.csv", TRAIN)) as train:
                append(train, *frames)
            store.write_summary({"final_return": 0.75, "frames_to_90": None})
            store.set_status("interrupted" if session == 0 else "finished", frames[-1])
            assert process.finish(SECONDS), (tmp_path / "wandb" / "feed.log").read_text()
        time.sleep(1)  # wandb names its folders by the second
    first, second = (path.read_bytes() for path in sorted(tmp_path.glob(f"wandb/offline-run-*-{identity}/run-*.wandb")))
    for content in (first, second):
        for text in (b"train/return_mean", b"doorkey/rnd/ppo/seed0", b"tagged", b"final_return", b"a.b"):
            assert text in content
    assert [number in first for number in (b"0.123", b"0.234", b"0.345")] == [True, True, False]
    assert [number in second for number in (b"0.123", b"0.234", b"0.345")] == [False, False, True]
    position = json.loads((tmp_path / "wandb" / "position.json").read_text())
    assert position == {"run_id": "abc-0-1", "train": 345, "eval": -1}


def test_a_run_that_is_overwritten_gets_another_wandb_id(tmp_path):
    ids = {wandb.wandb_id({"run_id": run_id}, tmp_path) for run_id in ("abc-0-1", "abc-0-2", "abc-1-1")}
    assert len(ids) == 3
    assert all(len(identity) == 16 and identity.isalnum() for identity in ids)


def test_wandb_is_online_only_for_who_is_logged_in(monkeypatch, tmp_path):
    assert wandb.resolve_mode("auto") == "offline"
    assert wandb.resolve_mode("online") == "online"
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    netrc.write_text("machine elsewhere.org login user password secret\n")
    assert wandb.resolve_mode("auto") == "offline"
    netrc.write_text("machine api.wandb.ai login user password secret\n")
    assert wandb.resolve_mode("auto") == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org:8080/")
    assert wandb.resolve_mode("auto") == "offline"
    netrc.write_text("this is no netrc file\n")
    assert wandb.resolve_mode("auto") == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "key")
    assert wandb.resolve_mode("auto") == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb.resolve_mode("auto") == "disabled"
    assert wandb.start(wandb.Config(), tmp_path) is None
    assert list(tmp_path.iterdir()) == [netrc]
