import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.records import files


def test_a_crash_before_the_rename_leaves_the_old_content_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    files.write_atomic(path, b"old")

    def crash(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["status.json"]


def test_a_killed_writer_leaves_the_old_content_and_its_litter_is_cleaned(tmp_path):
    path = tmp_path / "status.json"
    files.write_atomic(path, b"old")
    if (child := os.fork()) == 0:
        os.replace = lambda *_: os._exit(9)
        files.write_atomic(path, b"new")
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert path.read_bytes() == b"old"
    assert len(os.listdir(tmp_path)) == 2
    (tmp_path / "keep.tmp").touch()
    files.clean_temporaries(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["keep.tmp", "status.json"]


def test_a_missing_folder_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.write_atomic(tmp_path / "gone" / "status.json", b"content")
    assert os.listdir(tmp_path) == []


def test_content_reaches_the_disk_before_the_name_does(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append("fsync"), fsync(descriptor)))
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("replace"), replace(*names)))
    files.write_atomic(tmp_path / "a", b"content")
    assert calls == ["fsync", "replace", "fsync"]


def test_a_written_file_has_the_permissions_of_an_ordinary_one(tmp_path):
    (tmp_path / "ordinary").touch()
    files.write_atomic(tmp_path / "written", b"")
    assert (tmp_path / "written").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_json_reads_back(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("json") / "value.json"
    files.write_json(path, value)
    assert files.read_json(path) == (value, "")


def test_json_is_strict_and_takes_what_configs_hold(tmp_path):
    path = tmp_path / "value.json"
    files.write_json(
        path,
        {"inf": float("inf"), "nan": np.float64("nan"), "three": np.int64(3), "set": {"b", "a"}, "path": Path("x")},
    )

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads(path.read_text(), parse_constant=refuse)
    assert found == {"inf": "inf", "nan": "nan", "three": 3, "set": ["a", "b"], "path": "x"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not valid JSON"),
        (b'{"state": "runn', "is not valid JSON"),
        (b"\x80\x81\x00", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b"[1]", "is not a JSON object"),
        (b"{" + b" " * files.JSON_LIMIT + b"}", "is too large"),
    ],
    ids=["empty", "cut", "binary", "deep", "list", "huge"],
)
def test_unreadable_json_is_a_reason_not_an_error(tmp_path, content, reason):
    path = tmp_path / "value.json"
    path.write_bytes(content)
    value, said = files.read_json(path)
    assert value is None
    assert said.startswith("value.json ") and reason in said


def test_what_is_no_file_is_a_reason_not_a_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "folder", "loop", "missing"):
        value, reason = files.read_json(tmp_path / name)
        assert value is None and name in reason


@given(st.text())
def test_one_line_is_one_printable_line(text):
    line = files.one_line(text, 40)
    assert len(line) <= 40
    assert line.isprintable()
    assert len(line.splitlines()) <= 1
