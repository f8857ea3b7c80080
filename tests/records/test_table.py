import csv
import math
import os
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.records.table import Table, TableMismatch, read_columns

COLUMNS = ("frames", "return_mean", "loss/policy")
numbers = st.none() | st.floats() | st.integers(-(2**53), 2**53)
rows = st.lists(st.fixed_dictionaries({}, optional={name: numbers for name in COLUMNS}), max_size=8)


def same(found: float, given: float | None) -> bool:
    wanted = math.nan if given is None else float(given)
    return math.isnan(found) if math.isnan(wanted) else found == wanted


@settings(max_examples=50, deadline=None)
@given(rows)
def test_rows_read_back_exactly(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("table") / "train.csv"
    with closing(Table(path, COLUMNS)) as table:
        for row in rows:
            table.append(row)
    found = read_columns(path)
    assert tuple(found) == COLUMNS
    for name in COLUMNS:
        assert len(found[name]) == len(rows)
        assert all(same(cell, row.get(name)) for cell, row in zip(found[name], rows, strict=True))


@settings(max_examples=50, deadline=None)
@given(rows, rows, rows)
def test_continuation_cuts_back_to_the_checkpoint(tmp_path_factory, before, lost, after):
    folder = tmp_path_factory.mktemp("table")
    with closing(Table(folder / "unbroken.csv", COLUMNS)) as table:
        for row in before + after:
            table.append(row)
    table = Table(folder / "train.csv", COLUMNS)
    for row in before:
        table.append(row)
    kept = table.sync()
    assert kept == (folder / "train.csv").stat().st_size
    for row in lost:
        table.append(row)
    table.close()
    with closing(Table(folder / "train.csv", COLUMNS, keep_bytes=kept)) as table:
        for row in after:
            table.append(row)
        assert table.sync() == (folder / "train.csv").stat().st_size
    assert (folder / "train.csv").read_bytes() == (folder / "unbroken.csv").read_bytes()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(min_size=1).filter(lambda name: "\r" not in name), min_size=1, unique=True))
def test_any_column_name_survives(tmp_path_factory, columns):
    path = tmp_path_factory.mktemp("table") / "train.csv"
    try:
        "".join(columns).encode()
    except UnicodeEncodeError:
        return
    with closing(Table(path, columns)) as table:
        table.append({columns[-1]: 0.1})
    with open(path, newline="", encoding="utf-8") as file:
        found = list(csv.reader(file))
    assert found == [columns, [""] * (len(columns) - 1) + ["0.1"]]


def test_the_bytes_of_a_row(tmp_path):
    with closing(Table(tmp_path / "t.csv", ("a", "b", "c", "d", "e", "f"))) as table:
        table.append({"a": 1, "b": 0.1, "c": np.float32(0.1), "d": float("nan"), "f": True})
        table.append({"a": np.int64(2), "b": -0.0, "c": 1e300, "d": None, "e": float("inf"), "f": np.True_})
    assert (tmp_path / "t.csv").read_bytes() == b"a,b,c,d,e,f\n1,0.1,0.10000000149011612,,,1\n2,-0.0,1e+300,,inf,1\n"


def test_a_row_is_in_the_file_as_soon_as_it_is_appended(tmp_path):
    table = Table(tmp_path / "t.csv", ("a",))
    table.append({"a": 1})
    assert (tmp_path / "t.csv").read_text() == "a\n1\n"
    table.close()


def test_what_was_not_declared_is_refused_and_writes_nothing(tmp_path):
    with closing(Table(tmp_path / "t.csv", ("a",))) as table:
        with pytest.raises(KeyError, match=r"t\.csv has no column b"):
            table.append({"a": 1, "b": 2})
        with pytest.raises(TypeError, match="column a"):
            table.append({"a": "text"})
    assert (tmp_path / "t.csv").read_text() == "a\n"
    with pytest.raises(ValueError, match="each once"):
        Table(tmp_path / "t.csv", ("a", "a"))


def test_a_new_table_replaces_an_old_one(tmp_path):
    (tmp_path / "t.csv").write_text("something else\n1\n2\n")
    Table(tmp_path / "t.csv", ("a",)).close()
    assert (tmp_path / "t.csv").read_text() == "a\n"


@pytest.mark.parametrize(
    ("content", "keep_bytes", "reason"),
    [
        (None, 4, "missing"),
        ("a\n1\n", 9, "the checkpoint counts 9"),
        ("b\n1\n", 4, "other columns"),
        ("a\n10\n", 3, "no end of a row"),
        ("a\n1\n", 0, "no end of a row"),
    ],
)
def test_a_table_that_the_checkpoint_does_not_know_is_left_alone(tmp_path, content, keep_bytes, reason):
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TableMismatch, match=reason):
        Table(path, ("a",), keep_bytes=keep_bytes)
    assert (path.read_text() if path.exists() else None) == content


def test_a_full_disk_leaves_no_half_row(tmp_path):
    table = Table(tmp_path / "t.csv", ("a", "b"))
    table.append({"a": 1, "b": 2})

    class FullDisk:
        """Takes three bytes more, then no more."""

        def __init__(self, file):
            self.file = file
            self.room = 3

        def write(self, content):
            if not self.room:
                raise OSError(28, "No space left on device")
            taken = self.file.write(bytes(content)[: self.room])
            self.room = 0
            return taken

        def __getattr__(self, name):
            return getattr(self.file, name)

    real = table._file
    table._file = FullDisk(real)
    with pytest.raises(OSError, match="No space left"):
        table.append({"a": 1111, "b": 2222})
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,2\n"
    table._file = real
    table.append({"a": 3, "b": 4})
    table.close()
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,2\n3,4\n"


def test_sync_reaches_the_disk(tmp_path, monkeypatch):
    synced = []
    table = Table(tmp_path / "t.csv", ("a",))
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    table.sync()
    assert synced == [(tmp_path / "t.csv").stat().st_ino]


def test_reading_leaves_out_an_unfinished_line_and_refuses_what_is_no_table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,")
    assert read_columns(path) == {"a": [1.0], "b": [2.0]}
    for content, reason in (("", "no header"), ("a,b\n1\n", "different lengths"), ("a\nx\n", "could not convert")):
        path.write_text(content)
        with pytest.raises(ValueError, match=reason):
            read_columns(path)
