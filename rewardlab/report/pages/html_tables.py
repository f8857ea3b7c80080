"""The tables of the page as HTML. Every text that comes from a file passes through `escape`."""

from collections.abc import Mapping, Sequence
from html import escape

from rewardlab.records.status import STATES
from rewardlab.report.comparison import Comparison
from rewardlab.report.numbers import amount, duration, signed
from rewardlab.report.pages import html
from rewardlab.report.pages.styles import Style
from rewardlab.report.reading.run_folder import Run
from rewardlab.report.statistics import Estimate
from rewardlab.report.tables.aggregate import Aggregate
from rewardlab.report.tables.differences import DifferenceRow
from rewardlab.report.tables.efficiency import EfficiencyRow, Speed
from rewardlab.report.tables.records import aggregate_text, difference_text, efficiency_text

SIGNS = {"finished": "✓", "diverged": "≁", "running": "…", "interrupted": "‖", "failed": "✗", "absent": "·"}
_MOST_SEEDS = 60  # columns of the grid of runs


def efficiency(comparison: Comparison, rows: Sequence[EfficiencyRow], styles: dict[str, Style]) -> str:
    """The sample-efficiency table."""
    rows = [row for row in rows if row.n_seeds]
    if not rows:
        return ""
    header = ["*environment", "*scheme", "seeds", "frames to 50 %", "frames to 90 %", "CPU time to 90 %", "area",
              "final success", "final return"]  # fmt: skip
    marks = efficiency_text(rows)
    body = []
    for place, row in enumerate(rows):
        colour = html.swatch(styles[comparison.name(row.setting.method)])
        name = f"{colour}{escape(row.name)}{html.assumed(row.setting.assumes)}"
        cells = [html.text(escape(row.setting.env)), html.text(name), html.plain(row.n_seeds)]
        cells += [_timed(speed, row.n_seeds, marks.mark(place, 3 + at)) for at, speed in enumerate(row.speed.values())]
        cells.append(html.number(row.speed["90"].cpu_seconds or Estimate(), duration, marks.mark(place, 5)))
        estimates = (row.auc, row.final_success, row.final_return)
        cells += [html.number(each, mark=marks.mark(place, 6 + at)) for at, each in enumerate(estimates)]
        body.append(cells)
    return (
        "<h2>Sample efficiency</h2><p class='note'>Median frames over seeds until 50 % and 90 % of the optimum, "
        "unreached seeds censored; below it the 95 % interval and how many seeds got there. Click a header to sort.</p>"
        + html.table("sample-efficiency", header, body)
    )


def aggregate(aggregated: Aggregate, legend: str, styles: dict[str, Style]) -> str:
    """The aggregate table, the curves over all environments and the performance profile."""
    if not aggregated.rows:
        return ""
    header = ["*scheme", "runs", "area", "IQM", "median", "mean", "optimality gap", "P(better than baseline)"]
    marks = aggregate_text(aggregated)
    body = []
    for place, row in enumerate(aggregated.rows):
        name = f"{html.swatch(styles[row.name])}{escape(row.name)}{html.assumed(row.assumes)}"
        estimates = (row.auc, row.iqm, row.median, row.mean, row.optimality_gap, row.improvement)
        numbers = [html.number(each, mark=marks.mark(place, 2 + at)) for at, each in enumerate(estimates)]
        body.append([html.text(name), html.plain(row.n_runs), *numbers])
    envs = escape(", ".join(aggregated.envs))
    shared = (
        '<div class="card"><h3>Learning curves, all shared environments</h3>'
        '<div class="plot" data-chart="shared"></div></div>'
        if len(aggregated.envs) > 1
        else ""
    )
    return (
        f"<h2>Over all shared environments</h2><p class='note'>Final normalised scores over {envs}; 95 % "
        f"stratified-bootstrap intervals.</p>{html.table('aggregate-table', header, body, search=False)}"
        f'<div class="tools">{legend}</div><div class="plots">{shared}<div class="card"><h3>Performance profile</h3>'
        '<div class="plot" data-chart="profile"></div></div></div>'
    )


def differences(rows: Sequence[DifferenceRow], styles: dict[str, Style]) -> str:
    """The table of differences from the baselines."""
    if not rows:
        return ""
    header = ["*environment", "*scheme", "*baseline", "seeds", "area", "final score", "final success", "P(better)"]
    marks = difference_text(rows)
    body = []
    for place, row in enumerate(rows):
        score = row.final_normalised if row.final_normalised.value is not None else row.final_return
        cells = [html.text(escape(row.env) or "<i>all shared</i>")]
        cells += [html.text(f"{html.swatch(styles[name])}{escape(name)}") for name in (row.name, row.baseline)]
        cells.append(html.plain(marks.rows[place][3]))
        for at, each in enumerate((row.auc, score, row.final_success)):
            cells.append(html.number(each, signed, marks.mark(place, 4 + at)))
        body.append([*cells, html.number(row.improvement)])
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in marks.notes)
    return f"<h2>Against the baseline</h2>{notes}{html.table('differences', header, body)}"


def runs(comparison: Comparison, places: Mapping[int, int]) -> str:
    """What is there and what is missing, and the place where the page lists every run.

    Args:
        comparison: all runs.
        places: id of a run -> its place in the page's data.
    """
    states = [
        state
        for state in (*STATES, "unreadable")
        if state == "unreadable" or any(r.state == state for r in comparison.runs)
    ]
    options = "".join(f"<option>{state}</option>" for state in states if state != "unreadable" or comparison.problems)
    header = ("*run", "*environment", "*scheme", "seed", "*state", "frames", "final return", "*what happened")
    return (
        f"<h2>Runs</h2>{_grid(comparison, places)}<div class='tools'><input type='search' id='runs-filter' "
        "placeholder='Filter runs…' aria-label='Filter runs'><label>state <select id='runs-state'><option>all</option>"
        f"{options}</select></label><span class='count' id='runs-count'></span></div>"
        f'<div class="card scroll"><table id="runs-table"><thead><tr>{html.heads(header)}</tr></thead>'
        "<tbody></tbody></table></div>"
        '<p><button type="button" class="chip" id="runs-more" hidden>Show more</button></p>'
        '<dialog id="run"><div id="run-body"></div></dialog>'
    )


def _grid(comparison: Comparison, places: Mapping[int, int]) -> str:
    """Settings x seeds, one sign per run: gaps are seen at once."""
    blocks = []
    for env in comparison.envs:
        seeds = comparison.seeds_of(env)
        if len(seeds) > _MOST_SEEDS:
            continue
        head = "".join(f"<th>{seed}</th>" for seed in seeds)
        blocks.append(f'<tr><th class="text env">{escape(env)}</th>{head}</tr>')
        for setting in comparison.of_env(env):
            own = {run.seed: run for run in setting.runs}
            signs = "".join(_sign(own.get(seed), seed, places) for seed in seeds)
            blocks.append(f'<tr><th class="text">{escape(comparison.setting_name(setting))}</th>{signs}</tr>')
    if not blocks:
        return ""
    there = {run.state for run in comparison.runs} | {"absent"}
    legend = "".join(
        f'<span><span class="cell {state}">{sign}</span> {state}</span>'
        for state, sign in SIGNS.items()
        if state in there
    )
    return (
        '<p class="note">Seeds of every setting; a click on one opens the run.</p><div class="card coverage scroll">'
        f'<table class="grid"><tbody>{"".join(blocks)}</tbody></table><div class="legend">{legend}</div></div>'
    )


def _sign(run: Run | None, seed: int, places: Mapping[int, int]) -> str:
    if run is None:
        return f'<td><span class="cell absent" title="seed {seed}: absent">{SIGNS["absent"]}</span></td>'
    return (
        f'<td><button type="button" class="cell {run.state}" title="seed {seed}: {run.state}" '
        f'data-run="{places[id(run)]}">{SIGNS[run.state]}</button></td>'
    )


def _timed(speed: Speed, n_seeds: int, mark: str) -> str:
    if speed.n_reached is None:
        return html.cell("", None)
    count = f"{speed.n_reached}/{n_seeds}"
    if speed.frames.value is None:
        return html.cell(f'<span class="unreached">not reached</span><small>{count} seeds</small>', float("1e99"))
    return html.number(speed.frames, amount, mark, extra=count)
