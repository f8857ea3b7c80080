"""One name across grid suites: Farama's MiniGrid, EnvPool, NAVIX, XLand-MiniGrid. Rules, random play, shortest ways.

    python scripts/peers/suites.py                       # everything, from nothing
    python scripts/peers/suites.py --work DIR            # the same, going on with the answers that DIR has
    python scripts/peers/suites.py --tasks DoorKey-8x8 --kinds rules limits play levels
    python scripts/peers/suites.py --work DIR --only-tables

Each suite but Farama's gets a virtual environment of its own in `--work`, with the versions of `PINS`. Farama's rules
are probed in its own code; its random play and shortest ways are our engine's, which equals it bit for bit
(`make parity`), and where they were not measured anew, those of the engine's table of facts. Tables go to
results/reference/suites/ and into docs/suites.md.
"""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent / "grid_suites"
sys.path[:0] = [str(ROOT), str(HERE)]

import tables  # noqa: E402

FARAMA = "3.2.0"  # of the minigrid that this interpreter has
PINS = {
    "envpool": ["envpool==1.2.5", "gymnasium==1.4.0", "numpy==2.4.6"],
    "navix": ["navix==0.7.4", "jax==0.5.3", "jaxlib==0.5.3", "flax==0.10.6", "chex==0.1.90", "numpy==2.4.6"],
    "xland": ["xminigrid==0.9.3", "jax==0.10.2", "jaxlib==0.10.2", "flax==0.12.8", "numpy==2.4.6"],
}


def interpreter(suite: str, work: Path) -> Path:
    """The suite's own, made where it is not there yet."""
    if suite == "farama":
        found = importlib.metadata.version("minigrid")
        if found != FARAMA:
            raise SystemExit(
                f"minigrid {found} is installed; the tables are of {FARAMA}: pip install minigrid=={FARAMA}"
            )
        return Path(sys.executable)
    python = work / suite / "bin" / "python"
    if not (work / suite / "installed").exists():
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run([sys.executable, "-m", "venv", str(work / suite)], check=True, env=environment)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PINS[suite]], check=True, env=environment)
        (work / suite / "installed").touch()
    return python


def measure(suite: str, work: Path, kinds: list[str], names: list[str] | None) -> None:
    command = [
        interpreter(suite, work),
        HERE / "measure.py",
        suite,
        "--out",
        work / f"{suite}.jsonl",
        "--kinds",
        *kinds,
    ]
    command += ["--tasks", *names] if names else []
    environment = dict(os.environ)
    if suite == "farama":
        environment["PYTHONPATH"] = str(ROOT)
    else:
        environment.pop("PYTHONPATH", None)
    subprocess.run(command, check=True, env=environment)


def answers(work: Path, suite: str) -> dict[tuple[str, str], Any]:
    path = work / f"{suite}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {(row["kind"], row["task"]): row["answer"] for row in rows}


def fill_from_engine(farama: dict[tuple[str, str], Any]) -> None:
    """Farama's tasks that were not measured anew, from the engine's own table of facts."""
    from names import TASKS
    from on_farama import kept

    for task in TASKS:
        if ("play", task) not in farama:
            farama["play", task], farama["levels", task] = kept(task)


def solve_maps(work: Path) -> None:
    """Shortest ways through EnvPool's levels: from their maps by the solver of Farama's rules, then played there."""
    drawn = {task: answer["maps"] for (kind, task), answer in answers(work, "envpool").items() if kind == "levels"}
    path = work / "envpool_ways.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    missing = [task for task in drawn if task not in kept]
    ways = {task: [way_through(task, level) for level in drawn[task]] for task in missing}
    known = {task: each for task, each in ways.items() if all(way is not None for way in each)}
    (work / "ways.json").write_text(json.dumps(known))
    python = interpreter("envpool", work)
    command = [python, HERE / "measure.py", "envpool", "--replay", work / "ways.json", "--out", work / "replayed.json"]
    subprocess.run(command, check=True)
    replayed = json.loads((work / "replayed.json").read_text())
    for task in missing:
        if task in known:
            kept[task] = {"steps": [len(way) or None for way in known[task]], "replayed": replayed[task]}
        else:
            kept[task] = {"why": "EnvPool shows no state"}
    path.write_text(json.dumps(kept))


def way_through(task: str, level: dict[str, Any]) -> list[int] | None:
    """Actions, none where there is no way; None where a map does not say what success is, or nothing was found."""
    if level.get("sealed"):
        return []
    from names import TASKS
    from on_farama import DOORS, KINDS

    from rewardlab.gridworld.solver import solve
    from rewardlab.gridworld.vector import make_vec

    if not any(kind == "goal" for _, _, kind, _, _ in level["things"]):
        return None
    envs = make_vec(TASKS[task].farama, 1)
    envs.reset(seed=0)
    state = envs.get_state()
    height, width = state["cells"].shape[1:3]
    state["cells"][0] = (KINDS.index("wall"), 5, 0, 0)
    walkable = {(x, y) for x, y in map(tuple, level["free"]) if 0 <= x < width and 0 <= y < height}
    for x, y in walkable:
        state["cells"][0, y, x] = (KINDS.index("empty"), 0, 0, 0)
    for x, y, kind, colour, door in level["things"]:
        if 0 <= x < width and 0 <= y < height:
            number = DOORS.index(door) if door else 0
            state["cells"][0, y, x] = (KINDS.index(kind), int(colour), number, 0)
    state["agent"][0] = (*level["place"], level["direction"])
    solution = solve(TASKS[task].farama, state, 0, 300_000)
    return [int(action) for action in solution.actions] if solution.kind == "exact" and solution.steps else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, default=None, help="folder of environments and answers (default: a temporary one)"
    )
    parser.add_argument("--suites", nargs="*", default=["farama", *PINS], choices=["farama", *PINS])
    parser.add_argument("--kinds", nargs="*", default=["rules", "limits", "play", "levels", "babyai"])
    parser.add_argument("--tasks", nargs="*", default=None)
    parser.add_argument("--only-tables", action="store_true")
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="suites-"))
    work.mkdir(parents=True, exist_ok=True)
    if not given.only_tables:
        for suite in given.suites:
            measure(suite, work, given.kinds, given.tasks)
        if "envpool" in given.suites and "levels" in given.kinds:
            solve_maps(work)
    found = {suite: answers(work, suite) for suite in tables.SUITES}
    fill_from_engine(found["farama"])
    ways = work / "envpool_ways.json"
    tables.write(found, json.loads(ways.read_text()) if ways.exists() else {}, ROOT)


if __name__ == "__main__":
    main()
