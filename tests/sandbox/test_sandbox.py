"""Code that nobody has read, kept from everything but computing. Probes are harmless: they try, and tell what came."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rewardlab.errors import CodeError, UserError
from rewardlab.sandbox import process
from rewardlab.sandbox.process import Field, Plan, Sandbox

pytestmark = pytest.mark.skipif(process.available() is not None, reason=f"no sandbox here: {process.available()}")

PLAN = Plan(
    ("value",),
    ("state", "action"),
    (Field("state", "x", "float32", (2,)), Field("state", "n", "int16"), Field("action", None, "int64")),
    {"WIDTH": 3},
    ("RISING",),
    columns=4,
    seconds=5.0,
)


def rows(count: int, action: int = 0) -> dict[str, object]:
    x = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    return {"state": {"x": x, "n": np.arange(count)}, "action": np.full(count, action)}


def why(source: str, plan: Plan = PLAN, count: int = 4) -> str:
    """What a source fails with."""
    with Sandbox(source, plan) as sandbox, pytest.raises(CodeError) as raised:
        sandbox(rows(count))
    return str(raised.value)


def test_numbers_come_back_for_any_number_of_rows_and_the_process_stays_the_same() -> None:
    source = """
import numpy as np
RISING = {"near": True, "far": 0}
calls = []
def value(state, action):
    print("an innocent word")
    calls.append(1)
    total = state.x.sum(axis=1) * WIDTH + state.n
    return total, {"half": total / 2, "calls": len(calls)}
"""
    with Sandbox(source, PLAN) as sandbox:
        for count in (1, 7, process.ROWS, 2 * process.ROWS + 5):
            given = rows(count)
            found = sandbox(given)
            expected = given["state"]["x"].sum(axis=1) * 3 + given["state"]["n"]  # type: ignore[index]
            assert found.dtype == np.float32 and found.shape == (3, count)
            np.testing.assert_allclose(found[0], expected, rtol=1e-6)
            np.testing.assert_allclose(found[1], expected / 2, rtol=1e-6)
        assert found[2, -1] == 6  # three pieces the last time
        assert sandbox.columns == ("value", "half", "calls") and sandbox.notes == {
            "RISING": {"near": True, "far": False}
        }


# What each does stands in a function of its own; the number of the row's action says which is called.
PROBES = """
import ctypes, math, mmap, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
def called(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def threads():
    import _thread
    _thread.start_new_thread(lambda: None, ())
def executable():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
def raised_limit():
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
probes = [
    lambda: open("/etc/hostname"),
    lambda: open("OUTSIDE", "w"),
    lambda: os.listdir("/"),
    lambda: os.stat("/"),
    lambda: os.mkdir("OUTSIDE"),
    lambda: os.unlink("OUTSIDE"),
    lambda: os.chmod("OUTSIDE", 0o600),
    lambda: os.rename("OUTSIDE", "OUTSIDE2"),
    lambda: open("/proc/self/mem", "rb"),
    lambda: open("/proc/PARENT/environ", "rb"),
    lambda: os.fork(),
    lambda: os.execv("/bin/true", ["true"]),
    lambda: os.posix_spawn("/bin/true", ["true"], {}),
    threads,
    executable,
    raised_limit,
    lambda: os.kill(PARENT, 0),
    lambda: os.kill(1, 0),
    lambda: os.pipe(),
    lambda: os.memfd_create("x"),
    lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    lambda: signal.alarm(1) or called("getpid"),
    lambda: called("socket", 2, 1, 0),
    lambda: called("ptrace", 16, PARENT, 0, 0),
    lambda: called("prctl", 4, 1, 0, 0, 0),
    lambda: called("personality", 0),
    lambda: called("unshare", 0),
    lambda: __import__("socket"),
    lambda: __import__("subprocess").run(["true"]),
    lambda: os.read(3, 1),
    lambda: os.write(2, b"x"),
    lambda: state.x.__setitem__(0, 1.0),
]
def value(state, action):
    globals()["state"] = state
    before = state.x.copy()
    told = probes[action[0]]()
    if (state.x != before).any():
        return 1.0
    raise RuntimeError(f"nothing kept it from {told}")
"""


def test_nothing_outside_can_be_reached(tmp_path: os.PathLike[str]) -> None:
    outside = os.path.join(tmp_path, "made")
    source = PROBES.replace("OUTSIDE", outside).replace("PARENT", str(os.getpid()))
    count = source[source.index("probes = [") : source.index("def value")].count("    lambda") + 3
    answers = []
    with Sandbox(source, PLAN) as sandbox:
        for number in range(count):
            try:
                answers.append(str(sandbox(rows(2, number))[0]))
            except CodeError as error:
                answers.append(str(error))
    kept = ("PermissionError", "ModuleNotFoundError", "ImportError", "OSError", "RuntimeError: can't")
    kept += ("ValueError: assignment destination", "ValueError: not allowed to raise")
    got_through = [(number, answer) for number, answer in enumerate(answers) if not answer.startswith(kept)]
    # An alarm is refused without an error: nothing comes of it, and the process lives on.
    assert [number for number, _ in got_through] == [21], got_through
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("import os\nos._exit(0)", "ended its process"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("x = 1\n1 / 0", r"ZeroDivisionError: division by zero \(line 2 of the code\)"),
        ("def value(:", r"SyntaxError: .* \(line 1 of the code\)"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "^E$"),
        ("raise ValueError('\\x1b[31m' + 'a' * 10_000_000)", r"^ValueError: \?\[31ma{1,2000}"),
        ("import numpy as np\nx = np.ones((100_000, 100_000))", "MemoryError"),
        ("x = [0]\nwhile True: x = x + x", "MemoryError"),
        ("def f(): return f()\nf()", "RecursionError"),
        ("import os\nos.write(1, b'x' * 30)\ndef value(state, action): return 0", "wrote where only replies belong"),
        ("import os, struct\nos.write(1, struct.pack('<QBI', 1, 0, 2) + b'{}')", "wrote where only replies belong"),
        ("import os\nos.read(0, 1000)\ndef value(state, action): return 0", "took longer|wrote where"),
        ("pass", "NameError: no function value"),
        ("def value(state, action): return 'a'", "numbers or booleans are wanted"),
        ("def value(state, action): return None", "numbers or booleans are wanted"),
        ("def value(state, action): return state.x[:, 0] * 1j", "numbers or booleans are wanted"),
        ("def value(state, action): return state.x", r"shape \(4, 2\) is returned, \(4,\) is wanted"),
        ("def value(state, action): return 0, {str(i): i for i in range(9)}", "10 columns are returned, 4 are allowed"),
        ("def value(state, action): return {}", "returns no columns"),
        ("def value(state, action): return state.y", "no attribute 'y'"),
    ],
)
def test_a_failure_is_told_in_a_line_and_costs_only_the_code(source: str, says: str) -> None:
    # The one that takes what was meant for the worker waits for ever; the others may take their time on a busy machine.
    seconds = 1.0 if "os.read" in source else 30.0
    told = why(source, Plan(**{**vars(PLAN), "seconds": seconds, "memory": 1 << 29}))
    assert re.search(says, told), told
    assert "\x1b" not in told and len(told) < 2500


@pytest.mark.parametrize("loop", ["while True: pass", "import time\nwhile True: time.time()"])
def test_what_takes_too_long_is_ended(loop: str) -> None:
    began = time.monotonic()
    assert "took longer than 1 s" in why(loop, Plan(**{**vars(PLAN), "seconds": 1.0}))
    assert time.monotonic() - began < 100  # on a busy machine; the code computed for a second


def test_what_waits_for_a_busy_processor_is_not_ended() -> None:
    source = "def value(state, action): return state.n + 0 * sum(range(1_500_000))"
    core = min(os.sched_getaffinity(0))
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with Sandbox(source, Plan(**{**vars(PLAN), "seconds": 0.5})) as sandbox:
            sandbox(rows(2))
            for process_id in (busy.pid, sandbox._process.pid):
                os.sched_setaffinity(process_id, {core})
            os.setpriority(os.PRIO_PROCESS, sandbox._process.pid, 19)  # a seventieth of that core
            began = time.monotonic()
            assert sandbox(rows(2)).tolist() == [[0.0, 1.0]] and time.monotonic() - began > 0.5
    finally:
        busy.kill()
        busy.wait()


def test_the_same_code_is_asked_again_after_a_failure_and_columns_stay() -> None:
    source = """
def value(state, action):
    if action[0] == 1:
        raise ValueError("one")
    return {"a": 0, "b": 1} if action[0] == 2 else {"a": 0}
"""
    with Sandbox(source, PLAN) as sandbox:
        assert sandbox(rows(2)).tolist() == [[0, 0]]
        for number, says in ((1, "ValueError: one"), (2, "returns a, b now, and returned a before")):
            with pytest.raises(CodeError, match=says):
                sandbox(rows(2, number))
        assert sandbox(rows(3)).tolist() == [[0, 0, 0]]


def test_a_forged_reply_pays_nothing() -> None:
    forged = "import os, struct, json\nt = json.dumps({'columns': ['a'], 'notes': {}}).encode()\n"
    forged += "os.write(1, struct.pack('<QBI', 1, 0, len(t)) + t)\nwhile True: pass"
    with Sandbox(forged, PLAN) as sandbox:
        assert np.isnan(sandbox(rows(3))).all()


def test_environment_and_descriptors_stay_here_and_the_process_ends_with_its_owner() -> None:
    os.environ["REWARDLAB_TEST_SECRET"] = "hidden"
    try:
        told = why("import os\nraise ValueError(sorted(os.environ))")
    finally:
        del os.environ["REWARDLAB_TEST_SECRET"]
    assert "SECRET" not in told and "PATH" not in told
    sandbox = Sandbox("def value(state, action): return 0", PLAN)
    sandbox(rows(1))
    assert sandbox._process is not None
    number = sandbox._process.pid
    del sandbox
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_fork_of_its_owner_does_not_end_it() -> None:
    with Sandbox("def value(state, action): return 0", PLAN) as sandbox:
        sandbox(rows(1))
        if (child := os.fork()) == 0:
            sandbox.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert sandbox(rows(0)).shape == (1, 0) and sandbox(rows(2)).tolist() == [[0, 0]]


def test_without_confinement_it_needs_nothing_of_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(UserError, match="darwin has no seccomp"):
        Sandbox("", PLAN)
    with Sandbox("def value(state, action): return state.n", PLAN, confined=False) as sandbox:
        assert sandbox(rows(3)).tolist() == [[0, 1, 2]]


def test_without_the_filter_the_same_probes_do_get_through(tmp_path: os.PathLike[str]) -> None:
    """So that it is the filter, and nothing else by chance, that keeps them."""
    outside = os.path.join(tmp_path, "made")
    source = f"import os\ndef value(state, action):\n    os.mkdir({outside!r})\n    return os.getpid() > 0"
    with Sandbox(source, PLAN, confined=False) as sandbox:
        sandbox(rows(1))
    assert os.path.isdir(outside)


def test_a_worker_leaves_when_the_process_that_started_it_is_gone() -> None:
    script = (
        "import os, sys\nfrom rewardlab.sandbox.process import *\n"
        "s = Sandbox('def value(state): return 0', Plan(('value',), ('state',), (Field('state', 'x', 'float32'),)))\n"
        "import numpy as np\ns({'state': {'x': np.zeros(1)}})\nprint(s._process.pid, flush=True)\nos._exit(0)\n"
    )
    number = int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    for _ in range(50):
        try:
            os.kill(number, 0)
            state = Path(f"/proc/{number}/stat").read_text().split(")")[1].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return
        if state == "Z":
            return
        time.sleep(0.1)
    raise AssertionError("it is still there")
