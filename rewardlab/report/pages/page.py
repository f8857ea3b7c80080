"""`report.html`: one page that holds all it needs, opens offline, and answers the question in its first screen."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from rewardlab import __version__
from rewardlab.records.status import STATES
from rewardlab.report.cautions import FEW_SEEDS, Caution, listed
from rewardlab.report.comparison import Comparison
from rewardlab.report.numbers import amount, bounds, plural, score, share_range
from rewardlab.report.pages.charts import OF_LEVELS, RANKED
from rewardlab.report.pages.data import metrics, page_data, run_places
from rewardlab.report.pages.level_strips import level_strips
from rewardlab.report.pages.styles import Style
from rewardlab.report.reading.collection import CANDIDATE, DUPLICATE, UNREADABLE
from rewardlab.report.statistics import COVERED, Estimate
from rewardlab.report.tables.columns import Column, Filled, Kind, Row
from rewardlab.report.tables.efficiency import height_of
from rewardlab.report.tables.numbers import Numbers
from rewardlab.report.tables.text import cell, reading
from rewardlab.report.verdict import NOTHING, Verdict, still_running

SIGNS = {
    "finished": "✓",
    "diverged": "≁",
    "running": "…",
    "paused": "–",
    "interrupted": "‖",
    "failed": "✗",
    "absent": "·",
}
_AREA = "Area under the learning curve, share of the optimum (95 % interval)"
_MOST_RANKED = 4  # environments whose returns the first screen ranks
_MOST_SEEDS = 60  # columns of the grid of runs
_RUNS = (("run", True), ("environment", True), ("scheme", True), ("seed", False), ("state", True), ("frames", False),
         ("final return", False), ("what happened", True))  # fmt: skip

Cell = dict[str, Any]
"""A cell as the template takes it: its `text`; of a `name` at the left a `style`, what it `assumes` and whether it is
`blank`; of a number what it is sorted by, its `mark`, and what stands `below`."""


Bar = tuple[str, str, Estimate, tuple[float, float] | None]
"""A row of a ranking: its name, its method, its area, and the ends of the track if these are not 0 and 1."""


def render_page(
    numbers: Numbers, answer: Verdict, warnings: Sequence[Caution], styles: dict[str, Style], roots: dict[str, Path],
    filters: Sequence[str],
) -> str:  # fmt: skip
    """Renders the whole page as one text; every name in it is escaped. `roots` are the results folders by label."""
    comparison, aggregated = numbers.comparison, numbers.aggregated
    sections: Any = _TEMPLATES.get_template("sections.html").module
    every = {env: [*lines, *numbers.going[env]] for env, lines in numbers.curves.items()}
    drawn = {curve.method for lines in every.values() for curve in lines}
    chips = sections.chips([(name, place) for place, name in enumerate(styles) if name in drawn], styles)
    charts = [(place, env) for place, (env, lines) in enumerate(every.items()) if lines]
    going = any(numbers.going.values())
    overview = sections.overview(
        answer, _facts(comparison, filters), _ranks(numbers), styles, list(_winners(numbers, styles)), warnings
    )
    efficiency, differences = numbers.efficiency, numbers.differences
    shown = [suffix for suffix in comparison.thresholds if efficiency.frame[f"n_reached_{suffix}"].notna().any()]
    there = {run.state for run in comparison.runs}
    data = page_data(numbers, styles, roots)
    unread = sorted({problem.state for problem in comparison.problems}, reverse=True)
    signs = {state: sign for state, sign in SIGNS.items() if state in there or state == "absent"}
    states = [*(state for state in STATES if state in there), *unread]
    ranked, designed = _drawn_of(numbers, RANKED, ":"), _drawn_of(numbers, OF_LEVELS, "")
    strips = level_strips(comparison, roots)
    parts = [
        ("overview", "Overview", overview),
        ("curves", "Curves", sections.curves(charts, chips, metrics(numbers), going) if drawn else ""),
        ("efficiency", "Sample efficiency",
         sections.efficiency(*_table(efficiency, styles), shown) if len(efficiency) else ""),
        ("learned", "Learned rewards", sections.learned(ranked, data.get("rewards", []), chips)
         if ranked or "rewards" in data else ""),
        ("levels", "Designed levels", sections.levels(designed, strips, chips) if designed or strips else ""),
        ("coverage", "Coverage",
         sections.covered(*_table(numbers.coverage, styles)) if len(numbers.coverage) else ""),
        ("regret", "Regret", sections.regret(*_table(numbers.regret, styles), reading(numbers.regret).notes)
         if len(numbers.regret) else ""),
        ("diversity", "Diversity",
         sections.diversity(*_table(numbers.diversity, styles), _diverse(numbers), data.get("maps", []), chips)
         if len(numbers.diversity) else ""),
        ("suite", "Held-out levels", sections.suite(*_table(numbers.suite, styles), reading(numbers.suite).notes)
         if len(numbers.suite) else ""),
        ("aggregate", "Aggregate", sections.aggregate(*_table(aggregated.filled, styles), aggregated.envs, chips)
         if aggregated.rows else ""),
        ("baseline", "Baseline", sections.baseline(*_table(differences, styles), reading(differences).notes)
         if len(differences) else ""),
        ("runs", "Runs", sections.runs(list(_grid(comparison)), signs.items(), SIGNS, states, _RUNS)),
        ("method", "Method", sections.method(
            ", ".join(f"{share_range(COVERED[seeds])} with {seeds} seeds" for seeds in (3, 5, 10)))),
    ]  # fmt: skip
    plotly = files("plotly").joinpath("package_data/plotly.min.js").read_text(encoding="utf-8")
    script = _asset("page.js")
    return _TEMPLATES.get_template("page.html").render(
        answer=answer,
        parts=[part for part in parts if part[2]],
        version=__version__,
        css=_asset("page.css"),
        data=_for_script(data),
        plotly=plotly,
        script=script,
        hashes=f"{_hash(plotly)} {_hash(script)}",
    )


def _drawn_of(numbers: Numbers, kinds: Mapping[str, str], end: str) -> list[tuple[int, str, str, str]]:
    """Charts of kinds of bands, each followed by `end`: place of the environment, its name, what, and its title."""
    return [
        (numbers.comparison.envs.index(env), env, key, title.replace("\n", " "))
        for env, curves in numbers.training.items()
        for key, title in kinds.items()
        if any(each.startswith(f"{key}{end}") for curve in curves for each in curve.bands)
    ]


def _diverse(numbers: Numbers) -> list[tuple[int, str, str, str]]:
    """The charts of populations: place of the environment, its name, what is drawn, and its title."""
    return [
        (numbers.comparison.envs.index(env), env, key, title)
        for env, curves in numbers.diversity_curves.items()
        for key, title in (("coverage", "coverage"), ("qd_score", "QD score"))
        if any(key in curve.bands for curve in curves)
    ]


def _facts(comparison: Comparison, filters: Sequence[str]) -> str:
    """How much the answer rests on."""
    tally = [f"{n} {state}" for state in STATES if (n := sum(run.state == state for run in comparison.runs))]
    found = [problem.state for problem in comparison.problems]
    tally += [f"{found.count(state)} {state}" for state in (UNREADABLE, DUPLICATE, CANDIDATE) if state in found]
    counts = f"{plural(len(comparison.methods), 'scheme')} · {plural(len(comparison.envs), 'environment')}"
    only = f" · only {', '.join(filters)}" if filters else ""
    common = "".join(f" · {phrase}" for phrase in comparison.in_common)
    return f"{counts}{common} · {', '.join(tally)}{only}"


def _ranks(numbers: Numbers) -> list[tuple[str, list[Bar]]]:
    """Rankings of the first screen, each with a title.

    Without a ranking over environments, the areas in returns of the first few of them.
    """
    found: list[tuple[str, list[Bar]]] = []
    for assumes, rows in numbers.aggregated.groups().items():
        title = f"† assumes {', '.join(assumes)}" if assumes else _AREA
        found.append((title, [(row["method"], row["method"], row.estimate("auc_iqm"), None) for row in rows]))
    if found:
        return found
    for env in numbers.comparison.envs[:_MOST_RANKED]:
        rows = [row for row in numbers.efficiency if row["env"] == env]
        if not rows or height_of(rows[0]) != "auc_return_iqm":
            continue
        areas = [row.estimate("auc_return_iqm") for row in rows]
        ends = [end for area in areas for end in area if end is not None]
        margin = 0.05 * (max(ends) - min(ends)) or 1.0
        track: tuple[float, float] | None = (min(ends) - margin, max(ends) + margin)
        bars = [(row["setting"], row["method"], area, track) for row, area in zip(rows, areas, strict=True)]
        found.append((f"{env}: mean height of the learning curve, in returns (95 % interval)", bars))
    return found


def _winners(numbers: Numbers, styles: dict[str, Style]) -> Iterator[tuple[str, Style | None, str, list[str]]]:
    """Whose area is the largest in each environment: its name, a swatch, a title, and lines below."""
    rows = list(numbers.efficiency)
    for env in numbers.comparison.envs:
        own = [row for row in rows if row["env"] == env]
        if not own:
            yield env, None, "", [still_running(numbers.comparison, env) or "no finished run yet"]
            continue
        # Rows come best first within equal assumptions, the fewest assumptions first.
        best = own[0]
        highest = numbers.comparison.highest
        n_reached, frames = best[f"n_reached_{highest}"], best.estimate(f"frames_to_{highest}")
        late = best.estimate("late_return_iqm")
        seeds = f"{n_reached} of {plural(best['n_seeds'], 'seed')}"
        if n_reached and frames.value is not None:
            times = f"{amount(frames.value)} frames {bounds(frames, amount)}".rstrip()
            line = f"{highest} % of the optimum after {times}, {seeds}"
        elif n_reached is not None:
            line = f"{highest} % of the optimum reached by {seeds}; late return {score(late.value)}"
        else:
            line = f"late return {score(late.value)} {bounds(late)}".rstrip()
        lines = [line]
        if best["auc_iqm"] is None or best["auc_iqm"] >= NOTHING:
            yield env, styles[best["method"]], best["setting"], [*lines, _margin(own)]
        elif any(
            row[f"n_reached_{next(iter(numbers.comparison.thresholds))}"] for row in own
        ):  # areas end with the shortest run
            yield env, None, "nothing learned within the frames that all runs have", [*lines, ""]
        else:
            yield env, None, "nothing learned yet", [*lines, ""]


def _margin(rows: Sequence[Row]) -> str:
    """Whether the first row is ahead by area: intervals that overlap say no, and few seeds nothing for sure."""
    best, *rest = [row for row in rows if row["assumes"] == rows[0]["assumes"]]
    height = height_of(best)
    low = best[f"{height}_low"]
    if not rest:
        return ""
    level = [row["setting"] for row in rest if low is None or (high := row[f"{height}_high"]) is None or high >= low]
    if level:
        return f"area not told apart from that of {listed(level)}"
    fewest = min(row["n_seeds"] for row in (best, *rest))
    few = f", with only {plural(fewest, 'seed')}" if fewest < FEW_SEEDS else ""
    return f"ahead of {rest[0]['setting']}, the next, by area{few}"


def _table(filled: Filled, styles: dict[str, Style]) -> tuple[list[tuple[str, bool]], list[list[Cell]]]:
    """A table for the page: (heading, whether its column is of text) and cells."""
    columns = filled.shown
    text = reading(filled)
    header = [(column.title, place < text.names) for place, column in enumerate(columns)]
    body = []
    for at, row in enumerate(filled):
        cells = [_cell(row, column, text.mark(at, place)) for place, column in enumerate(columns)]
        body.append([*(_name(row, column, styles) for column in columns[: text.names]), *cells[text.names :]])
    return header, body


def _name(row: Row, column: Column, styles: dict[str, Style]) -> Cell:
    value = row[column.name]
    if column.kind is not Kind.METHOD:
        return {"name": True, "text": value or column.blank, "blank": not value}
    style = styles[row["method"] if column.name == "setting" else value]
    return {"name": True, "text": value, "style": style, "assumes": row.assumes}


def _cell(row: Row, column: Column, mark: str) -> Cell:
    if column.kind not in (Kind.ESTIMATE, Kind.CHANGE, Kind.TIME):
        return {"text": cell(row, column)}
    estimate = row.estimate(column.name)
    sort = "" if estimate.value is None else format(estimate.value, ".9g")
    counted = ""
    if column.reached:
        if row[column.reached] is None:
            return {"text": "", "sort": ""}
        counted = f"{row[column.reached]}/{row['n_seeds']}"
        if estimate.value is None:
            return {"text": "not reached", "sort": "1e+99", "mark": "unreached", "below": f"{counted} seeds"}
    below = " ".join(filter(None, (bounds(estimate, column.form), counted)))
    return {"text": column.form(estimate.value), "sort": sort, "mark": mark, "below": below}


def _grid(comparison: Comparison) -> Iterator[tuple[str, list[int], list[tuple[str, list[Any]]]]]:
    """Settings x seeds, one sign per run: gaps are seen at once."""
    places = run_places(comparison)
    for env in comparison.envs:
        seeds = comparison.seeds_of(env)
        if len(seeds) > _MOST_SEEDS:
            continue
        settings: list[tuple[str, list[Any]]] = []
        for setting in comparison.of_env(env):
            own = {run.seed: (run.state, places[id(run)]) for run in setting.runs}
            cells = [(seed, *own.get(seed, ("absent", None))) for seed in seeds]
            settings.append((comparison.setting_name(setting), cells))
        yield env, seeds, settings


def _for_script(value: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(script: str) -> str:
    """What a content security policy calls a script by; a page is parsed with single newlines."""
    normal = script.replace("\r\n", "\n").replace("\r", "\n")
    return f"'sha256-{b64encode(sha256(normal.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return files("rewardlab.report.pages").joinpath("assets", name).read_text(encoding="utf-8")


_TEMPLATES = Environment(
    loader=PackageLoader("rewardlab.report.pages", "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
    keep_trailing_newline=True,
)  # fmt: skip
_TEMPLATES.filters |= {
    "score": score, "bounds": bounds, "plural": plural,
    "within": lambda value, ends: (value - ends[0]) / (ends[1] - ends[0]) if ends else value,
    "percent": lambda share: round(100 * min(max(share, 0.0), 1.0), 2),
}  # fmt: skip
