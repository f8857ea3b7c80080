import io
import os
import pty
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rewardlab.records import progress
from rewardlab.records.progress import Progress

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when told to."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def test_a_plain_line_says_everything(clock):
    stream = io.StringIO()
    shown = Progress(1_000_000, "doorkey rnd seed0", stream)
    clock.now += 10
    shown.update(250_000, 24_999.6, 0.61234, 0.7)
    assert stream.getvalue() == (
        "doorkey rnd seed0  250,000/1,000,000 frames (25%)  25,000 fps  return 0.612  success 70%  ETA 0:00:30\n"
    )


def test_what_is_not_known_yet_is_a_dash(clock):
    stream = io.StringIO()
    Progress(1000, "x", stream).update(0, None, float("nan"), None)
    assert stream.getvalue() == "x  0/1,000 frames (0%)  - fps  return -  success -  ETA -\n"


def test_an_earlier_session_does_not_count_for_the_time_left(clock):
    stream = io.StringIO()
    shown = Progress(1000, "x", stream, start_frames=800)
    clock.now += 10
    shown.update(900)
    assert "ETA 0:00:10" in stream.getvalue()


def test_plain_lines_are_few(clock):
    stream = io.StringIO()
    shown = Progress(1_000_000, "long", stream)
    for step in range(36_000):  # ten hours, a call each second
        clock.now += 1
        shown.update(step * 1_000_000 // 36_000)
    lines = stream.getvalue().splitlines()
    assert 50 < len(lines) < 300
    stream.truncate(0)
    fast = Progress(1000, "fast", stream)
    for step in range(1001):  # one second
        clock.now += 0.001
        fast.update(step)
    fast.close()
    assert 2 <= len(stream.getvalue().splitlines()) <= 3


def test_the_last_state_is_always_shown_once(clock):
    stream = io.StringIO()
    with closing(Progress(1000, "x", stream)) as shown:
        shown.update(1)
        clock.now += 0.5
        shown.update(50)
    shown.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "50/1,000" in lines[1]


def test_a_reader_that_leaves_does_not_stop_the_run(clock):
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    shown = Progress(1000, "x", Broken())
    shown.update(10)
    clock.now += 1000
    shown.update(20)
    shown.close()
    closed = io.StringIO()
    closed.close()
    shown = Progress(1000, "x", closed)
    shown.update(10)
    shown.close()


def test_a_stream_without_the_characters_gets_others(clock):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Progress(1000, "tür", stream).update(10)
    assert raw.getvalue().startswith(b"t?r  10/1,000")


LABEL = "doorkey_16x16-levels=100 rnd-coef=0.5 [bold]ppo-memory=gru seed0"
CODE = f"""
import time
from contextlib import closing
from rewardlab.records.progress import Progress
with closing(Progress(2_000_000, "{LABEL}")) as shown:
    for frames in range(0, 2_000_001, 200_000):
        shown.update(frames, 12_345.0, -0.5, 1.0)
        time.sleep(0.05)
print("after")
"""


def on_terminal(**environment: str) -> str:
    """What the code above writes to a terminal of 120 columns."""
    parent, child = pty.openpty()
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120", "LINES": "20", **environment}
    process = subprocess.Popen([sys.executable, "-c", CODE], stdin=child, stdout=child, stderr=child, env=settings)
    os.close(child)
    output = b""
    try:
        while chunk := os.read(parent, 65536):
            output += chunk
    except OSError:  # how a terminal says that the last writer has gone
        pass
    os.close(parent)
    assert process.wait() == 0
    return output.decode()


def test_a_terminal_gets_one_live_line():
    output = on_terminal()
    assert "\x1b[2K" in output  # drawn over in place
    assert output.count(LABEL) == 1 and output.index(LABEL) < output.index("frames")
    assert output.rindex("after") > output.rindex("2,000,000/2,000,000 frames (100%)")
    assert output.count("\n") <= 4
    assert output.rfind("\x1b[?25h") > output.rfind("\x1b[?25l")  # the cursor is back


@pytest.mark.parametrize(
    ("width", "count"),
    [
        (120, "[====================] 2,000,000/2,000,000 frames (100%)"),
        (88, "2,000,000/2,000,000 frames (100%)"),
        (80, "2,000,000/2,000,000 (100%)"),
        (60, "100%"),
    ],
)
def test_every_number_is_shown_whatever_the_width(width, count):
    drawn = re.split(r"\x1b\[[?\d]*[A-Za-z]|[\r\n]+", on_terminal(COLUMNS=str(width)))
    lines = [line for line in drawn if "fps" in line]
    assert max(map(len, lines)) <= width
    assert lines[-1] == f"{count}  12,345 fps  return -0.500  success 100%  ETA 0:00:00"


def test_a_line_that_fits_nowhere_wraps_between_words():
    drawn = re.sub(r"\x1b\[[?\d]*[A-Za-z]", "", on_terminal(COLUMNS="30"))
    assert "12,345 fps  return -0.500" in drawn and "success 100%  ETA 0:00:00" in drawn


def test_a_dumb_terminal_gets_plain_lines():
    output = on_terminal(TERM="dumb")
    assert "\x1b" not in output
    assert output.startswith(f"{LABEL}  0/2,000,000 frames")
