"""How the rooms of the package import one another: the counts in docs/architecture.md.

    python scripts/import_graph.py             # this checkout
    python scripts/import_graph.py FOLDER      # another one, an earlier commit for instance

A room is a folder or a module right below `rewardlab/`. An arrow is a room that imports another. It points up where
it goes against the layers in the pyproject.toml of this checkout. A circle is a set of rooms, or modules, each of which
leads to all others.
"""

import sys
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Where the modules of before that stood at the root of the package are now.
MOVED = dict.fromkeys(
    ("application", "playing", "recording", "checking", "listing", "usage", "completion", "bench"), "commands"
) | dict.fromkeys(("composition", "refusals", "identity", "saved", "expansion"), "config")

Arrow = tuple[str, str]


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT).resolve()
    sys.path.insert(0, str(folder))
    import grimp

    graph = grimp.build_graph("rewardlab", cache_dir=None)
    modules = graph.modules - {"rewardlab"}
    imports = {(one, other) for one in modules for other in graph.find_modules_directly_imported_by(one) & modules}
    arrows = {(room(one), room(other)) for one, other in imports if room(one) != room(other)}
    order = layers()
    up = sorted(f"{a} -> {b}" for a, b in arrows if order[MOVED.get(a, a)] > order[MOVED.get(b, b)])
    print(f"modules {len(modules)}, rooms {len({room(name) for name in modules})}, arrows {len(arrows)}")
    print(f"arrows up {len(up)} {', '.join(up)}")
    for what, among in (("rooms", arrows), ("modules", imports)):
        found = circles(among)
        print(f"circles of {what} {len(found)} {'; '.join(', '.join(sorted(circle)) for circle in found)}")


def room(module: str) -> str:
    return module.split(".")[1]


def layers() -> dict[str, int]:
    """The place of each room from the top."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rows = ["__main__", *next(contract["layers"] for contract in contracts if contract["type"] == "layers")]
    return {name: place for place, row in enumerate(rows) for name in row.replace("|", " ").replace(":", " ").split()}


def circles(arrows: set[Arrow]) -> list[frozenset[str]]:
    """Sets of names, each of which leads to all others, by everything that each leads to."""
    following = defaultdict(set)
    for one, other in arrows:
        following[one].add(other)
    reached = {}
    for name in list(following):
        seen, waiting = set(), [name]
        while waiting:
            fresh = following.get(waiting.pop(), set()) - seen
            seen |= fresh
            waiting += fresh
        reached[name] = seen
    found = {frozenset(other for other in seen if name in reached.get(other, ())) for name, seen in reached.items()}
    return sorted(found - {frozenset()}, key=sorted)


if __name__ == "__main__":
    main()
