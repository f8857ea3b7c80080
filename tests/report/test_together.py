"""Tables that are parsed by one call say what they say when they are parsed one by one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_folders import write_study

from rewardlab.report.helpers import Helpers
from rewardlab.report.reading import collection
from rewardlab.report.reading.collection import find_runs, read_found
from rewardlab.report.reading.plain import Unreadable, parse_table, plain_ends
from rewardlab.report.reading.together import parse_together

REQUIRED = ("a",)
ordinary = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers().map(str) | st.just("")
# Of the letters of numbers, whether they are one or not, and very long ones.
lookalike = st.text("0123456789.e+-", max_size=6) | st.builds(
    lambda digits, times, exponent: f"{digits * times}.{digits * times}{exponent}",
    st.text("0123456789", min_size=1, max_size=8),
    st.integers(1, 90),
    st.sampled_from(["", "e-330", "e-5", "e300", "e+99999"]),
)
odd = st.sampled_from(
    ["nan", "inf", "-inf", "1_000", " 7 ", "\uff11", "0x1", '"0.5"', "\x1c1", "1\x00", "abc", "1\r2", "NA", "#1"]
)
header = st.sampled_from(["a,b,c", "\ufeffa,b,c", "b,a,b", "a,a", "a", "b,c", "", "a,c ", '"a",b', "a,b\rc"])


@st.composite
def table(draw, cells):
    names = draw(header)
    width = names.count(",") + 1
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), max_size=6))
    if draw(st.integers(0, 4)) == 0:  # a line that is not like the others
        rows.insert(draw(st.integers(0, len(rows))), draw(st.lists(cells, max_size=4)))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = end.join([names, *map(",".join, rows), ""])
    content = text.encode()
    return content[: draw(st.sampled_from([len(content), len(content), len(content) - 3]))]


def alone(content):
    try:
        return parse_table(content, "eval.csv", "bc".__contains__, REQUIRED, whole=True)
    except Unreadable:
        return None


def bits(columns):
    return {name: column.tobytes() for name, column in columns.items()}


@settings(max_examples=1000, deadline=None)
@given(st.lists(table(ordinary) | table(ordinary | lookalike) | table(ordinary | odd), max_size=8))
def test_together_is_one_by_one(contents):
    for content, known in zip(contents, parse_together(contents, "bc".__contains__, REQUIRED), strict=True):
        if known is not None:
            expected = alone(content)
            assert expected is not None and list(known) == list(expected)
            np.testing.assert_equal(known, expected)
            # NaN is NaN; everything else is the same to the last bit, the sign of zero, too.
            assert bits({n: np.nan_to_num(c, nan=0.5) for n, c in known.items()}) == bits(
                {n: np.nan_to_num(c, nan=0.5) for n, c in expected.items()}
            )


def test_ordinary_tables_are_parsed_together():
    contents = [b"a,b\n1,0.1\n2,\n", b"a,b\r\n-0.0,1e400\r\n", b"a,c\n3,4\n"]
    first, second, third = parse_together(contents, "bc".__contains__, REQUIRED)
    np.testing.assert_equal(first, {"a": [1.0, 2.0], "b": [0.1, np.nan]})
    np.testing.assert_equal(second, {"a": [-0.0], "b": [np.inf]})
    np.testing.assert_equal(third, {"a": [3.0], "c": [4.0]})


@pytest.mark.parametrize(
    "other", [b"a,b\n1,x\n", b"a,b\n1,2\n\n3,4\n", b"a,b\n1,2,3\n4\n", b"a,b\n1,2\r3\n", b"a,b\n1,2", b"a,b\n1,2\n3"]
)
def test_a_table_that_is_out_of_the_ordinary_costs_the_others_nothing(other):
    known, none, last = parse_together([b"a,b\n1,0.1\n", other, b"a,b\n,4\n"], "bc".__contains__, REQUIRED)
    assert none is None
    np.testing.assert_equal(known, {"a": [1.0], "b": [0.1]})
    np.testing.assert_equal(last, {"a": [np.nan], "b": [4.0]})


def test_a_cell_that_is_no_number_sends_all_of_its_header_the_long_way():
    assert parse_together([b"a,b\n1,0.1\n", b"a,b\n1,1-2\n"], "bc".__contains__, REQUIRED) == [None, None]


@given(st.text("1\r\n", max_size=12).map(str.encode))
def test_line_ends(content):
    assert plain_ends(content) == content.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("held", [1, 2000])
def test_runs_are_the_same_however_many_are_held_at_once(tmp_path, monkeypatch, held):
    write_study(tmp_path)
    for place, run in enumerate(sorted(tmp_path.rglob("eval.csv"))):
        if place % 3 == 0:
            run.write_bytes(run.read_bytes()[: -place - 1])
    found = [replace(each, stamp=None) for each in find_runs([("", tmp_path)])]  # nothing is kept for the second time
    together = read_found(found, Helpers())
    monkeypatch.setattr(collection, "_HELD_AT_ONCE", held)
    parted = read_found(found)
    assert together.problems == parted.problems and together.problems
    assert [run.name for run in together.runs] == [run.name for run in parted.runs] and together.runs
    for one, other in zip(together.runs, parted.runs, strict=True):
        np.testing.assert_equal(vars(one.evaluations), vars(other.evaluations))
