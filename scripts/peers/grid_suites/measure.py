"""One suite, measured in its own interpreter; a JSON line for each answer. `suites.py` starts it.

    python measure.py xland --kinds rules play levels --tasks DoorKey-8x8 --out xland.jsonl

Answers that the file has already are not measured again.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from names import BABYAI, FIRST, TASKS  # noqa: E402

PACKAGES = {"farama": "minigrid", "envpool": "envpool", "navix": "navix", "xland": "xminigrid"}
KINDS = ("rules", "limits", "play", "levels", "babyai")
BUDGET = 300_000  # states that one search looks at


def questions(suite: str, kinds: list[str], tasks: list[str] | None) -> Iterator[tuple[str, str]]:
    """(kind, task); rules and limits have no task."""
    ordered = sorted(TASKS, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    offered = [name for name in ordered if getattr(TASKS[name], suite) and (not tasks or name in tasks)]
    yield from ((kind, "") for kind in ("rules", "limits") if kind in kinds)
    for name in offered:
        yield from ((kind, name) for kind in ("play", "levels") if kind in kinds)
    if "babyai" in kinds and suite in ("farama", "envpool"):
        yield from (("babyai", env_id) for env_id in BABYAI)


def episodes_of(suite: str, task: str) -> int:
    """Fewer where they are long or slow; every interval is told."""
    if suite in ("farama", "envpool"):
        return 1_000 if "16x16" in task or "Obstructed" in task else 10_000 if suite == "farama" else 2_000
    return 500 if "16x16" in task else 2_000


def number_of(task: str) -> int:
    return 20 if "16x16" in task or "Obstructed" in task else 100


def ask(suite: str, kind: str, task: str) -> Any:
    module = importlib.import_module(f"on_{suite}")
    if kind == "rules":
        return module.all_rules()
    if kind == "limits":
        return module.limits()
    if kind == "babyai":
        return module.babyai(task, 300 if suite == "farama" else 3_000)
    if kind == "play":
        return module.play(task, episodes_of(suite, task))
    if suite == "envpool":
        return {"maps": module.levels(task, number_of(task))}
    return module.levels(task, number_of(task) if suite == "farama" else min(40, number_of(task)), BUDGET)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=PACKAGES)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--tasks", nargs="*", default=None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--replay", type=Path, default=None, help="ways to play again in EnvPool: {task: [[action]]}")
    given = parser.parse_args()
    if given.replay is not None:
        module = importlib.import_module("on_envpool")
        ways = json.loads(given.replay.read_text())
        given.out.write_text(json.dumps({task: module.replay(task, each) for task, each in ways.items()}))
        return
    known = set()
    if given.out.exists():
        known = {(row["kind"], row["task"]) for row in map(json.loads, given.out.read_text().splitlines())}
    for kind, task in questions(given.suite, given.kinds, given.tasks):
        if (kind, task) in known:
            continue
        answer = ask(given.suite, kind, task)
        with given.out.open("a") as file:
            file.write(json.dumps({"kind": kind, "task": task, "answer": answer}) + "\n")
        print(given.suite, kind, task, "" if "maps" in answer else answer, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
