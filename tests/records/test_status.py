import errno
import json
from datetime import UTC, datetime

import pytest

from rewardlab.records.status import KINDS, STATES, Status, failure_kind, read_status, write_status


@pytest.mark.parametrize("state", STATES)
def test_a_status_reads_back(tmp_path, state):
    before = datetime.now(UTC)
    write_status(tmp_path, state, 4096)
    status, reason = read_status(tmp_path)
    assert reason == ""
    assert (status.state, status.frames, status.error) == (state, 4096, None)
    assert abs((datetime.fromisoformat(status.updated_at) - before).total_seconds()) < 10


def test_an_error_is_one_line(tmp_path):
    write_status(tmp_path, "failed", 1, ValueError("bad\n  value\there\x1b[31m"))
    status, _ = read_status(tmp_path)
    assert status.error == "ValueError: bad value here [31m"
    assert status.kind == "error"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_is_told_from_an_error(number, tmp_path):
    assert failure_kind(OSError(number, "disk"), tmp_path) == "storage"
    wrapped = RuntimeError("could not save")
    wrapped.__cause__ = OSError(number, "disk")
    assert failure_kind(wrapped, tmp_path) == "storage"
    assert failure_kind(OSError(errno.ENOENT, "no file"), tmp_path) == "error"
    assert failure_kind(ZeroDivisionError(), tmp_path) == "error"


def test_a_folder_that_is_gone_or_not_ours_is_the_disks_doing(tmp_path):
    for number in (errno.ENOENT, errno.EACCES):
        assert failure_kind(OSError(number, "gone", str(tmp_path / "train.csv")), tmp_path) == "storage"
        assert failure_kind(OSError(number, "gone", "/elsewhere"), tmp_path) == "error"


def test_only_failures_have_a_kind_by_default(tmp_path):
    write_status(tmp_path, "diverged", 1, FloatingPointError("loss is nan"))
    assert read_status(tmp_path)[0].kind is None
    for kind in KINDS:
        write_status(tmp_path, "failed", 1, "text", kind)
        assert read_status(tmp_path)[0].kind == kind


def test_unknown_words_are_refused(tmp_path):
    with pytest.raises(ValueError, match="allowed are finished"):
        write_status(tmp_path, "done", 1)
    with pytest.raises(ValueError, match="allowed are error"):
        write_status(tmp_path, "failed", 1, "text", "bad luck")
    assert not (tmp_path / "status.json").exists()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"state": "done", "frames": 1},
        {"state": ["running"], "frames": 1},
        {"state": "running"},
        {"state": "running", "frames": -1},
        {"state": "running", "frames": True},
        {"state": "running", "frames": "1"},
    ],
)
def test_a_strange_status_is_a_reason_not_an_error(tmp_path, content):
    (tmp_path / "status.json").write_text(json.dumps(content))
    status, reason = read_status(tmp_path)
    assert status is None
    assert reason.startswith("status.json: ")


def test_strange_details_do_not_hide_a_state(tmp_path):
    content = {"state": "failed", "frames": 3, "error": {"a": 1}, "updated_at": 7, "kind": "?", "more": 1}
    (tmp_path / "status.json").write_text(json.dumps(content))
    assert read_status(tmp_path) == (Status("failed", 3, None, "", None), "")
