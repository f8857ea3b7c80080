"""Episodes to solve DeepSea against its size: `python scripts/deepsea_scaling.py RESULTS OUT`.

Reads the runs below RESULTS and writes OUT/deepsea_scaling.csv, .md and the figure. Solved as in bsuite (Osband et al.
2020): once fewer than 0.9 of all training episodes so far are bad. train.csv has the share of good ones among the
latest 100; the sums are put together from those windows exactly, so rows must come in steps that divide 100 episodes.
"""

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from rewardlab.report.pages.charts import Line, LineChart, Panel
from rewardlab.report.pages.drawing import draw_figures
from rewardlab.report.pages.styles import Style
from rewardlab.report.statistics import Band

WINDOW = 100  # episodes that success_rate in train.csv is a mean of
BAD = 0.9
_LOOKS = (
    Style("#7A7F87", "-", "solid", "o"),
    Style("#0072B2", "-", "solid", "s"),
    Style("#D55E00", "-", "solid", "^"),
    Style("#009E73", "-", "solid", "D"),
    Style("#CC79A7", "-", "solid", "v"),
    Style("#E69F00", "-", "solid", "P"),
)


def main(results: str, out: str) -> None:
    solved: dict[tuple[str, int], list[int | None]] = defaultdict(list)
    budgets: dict[tuple[str, int], int] = {}
    for manifest in sorted(Path(results).glob("runs/*/*/*/*/manifest.json")):
        run = json.loads(manifest.read_text())
        if run["env"] != "deepsea" or json.loads((manifest.parent / "status.json").read_text())["state"] != "finished":
            continue
        key = approach(run["config"]), int(run["config"]["env.n"])
        episodes, good = cumulative(manifest.parent / "train.csv")
        solved[key].append(episodes_to_solve(episodes, good))
        budgets[key] = int(episodes[-1])
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [_row(key, solved[key], budgets[key]) for key in sorted(solved)]
    _write_tables(folder, rows)
    for name, content in draw_figures([chart(rows)]):
        (folder / name).write_bytes(content)


def approach(config: dict[str, object]) -> str:
    """What explores, in words."""
    if config["agent.name"] == "tabular_q":
        return "tabular optimism"
    if config["reward.name"] != "none":
        return f"DQN, {config['reward.name']} bonus"
    if int(str(config["agent.heads"])) > 1:
        return "DQN, bootstrapped with priors"
    return "DQN, noisy" if config["agent.noisy"] else "DQN, epsilon-greedy"


def cumulative(table: Path) -> tuple[np.ndarray, np.ndarray]:
    """Episodes so far and the good ones among them, int64 [R] each, exactly.

    Raises:
        SystemExit: rows that do not line up 100 episodes apart.
    """
    good = {0: 0}
    with table.open() as lines:
        for row in csv.DictReader(lines):
            if row["success_rate"]:
                at, share = int(row["episodes"]), float(row["success_rate"])
                before = max(0, at - WINDOW)
                if before not in good:
                    raise SystemExit(f"{table}: no row at {before} episodes, so those before {at} can't be summed up")
                good[at] = good[before] + round(share * (at - before))
    return np.array(list(good), dtype=np.int64), np.array(list(good.values()), dtype=np.int64)


def episodes_to_solve(episodes: np.ndarray, good: np.ndarray) -> int | None:
    """The first row at which fewer than 0.9 of all episodes so far are bad; None where there is none."""
    bad = episodes - good
    found = np.flatnonzero((episodes > 0) & (bad < BAD * episodes))
    return int(episodes[found[0]]) if found.size else None


def chart(rows: list[dict[str, object]]) -> LineChart:
    """Medians over seeds with the range; sizes that not every second seed solved are left out."""
    lines = []
    for look, name in zip(_LOOKS, dict.fromkeys(str(row["approach"]) for row in rows), strict=False):
        own = [row for row in rows if row["approach"] == name]
        band = Band(*(np.array([_number(row[key]) for row in own]) for key in ("median", "least", "most")))
        lines.append(Line(name, look, np.array([float(str(row["n"])) for row in own]), band))
    sizes = np.unique([float(str(row["n"])) for row in rows])
    most = max(float(str(row["budget"])) for row in rows)
    chance = np.where(2.0**sizes <= most, 2.0**sizes, np.nan)
    lines.append(Line("2^n", Style("#A3A3A3", ":", "dot", "o"), sizes, Band(chance, chance, chance)))
    panel = Panel("episodes to solve", tuple(lines), log=True)
    return LineChart("deepsea_scaling", "DeepSea: episodes until fewer than 90 % are bad", "size n", (panel,))


def _row(key: tuple[str, int], found: list[int | None], budget: int) -> dict[str, object]:
    reached = sorted(value for value in found if value is not None)
    ranked = [*reached, *[None] * (len(found) - len(reached))]
    middle = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
    median = None if None in middle else sum(value for value in middle if value is not None) / 2
    return {
        "approach": key[0],
        "n": key[1],
        "budget": budget,
        "seeds": len(found),
        "solved": len(reached),
        "median": "" if median is None else f"{median:g}",
        "least": reached[0] if reached else "",
        "most": reached[-1] if len(reached) == len(found) else "",
        "each": " ".join("-" if value is None else str(value) for value in ranked),
    }


def _number(cell: object) -> float:
    return float(str(cell)) if cell != "" else float("nan")


def _write_tables(folder: Path, rows: list[dict[str, object]]) -> None:
    if not rows:
        raise SystemExit("no finished runs of env=deepsea there")
    with (folder / "deepsea_scaling.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0])]
    lines += [" | ".join(str(value) for value in row.values()) for row in rows]
    (folder / "deepsea_scaling.md").write_text("".join(f"| {line} |\n" for line in lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
