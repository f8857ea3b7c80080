"""A share of `make torture`, quick enough for the suite."""

from pathlib import Path

import pytest

from tests.torture import interrupts, kills, left_out, runs, starved


@pytest.fixture(autouse=True)
def without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")


def test_killed_runs_come_out_as_unbroken_ones(tmp_path: Path) -> None:
    found = kills.kill_runs(
        tmp_path, kills=9, settings=["rnd, fast engine", "icm, reference backend", "dqn, prioritised replay"]
    )
    assert (found.kills, found.unreadable, found.differing, found.resumes) == (9, [], [], {"exact"})


@pytest.mark.parametrize("command", list(interrupts.COMMANDS))
def test_an_interrupted_start_is_one_line_and_leaves_nothing(tmp_path: Path, command: str) -> None:
    found = interrupts.interrupt_starts(tmp_path, moments=3, commands=[command])
    assert found.faults == []
    assert found.moments == 3 and found.before_python < 3


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> left_out.LeftOut:
    return left_out.LeftOut(tmp_path_factory.mktemp("left_out"))


@pytest.mark.parametrize("part", list(left_out.PARTS))
def test_no_part_of_a_checkpoint_can_be_left_out(control: left_out.LeftOut, part: str) -> None:
    assert bool(control.differing(part)) == (part != "nothing")


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    if not starved.can_mount(tmp_path):
        _full_by_limit(tmp_path)
        return
    found = starved.fill_disks(tmp_path, [60, 300])
    assert found.codes == {1}
    assert (found.unreadable, found.lost_checkpoints, found.differing) == ([], 0, [])


def test_files_that_may_not_grow_lose_nothing(tmp_path: Path) -> None:
    _full_by_limit(tmp_path)


def _full_by_limit(root: Path) -> None:
    """Where nothing can be mounted: a limit on the size of files, below that of a checkpoint."""
    import resource

    from rewardlab.run import run

    prepared = runs.prepare(starved.SETTING, root / "limited")

    def work() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        return run(prepared)

    assert runs.ended(runs.forked(work, root / "log")) == 1
    assert "File too large" in (root / "log").read_text()
    assert runs.unreadable(prepared.folder) == []
    assert runs.ended(runs.forked(lambda: run(prepared), root / "log")) == 0


def test_a_removed_folder_ends_the_run_and_is_not_made_again(tmp_path: Path) -> None:
    code, left = starved.remove_while_running(tmp_path)
    assert code == 1
    assert "status.json" not in left and "checkpoint.pt" not in left
    assert "removed" in (tmp_path / "log").read_text()


def test_permission_denied_ends_the_run_and_keeps_its_checkpoint(tmp_path: Path) -> None:
    code, said, loads = starved.forbid_while_running(tmp_path)
    assert code == 1 and loads
    assert "Permission denied" in said


def test_one_of_many_writers_does_the_run(tmp_path: Path) -> None:
    found = starved.crowd(tmp_path, 16)
    assert found.codes == [0] * 16
    assert (found.trained, found.continued, found.differing) == (1, 0, [])
