"""Processes that read and draw beside the one that makes the report."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from rewardlab.machine import cores, one_thread
from rewardlab.report.helpers import Helpers

NEEDS_CORES = pytest.mark.skipif(cores() < 2, reason="needs two cores")
# A process that imports anew what is given with -c finds none of it.
FORKED = """
import os
from rewardlab.report.helpers import Helpers
known = []
def pid(_):
    return os.getpid(), known
with Helpers() as helpers:
    known.append("inherited")
    print(helpers.submit(pid, 0).result() == (os.getpid(), known), helpers.submit(pid, 0).result()[1])
"""


@NEEDS_CORES
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere they are not forked")
def test_a_process_of_one_thread_forks_them():
    environment = {**os.environ, **one_thread()}
    found = subprocess.run([sys.executable, "-c", FORKED], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "['inherited']"]


@NEEDS_CORES
def test_beside_other_threads_they_start_anew():
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        with Helpers() as helpers:
            assert helpers.submit(os.getpid).result() != os.getpid()
            assert helpers.map(abs, [-1, 2, -3]) == [1, 2, 3]
    finally:
        done.set()
        other.join()


@NEEDS_CORES
def test_ctrl_c_is_left_to_the_caller():
    with Helpers() as helpers:
        assert helpers.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
