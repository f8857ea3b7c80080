from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.records.loggers.tail import Tail
from rewardlab.records.table import Table

COLUMNS = ("frames", "wall_seconds")
# What happens to a table between two looks: rows come, the run is continued from an earlier row, somebody looks.
steps = st.lists(
    st.tuples(st.just("rows"), st.integers(1, 4)) | st.tuples(st.just("cut"), st.integers(0, 6)) | st.just("look"),
    max_size=25,
)


@settings(max_examples=50, deadline=None)
@given(steps, st.booleans())
def test_every_row_is_handed_out_once_and_in_order(tmp_path_factory, steps, new_readers):
    path = tmp_path_factory.mktemp("tail") / "train.csv"
    table, lengths = Table(path, COLUMNS), []
    start = table.sync()
    tail, seen, most, clock = Tail(path), [], 0, 0
    for step in [*steps, "look"]:
        if step == "look":
            seen += [row["frames"] for row in tail.rows()]
            if new_readers:
                tail = Tail(path, tail.sent_frames)
        elif step[0] == "rows":
            for _ in range(step[1]):
                clock += 1
                table.append({"frames": len(lengths), "wall_seconds": clock / 7})
                lengths.append(table.sync())
                most = max(most, len(lengths))
        else:
            table.close()
            del lengths[step[1] :]
            table = Table(path, COLUMNS, keep_bytes=lengths[-1] if lengths else start)
    table.close()
    assert seen == sorted(set(seen))
    assert set(range(len(lengths))) <= set(seen) <= set(range(most))


def test_a_row_is_handed_out_when_it_is_whole(tmp_path):
    path = tmp_path / "train.csv"
    tail = Tail(path)
    assert tail.rows() == []
    path.write_text("frames,a,b\n0,1.5,\n10,")
    assert tail.rows() == [{"frames": 0.0, "a": 1.5}]
    assert tail.rows() == []
    with open(path, "a") as file:
        file.write("nan,inf\n20,x,-3\n")
    assert tail.rows() == [{"frames": 10.0}, {"frames": 20.0, "b": -3.0}]


def test_rows_of_an_earlier_session_are_passed_over(tmp_path):
    (tmp_path / "train.csv").write_text("frames\n0\n10\n20\n")
    assert Tail(tmp_path / "train.csv", 10).rows() == [{"frames": 20.0}]


def test_what_is_no_table_gives_no_rows(tmp_path):
    (tmp_path / "train.csv").write_bytes(b"\x80\x00\n\n\xff,1\n")
    assert Tail(tmp_path / "train.csv").rows() == []
