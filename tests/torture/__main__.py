"""`python -m tests.torture`: all of it, with the figures; exit code 1 if one of them is off."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch

from tests.torture import cost, interrupts, kills, launchers, left_out, nodes, starved


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="SIGKILLs of runs (default: 100)")
    parser.add_argument("--drivers", type=int, default=20, help="SIGKILLs of a sweep's driver (default: 20)")
    parser.add_argument("--jobs", type=int, default=24, help="runs of that sweep (default: 24)")
    parser.add_argument("--interrupts", type=int, default=200, help="interrupted starts (default: 200)")
    parser.add_argument("--writers", type=int, default=16, help="processes on one folder (default: 16)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    parts: dict[str, Callable[[Path], tuple[str, bool]]] = {
        "killed runs": lambda root: _kills(root, given.kills),
        "killed driver": lambda root: _driver(root, given.jobs, given.drivers),
        "interrupted starts": lambda root: _interrupts(root, given.interrupts),
        "left out": _left_out,
        "writers": lambda root: _writers(root, given.writers),
        "full disks": _disks,
        "removed folder": _removed,
        "launchers": _launchers,
        "lost node": _lost_node,
        "checkpoints": _checkpoints,
    }
    good = True
    with tempfile.TemporaryDirectory(prefix="torture") as base:
        for name, part in parts.items():
            root = Path(base, name.replace(" ", "_"))
            root.mkdir()
            started = time.monotonic()
            said, passed = part(root)
            good &= passed
            verdict = "ok" if passed else "NOT OK"
            print(f"{name}: {said} [{verdict}, {time.monotonic() - started:.0f} s]", flush=True)
    return 0 if good else 1


def _kills(root: Path, count: int) -> tuple[str, bool]:
    found = kills.kill_runs(root, count)
    said = (
        f"{found.kills} SIGKILLs over {found.runs} runs, {found.while_writing} of them within a write: "
        f"{len(found.unreadable)} unreadable files, {len(found.differing)} files that differ"
    )
    return said, not found.unreadable and not found.differing and found.resumes == {"exact"}


def _driver(root: Path, jobs: int, count: int) -> tuple[str, bool]:
    found = kills.kill_driver(root, jobs, count)
    said = (
        f"{found.kills} SIGKILLs of the driver of {jobs} jobs: {found.results} results, {len(found.doubled)} doubled, "
        f"{len(found.run_again)} finished runs run again, {found.orphans} times jobs that outlived it by 12 s"
    )
    return said, found.results == jobs and not (found.doubled or found.run_again or found.orphans)


def _interrupts(root: Path, count: int) -> tuple[str, bool]:
    found = interrupts.interrupt_starts(root, count)
    said = (
        f"SIGINT at {found.moments} moments of starts: {found.starting} ended at once with one line, {found.at_work} "
        f"were at work and ended as such, {found.ended} had ended, {found.before_python} met Python before our first "
        f"line; {len(found.faults)} faults"
    )
    return "\n  ".join([said, *found.faults]), not found.faults


def _left_out(root: Path) -> tuple[str, bool]:
    control = left_out.LeftOut(root)
    seen = {part: bool(control.differing(part)) for part in left_out.PARTS}
    unnoticed = [part for part, differs in seen.items() if differs == (part == "nothing")]
    return f"{len(seen) - 1} parts left out in turn; wrongly judged: {', '.join(unnoticed) or 'none'}", not unnoticed


def _writers(root: Path, count: int) -> tuple[str, bool]:
    found = starved.crowd(root, count)
    said = f"{count} processes on one folder: {found.trained} trained, {len(found.differing)} files that differ"
    return said, found.trained == 1 and not found.differing and set(found.codes) == {0}


def _disks(root: Path) -> tuple[str, bool]:
    if not starved.can_mount(root):
        return "nothing can be mounted here", False
    found = starved.fill_disks(root, [40, 80, 160, 200, 240, 280, 320, 400, 600])
    said = (
        f"{found.runs} file systems of 40 to 600 KiB: {found.failed} runs stopped, {len(found.unreadable)} unreadable "
        f"files, {found.lost_checkpoints} lost checkpoints; given room, {len(found.differing)} files that differ"
    )
    return said, found.failed > 0 and not (found.unreadable or found.lost_checkpoints or found.differing)


def _removed(root: Path) -> tuple[str, bool]:
    code, left = starved.remove_while_running(root)
    return f"exit code {code}, {len(left)} files written afterwards", code == 1 and not left


def _launchers(root: Path) -> tuple[str, bool]:
    found = launchers.compare(root)
    said = ", ".join(f"{name} {'equal' if not differing else 'DIFFERS'}" for name, differing in found.items())
    return f"beside a single run: {said}", not any(found.values())


def _lost_node(root: Path) -> tuple[str, bool]:
    if find_spec("ray") is None:
        return "not tried: ray is not installed", True
    found = nodes.lose_a_node(root, jobs=12)
    said = (
        f"one of two Ray nodes killed after {found.before} of 12 runs, {found.elsewhere} at work on it: "
        f"{found.results} results, exit code {found.code}"
    )
    return said, found.results == 12 and found.code == 0


def _checkpoints(root: Path) -> tuple[str, bool]:
    found = cost.measure(root, "env=doorkey_8x8", "reward=rnd")
    said = f"{found.median_ms:.0f} ms each (median), {found.size / 1e6:.2f} MB, {found.share:.1%} of the run's time"
    return said, True


if __name__ == "__main__":
    sys.exit(main())
