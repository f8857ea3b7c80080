"""Keeps what a report needs of a long study in a few text files, and makes folders of runs of them again.

    python scripts/pack.py results/minigrid_hard results/reference/minigrid_hard
    python scripts/pack.py --unpack results/reference/minigrid_hard results/minigrid_hard

There is a table ENV.csv for each environment, all rows of `eval.csv` as they are, and ENV.json: manifests and states,
what runs share said once. `rewardlab report` makes the same tables and learning curves of what is unpacked, without
those of the bonus, which are in `train.csv`. A sweep over it skips what is finished, so that further runs can be added
on another machine and packed with the rest. Weights and checkpoints are not kept: a paused run begins anew there.
"""

import argparse
import csv
import io
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from rewardlab.records.files import write_atomic, write_json
from rewardlab.report.reading.collection import find_runs
from rewardlab.report.reading.evaluations import EVALUATIONS
from rewardlab.report.reading.run_folder import MANIFEST, STATUS

KEPT = ("finished", "diverged", "paused")
FORMAT = 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unpack", action="store_true")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    given = parser.parse_args(arguments)
    if not given.source.is_dir():
        print(f"{given.source}: no such folder", file=sys.stderr)
        return 2
    try:
        print((unpack if given.unpack else pack)(given.source, given.target))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def pack(results: Path, target: Path) -> str:
    """Write the ended and the paused runs of a results folder; what was done, in a line.

    Raises:
        ValueError: the target has runs that the folder lacks, or that are further there, which would be lost.
    """
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    tables: dict[str, list[list[dict[str, str]]]] = defaultdict(list)
    left_out = 0
    for found in find_runs([("", results)]):
        status = json.loads((found.path / STATUS).read_text()) if (found.path / STATUS).exists() else {}
        if status.get("state") not in KEPT:
            left_out += 1
            continue
        manifest = (found.path / MANIFEST).read_text().replace(str(results.resolve()), f"results/{results.name}")
        runs[json.loads(manifest)["env"]].append(
            {"run": found.name, "status": status, "manifest": json.loads(manifest)}
        )
        tables[json.loads(manifest)["env"]].append(rows_of((found.path / EVALUATIONS).read_text()))
    here = {each["run"]: each["status"]["frames"] for every in runs.values() for each in every}
    for each in (each for path in target.glob("*.json") for each in read(path)):
        if here.get(each["run"], -1) < each["status"]["frames"]:
            raise ValueError(f"{target} has more of {each['run']} than {results}: unpack it there first")
    target.mkdir(parents=True, exist_ok=True)
    for env, every in runs.items():
        flat = [flattened(each) for each in every]
        common = {
            key: value for key, value in flat[0].items() if all(key in each and each[key] == value for each in flat)
        }
        own = [{key: value for key, value in each.items() if key not in common} for each in flat]
        lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in own)
        text = f'{{"format": {FORMAT},\n"common": {json.dumps(common, ensure_ascii=False)},\n"runs": [\n{lines}\n]}}\n'
        write_atomic(target / f"{env}.json", text.encode())
        columns = list(dict.fromkeys(name for table in tables[env] for row in table for name in row))
        out = io.StringIO()
        writer = csv.DictWriter(out, ["run", *columns], restval="", lineterminator="\n")
        writer.writeheader()
        for number, table in enumerate(tables[env]):
            writer.writerows({"run": number, **row} for row in table)
        write_atomic(target / f"{env}.csv", out.getvalue().encode())
    return f"{len(here)} runs of {len(runs)} environments packed; {left_out} that have not ended left out"


def unpack(source: Path, results: Path) -> str:
    """Make the folders of packed runs below a results folder, where there is none yet; what was done, in a line."""
    made = there = 0
    for path in sorted(source.glob("*.json")):
        tables: dict[int, list[dict[str, str]]] = defaultdict(list)
        for row in rows_of(path.with_suffix(".csv").read_text()):
            tables[int(row.pop("run"))].append(row)
        for number, each in enumerate(read(path)):
            folder = results / each["run"]
            if not folder.resolve().is_relative_to(results.resolve()):
                raise ValueError(f"{path}: {each['run']} is not within the folder")
            if (folder / STATUS).exists():
                there += 1
                continue
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / MANIFEST, each["manifest"])
            out = io.StringIO()
            writer = csv.DictWriter(out, list(tables[number][0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(tables[number])
            write_atomic(folder / EVALUATIONS, out.getvalue().encode())
            write_json(folder / STATUS, each["status"])  # last: without it the folder is no run
            made += 1
    return f"{made} runs unpacked; {there} were there already"


def read(path: Path) -> list[dict[str, Any]]:
    """The runs of a packed file: each its name, `status` and `manifest`."""
    packed = json.loads(path.read_text())
    if packed.get("format") != FORMAT:
        raise ValueError(f"{path}: not written by this script, or by a later one")
    return [nested(packed["common"] | own) for own in packed["runs"]]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def flattened(each: dict[str, Any], depth: int = 3) -> dict[str, Any]:
    """Nested dictionaries by path, `/` between keys, so that what differs between runs is small."""
    flat: dict[str, Any] = {}
    for key, value in each.items():
        if isinstance(value, dict) and value and depth > 1:
            flat |= {f"{key}/{name}": item for name, item in flattened(value, depth - 1).items()}
        else:
            flat[key] = value
    return flat


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, key = path.split("/", 2)
        place = whole
        for parent in parents:
            place = place.setdefault(parent, {})
        place[key] = value
    return whole


if __name__ == "__main__":
    sys.exit(main())
