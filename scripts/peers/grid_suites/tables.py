"""The tables across grid suites: rows from answers, csv files of them, and Markdown made from the csv files."""

import csv
import math
import statistics
from pathlib import Path
from typing import Any

from names import TASKS

SUITES = {
    "farama": "Farama's MiniGrid 3.2.0",
    "envpool": "EnvPool 1.2.5",
    "navix": "NAVIX 0.7.4",
    "xland": "XLand-MiniGrid 0.9.3",
}
SHORT = {"farama": "Farama", "envpool": "EnvPool", "navix": "NAVIX", "xland": "XLand"}
FOLDER, PAGE = Path("results/reference/suites"), Path("docs/suites.md")
COLUMNS = (
    "task", "suite", "limit", "random_success", "random_low", "random_high", "episodes", "lowest_return",
    "optimal_steps", "optimal_low", "optimal_high", "levels", "no_way", "distinct_of_2000", "begins_on_goal",
    "other_limit", "success_in_other_limit", "why_no_optimum", "compare", "because",
)  # fmt: skip
APART = 3.3  # standard errors: some forty comparisons are made
# What a probe found different makes curves of these families incomparable, or comparable by success alone.
KEYS = ("doorkey", "keycorridor", "unlock", "unlockpickup", "blockedunlockpickup", "lockedroom", "obstructedmaze")
DOORS = (*KEYS, "multiroom")
WALLS = (*DOORS, "fourrooms", "simplecrossing")


def wilson(successes: int, episodes: int) -> tuple[float, float]:
    """95 % interval of a share."""
    z, share = 1.96, successes / episodes
    middle = share + z * z / (2 * episodes)
    wide = z * math.sqrt(share * (1 - share) / episodes + z * z / (4 * episodes * episodes))
    return (middle - wide) / (1 + z * z / episodes), (middle + wide) / (1 + z * z / episodes)


def task_rows(found: dict[str, dict[tuple[str, str], Any]], ways: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    babyai = sorted({task for each in found.values() for kind, task in each if kind == "babyai"})
    for task in [*TASKS, *babyai]:
        of_task = {}
        for suite, each in found.items():
            play = each.get(("play", task)) or each.get(("babyai", task)) or {}
            drawn = ways.get(task, {}) if suite == "envpool" else each.get(("levels", task), {})
            limit = each.get(("limits", ""), {}).get(task, play.get("limit"))
            if limit is not None:
                of_task[suite] = row_of(task, suite, limit, play, drawn)
        for suite, row in of_task.items():
            if suite != "farama" and "farama" in of_task:
                row["compare"], row["because"] = verdict(task, suite, of_task["farama"], row, found)
        rows += of_task.values()
    return rows


def row_of(task: str, suite: str, limit: int, play: dict[str, Any], drawn: dict[str, Any]) -> dict[str, Any]:
    highest = play.get("highest_limit", limit)
    told = str(limit) if highest == limit else f"{limit} to {highest}"
    row = dict.fromkeys(COLUMNS, "") | {"task": task, "suite": suite, "limit": told}
    if play:
        low, high = wilson(play["successes"], play["episodes"])
        row |= {"episodes": play["episodes"], "random_success": f"{play['successes'] / play['episodes']:.4f}"}
        row |= {"random_low": f"{low:.4f}", "random_high": f"{high:.4f}"}
        row["lowest_return"] = f"{play['lowest']:.1f}" if "lowest" in play else ""
    if "at the other limit" in play:
        longer = play["at the other limit"]
        row["other_limit"] = longer["limit"]
        row["success_in_other_limit"] = f"{longer['successes'] / longer['episodes']:.4f}"
    if drawn.get("steps"):
        steps = [each for each in drawn["steps"] if each is not None]
        row |= {"levels": len(drawn["steps"]), "no_way": len(drawn["steps"]) - len(steps)}
        if steps:
            error = 1.96 * statistics.stdev(steps) / math.sqrt(len(steps)) if len(set(steps)) > 1 else 0.0
            middle = statistics.mean(steps)
            row |= {"optimal_steps": f"{middle:.2f}"}
            row |= {"optimal_low": f"{middle - error:.2f}", "optimal_high": f"{middle + error:.2f}"}
    elif "mean" in drawn:
        row |= {"optimal_steps": f"{drawn['mean']:.2f}", "levels": drawn["levels"], "no_way": drawn["no way"]}
    else:
        row["why_no_optimum"] = drawn.get("why", "not measured")
    row["distinct_of_2000"] = drawn.get("distinct") or ""
    row["begins_on_goal"] = drawn.get("begins on the goal") or ""
    return row


def verdict(
    task: str, suite: str, farama: dict[str, Any], row: dict[str, Any], found: dict[str, dict[tuple[str, str], Any]]
) -> tuple[str, str]:
    """yes, only by success or no; and the differences that were found."""
    family = TASKS[task].family if task in TASKS else "babyai"
    ours, theirs = (found[name].get(("rules", ""), {}) for name in ("farama", suite))

    def differs(probe: str) -> bool:
        return probe in ours and probe in theirs and ours[probe] != theirs[probe]

    other, looks = [], []
    if row["limit"] != farama["limit"]:
        other.append(f"limit {row['limit']} for {farama['limit']}")
    if (row["no_way"] or 0) > 0 and not farama["no_way"]:
        other.append(f"{row['no_way']} of {row['levels']} levels have no way")
    if farama["distinct_of_2000"] and row["distinct_of_2000"]:
        ratio = int(row["distinct_of_2000"]) / int(farama["distinct_of_2000"])
        if not 2 / 3 < ratio < 3 / 2:
            other.append(f"{row['distinct_of_2000']} levels met in 2,000 for {farama['distinct_of_2000']}")
    begun = float(row["begins_on_goal"] or 0)
    if begun >= 0.01:
        other.append(f"begins on the goal in {begun:.0%}")
    elif begun:
        looks.append(f"begins on the goal in {begun:.2%}")
    if task == "DistShift1" and differs("lava in DistShift1"):
        other.append("lava is harmless")
    if family == "gotodoor" and theirs.get("GoToDoor-8x8", "").startswith("facing the door: "):
        other.append("facing the door is success")
    if task in theirs and task not in ours:  # a probe of this task's levels alone
        other.append(theirs[task])
    if family in KEYS and differs("drop the key, then toggle the door"):
        other.append("a dropped key opens")
    if family in DOORS and differs("toggle an open door"):
        other.append("doors do not close")
    if row["lowest_return"] != farama["lowest_return"] and "" not in (row["lowest_return"], farama["lowest_return"]):
        other.append(f"lowest return {row['lowest_return']} for {farama['lowest_return']}")
    if "" not in (row["optimal_low"], farama["optimal_low"]):
        errors = [(float(each["optimal_high"]) - float(each["optimal_low"])) / 2 / 1.96 for each in (row, farama)]
        if abs(float(row["optimal_steps"]) - float(farama["optimal_steps"])) > APART * math.hypot(*errors):
            other.append("shortest ways of another length")
    if differs("success at step k of T pays"):
        looks.append("success pays 1")
    if family in WALLS and differs("goal seen behind the locked door"):
        looks.append("sees through walls")
    if differs("done"):
        looks.append("no action `done`")
    if differs("own cell with the key"):
        looks.append("other codes")
    if not row["episodes"] and row["why_no_optimum"] and not other:
        return "not known", "; ".join(["random play and levels not measured", *looks])
    apart = bool(row["episodes"] and farama["episodes"]) and (
        float(row["random_low"]) > float(farama["random_high"])
        or float(row["random_high"]) < float(farama["random_low"])
    )
    if apart and not other and not looks:
        other.append("random play differs, nobody knows why")
    if other:
        return "no", "; ".join(other)
    unknown = [] if row["episodes"] else ["random play not measured"]
    unknown += [] if row["optimal_steps"] else ["shortest ways not known, random play alone was compared"]
    if looks:
        return "only by success", "; ".join([*looks, *unknown])
    return "yes", "; ".join(["no difference found but in the last step's flags", *unknown])


def write(found: dict[str, dict[tuple[str, str], Any]], ways: dict[str, Any], root: Path) -> None:
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    rows = task_rows(found, ways)
    with (folder / "tasks.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    probes = list(dict.fromkeys(probe for suite in SUITES for probe in found[suite].get(("rules", ""), {})))
    with (folder / "rules.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["probe", *SUITES])
        writer.writerows(
            [probe, *(found[suite].get(("rules", ""), {}).get(probe, "") for suite in SUITES)] for probe in probes
        )
    page = (root / PAGE).read_text()
    (root / PAGE).write_text(filled(page, folder))


def filled(page: str, folder: Path) -> str:
    """The page with its tables made anew from the csv files."""
    for name, table in (("rules", rules_table), ("tasks", tasks_table), ("compare", compare_table)):
        begin, end = f"<!-- {name}: made by scripts/peers/suites.py -->\n", f"<!-- end of {name} -->"
        before, rest = page.split(begin)
        page = f"{before}{begin}\n{table(folder)}\n{end}{rest.split(end)[1]}"
    return page


def rules_table(folder: Path) -> str:
    with (folder / "rules.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    lines = ["| | " + " | ".join(SUITES.values()) + " |", "|---|" + "---|" * len(SUITES)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def read_tasks(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = {}
    with (folder / "tasks.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["task"], {})[row["suite"]] = row
    return found


def tasks_table(folder: Path) -> str:
    """Random success in per cent with its interval, and the mean of shortest ways with how many levels have one."""
    lines = ["| task | " + " | ".join(SHORT.values()) + " |", "|---|" + "---|" * len(SHORT)]
    for task, rows in read_tasks(folder).items():
        lines.append(f"| {task} | " + " | ".join(cell(rows.get(suite)) for suite in SHORT) + " |")
    return "\n".join(lines) + "\n"


def cell(row: dict[str, str] | None) -> str:
    if row is None:
        return ""
    if not row["episodes"]:
        known = [row["optimal_steps"], f"T {row['limit']}"]
        return "; ".join(["not measured", *filter(None, known)])
    share, low, high = (
        f"{100 * float(row[name]):.{1 if float(row[name]) >= 0.1 else 2}f}"
        for name in ("random_success", "random_low", "random_high")
    )
    words = f"{share} ({low} to {high})"
    if row["other_limit"]:
        words += f", in {row['other_limit']} steps {100 * float(row['success_in_other_limit']):.1f}"
    if row["optimal_steps"]:
        words += f"; {row['optimal_steps']}"
    if row["levels"] and row["no_way"] != "0":
        words += f"; no way in {row['no_way']} of {row['levels']}"
    return f"{words}; T {row['limit']}"


def compare_table(folder: Path) -> str:
    """Tasks with one answer and one reason together."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for task, rows in read_tasks(folder).items():
        for suite, row in rows.items():
            if row["compare"]:
                grouped.setdefault((suite, row["compare"], row["because"]), []).append(task)
    order = {"yes": 0, "only by success": 1, "no": 2, "not known": 3}
    lines = ["| suite | curves beside Farama's | tasks | what differs |", "|---|---|---|---|"]
    for (suite, answer, reason), tasks in sorted(
        grouped.items(), key=lambda each: (list(SHORT).index(each[0][0]), order[each[0][1]])
    ):
        lines.append(f"| {SHORT[suite]} | {answer} | {', '.join(tasks)} | {reason} |")
    return "\n".join(lines) + "\n"
