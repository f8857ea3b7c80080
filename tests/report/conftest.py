"""Synthetic results and their report, built once."""

import matplotlib
import pytest
from run_folders import HOSTILE, make, write_run, write_study

from rewardlab.kernel_cache import cache_folder
from rewardlab.report.options import ReportResult


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """A finished study of 4 schemes x 2 environments x 5 seeds."""
    folder = tmp_path_factory.mktemp("study") / "results"
    write_study(folder)
    return folder


@pytest.fixture(scope="session")
def result(results, tmp_path_factory) -> ReportResult:
    """Its report."""
    return make(results, out=tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def hostile_result(tmp_path_factory) -> ReportResult:
    """The report of runs whose names try to break out of where they stand."""
    folder = tmp_path_factory.mktemp("hostile")
    for seed in range(2):
        write_run(folder, env=HOSTILE, reward=HOSTILE, seed=seed, folder=f"<b>{seed}", assumes=[HOSTILE],
                  training={"frames": [1, 2], "reward/<b>_mean": [1, 2], f"explore/{HOSTILE}": [1, 2]})  # fmt: skip
    write_run(folder, env="_hidden", reward=HOSTILE, folder="c", state="failed", status={"error": HOSTILE})
    return make(folder)


@pytest.fixture
def without_figures(monkeypatch):
    """Drawing takes most of the time of a report, and most tests look at the rest."""
    monkeypatch.setattr("rewardlab.report.writing.draw_figures", lambda *_: [])


@pytest.fixture(autouse=True, scope="module")  # `package` would last to the end: without an __init__.py this is none
def own_cache(tmp_path_factory):
    """Nothing that a test reads is kept in, or taken from, the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLCONFIGDIR", matplotlib.get_cachedir())  # else every session looks for its fonts anew
        patch.setenv("NUMBA_CACHE_DIR", str(cache_folder().parent))  # kernels stay where they are
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
