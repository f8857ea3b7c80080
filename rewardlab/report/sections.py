"""The sections of the page as HTML. Every text that comes from a file passes through `escape`."""

from collections.abc import Sequence
from html import escape

from rewardlab.records.status import STATES
from rewardlab.report.aggregate import Aggregate
from rewardlab.report.cautions import listed
from rewardlab.report.curves import Curve
from rewardlab.report.efficiency import EfficiencyRow, Speed
from rewardlab.report.numbers import Form, amount, bounds, duration, score
from rewardlab.report.palette import Look
from rewardlab.report.statistics import Estimate
from rewardlab.report.study import Study
from rewardlab.report.verdict import Verdict

_SIGNS = {"finished": "✓", "diverged": "≁", "running": "…", "interrupted": "‖", "failed": "✗", "absent": "·"}

METHOD = """<h2>How to read this</h2>
<dl class="card" style="padding:18px 22px">
<dt>Return, success</dt><dd>Always the task's own, from evaluations without any bonus, on levels that
training never saw.</dd>
<dt>Normalised</dt><dd>0 is a uniformly random policy, 1 an optimal one.</dd>
<dt>Frames to 50 %, 90 %</dt><dd>Training frames until the first of two evaluations in a row reaches that normalised
return. Median over seeds by Kaplan and Meier: seeds that never get there count as censored, they are not dropped.
“Not reached” means that half of the seeds did not get there. Intervals are bootstrapped over seeds.</dd>
<dt>Area</dt><dd>Mean height of the normalised learning curve up to the budget that all runs of the environment share:
early and high is better.</dd>
<dt>IQM</dt><dd>Interquartile mean: the mean of the middle half of all runs; steadier than the
mean, fairer than the median.</dd>
<dt>Optimality gap</dt><dd>How far runs stay below the optimum on average; smaller is better.</dd>
<dt>Intervals</dt><dd>95 %, percentile bootstrap, seeds redrawn within each environment by a fixed generator. With few
seeds they are too narrow: take 10 seeds for a claimed difference.</dd>
<dt>P(better than baseline)</dt><dd>Probability that a run ends higher than one of the baseline on the
same task (Mann-Whitney).</dd>
<dt>Diverged, failed</dt><dd>A diverged run is a result: its last evaluation is carried to the end and it reaches no
threshold. Runs that failed, were interrupted or still run are named and left out.</dd>
</dl>"""


def overview(study: Study, aggregated: Aggregate, answer: Verdict, look: dict[str, Look]) -> str:
    """The answer, and the ranking that it rests on."""
    runs, envs = study.runs, study.envs
    tally = [f"{n} {state}" for state in STATES if (n := sum(run.state == state for run in runs))]
    tally += [f"{len(study.problems)} unreadable"] if study.problems else []
    facts = f"{_plural(len(study.schemes), 'scheme')} · {_plural(len(envs), 'environment')} · {', '.join(tally)}"
    details = "".join(f"<li>{escape(line)}</li>" for line in answer.details)
    left = (
        f'<div><span class="badge {answer.sureness}">{escape(answer.label)}</span>'
        f'<h1 class="answer">{escape(answer.headline)}</h1><p class="facts">{facts}</p><ul>{details}</ul></div>'
    )
    bars = []
    for assumes, rows in aggregated.groups().items():
        title = "Area under the learning curve, share of the optimum (95 % interval)"
        apart = f"† assumes {escape(', '.join(assumes))}"
        bars.append(f'<div class="title">{apart if assumes else title}</div>')
        bars += [
            f'<div class="name" title="{escape(row.name)}">{escape(row.name)}</div>'
            f"{_track(row.auc, look[row.name].colour)}"
            f'<div class="value">{score(row.auc.value)} <small>{escape(bounds(row.auc))}</small></div>'
            for row in rows
        ]
    return f'<div class="card hero">{left}<div class="rank">{"".join(bars)}</div></div>'


def winners(study: Study, rows: Sequence[EfficiencyRow], look: dict[str, Look]) -> str:
    """One small card per environment: who learns fastest there."""
    cards = []
    for env in study.envs:
        own = [row for row in rows if row.setting.env == env and row.n_seeds]
        if not own:
            cards.append(f'<div class="card"><h3>{escape(env)}</h3><p>no finished run yet</p></div>')
            continue
        # Rows come best first within equal assumptions, the fewest assumptions first.
        best = own[0]
        speed = best.speed["90"]
        if speed.n_reached and speed.frames.value is not None:
            said = f"90 % of the optimum after {amount(speed.frames.value)} frames {bounds(speed.frames, amount)}"
        elif speed.n_reached is not None:
            said = f"90 % not reached by half of the seeds; final return {score(best.final_return.value)}"
        else:
            said = f"final return {score(best.final_return.value)} {bounds(best.final_return)}"
        reached = f", {speed.n_reached} of {_plural(best.n_seeds, 'seed')}" if speed.n_reached is not None else ""
        learned = best.auc.value is None or best.auc.value >= 0.05
        title = (
            f"{_dot(look[study.name(best.setting.scheme)])}{escape(best.name)}" if learned else "nothing learned yet"
        )
        cards.append(
            f'<div class="card"><h3>{escape(env)}</h3><div class="win">{title}</div>'
            f"<p>{escape(said)}{reached}</p><p>{escape(_margin(own)) if learned else ''}</p></div>"
        )
    return f'<div class="envs">{"".join(cards)}</div>'


def _margin(rows: Sequence[EfficiencyRow]) -> str:
    """Whether the first row is clearly ahead: intervals of the area that overlap say no."""
    best, *rest = [row for row in rows if row.setting.assumes == rows[0].setting.assumes]
    if not rest or best.auc.value is None:
        return ""
    level = [row.name for row in rest if row.auc.high is None or best.auc.low is None or row.auc.high >= best.auc.low]
    return f"not clearly ahead of {listed(level)}" if level else f"clearly ahead of {rest[0].name}, the next"


def careful(warnings: Sequence[str]) -> str:
    """Where the reader should be careful; open by itself while the list is short."""
    if not warnings:
        return ""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    state = " open" if len(warnings) <= 4 else ""
    return (
        f'<details class="card careful"{state}><summary>{_plural(len(warnings), "reason")} to be careful</summary>'
        f"<ul>{items}</ul></details>"
    )


def chips(names: Sequence[tuple[str, int]], look: dict[str, Look]) -> str:
    """The legend of all charts: a click hides or shows a scheme everywhere."""
    buttons = "".join(
        f'<button class="chip" data-scheme="{place}" aria-pressed="true">{_dot(look[name])}{escape(name)}</button>'
        for name, place in names
    )
    return f'<div class="chips">{buttons}</div>'


def curves(curves_by_env: dict[str, list[Curve]], legend: str, metrics: dict[str, str]) -> str:
    """Learning curves, one chart per environment, with one set of controls."""
    options = "".join(f'<option value="{key}">{label}</option>' for key, label in metrics.items())
    charts = "".join(
        f'<div class="card"><h3>{escape(env)}</h3><div class="plot" data-env="{place}"></div></div>'
        for place, (env, lines) in enumerate(curves_by_env.items())
        if lines
    )
    return (
        "<h2>Learning curves</h2><p class='note'>Interquartile mean over seeds, band: 95 % bootstrap interval. Click a "
        "name to hide it everywhere, drag to zoom, double-click to go back.</p>"
        f'<div class="tools">{legend}<label>show <select data-choice="metric">{options}</select></label>'
        '<label>frames <select data-choice="axis"><option>linear</option><option>log</option></select></label>'
        '<label><input type="checkbox" data-choice="bands" checked> intervals</label></div>'
        f'<div class="plots">{charts}</div>'
    )


def efficiency(study: Study, rows: Sequence[EfficiencyRow], look: dict[str, Look]) -> str:
    """The sample-efficiency table."""
    counted = [row for row in rows if row.n_seeds]
    if not counted:
        return ""
    header = ["*environment", "*scheme", "seeds", "frames to 50 %", "frames to 90 %", "CPU time to 90 %", "area",
              "final success", "final return"]  # fmt: skip
    body = []
    for row in counted:
        mark = _mark(row.setting.assumes)
        dot = _dot(look[study.name(row.setting.scheme)])
        cells = [_text(escape(row.setting.env)), _text(f"{dot}{escape(row.name)}{mark}"), _plain(row.n_seeds)]
        cells += [_timed(speed, row.n_seeds) for speed in row.speed.values()]
        cells.append(_number(row.speed["90"].cpu_seconds or Estimate(), duration))
        cells += [_number(each) for each in (row.auc, row.final_success, row.final_return)]
        body.append(cells)
    return (
        "<h2>Sample efficiency</h2><p class='note'>Median frames over seeds until 50 % and 90 % of the optimum, "
        "unreached seeds censored; below it the 95 % interval and how many seeds got there. Click a header to sort.</p>"
        + _table("sample-efficiency", header, body)
    )


def aggregate(aggregated: Aggregate, legend: str, look: dict[str, Look]) -> str:
    """The aggregate table and the performance profile."""
    if not aggregated.rows:
        return ""
    header = ["*scheme", "runs", "area", "IQM", "median", "mean", "optimality gap", "P(better than baseline)"]
    body = []
    for row in aggregated.rows:
        mark = _mark(row.assumes)
        cells = [_text(f"{_dot(look[row.name])}{escape(row.name)}{mark}"), _plain(row.n_runs)]
        estimates = (row.auc, row.iqm, row.median, row.mean, row.optimality_gap, row.improvement)
        body.append(cells + [_number(each) for each in estimates])
    envs = escape(", ".join(aggregated.envs))
    return (
        f"<h2>Over all shared environments</h2><p class='note'>Final normalised scores over {envs}; 95 % "
        f"stratified-bootstrap intervals.</p>{_table('aggregate-table', header, body, search=False)}"
        f'<div class="tools">{legend}</div><div class="plots"><div class="card"><h3>Performance profile</h3>'
        '<div class="plot"></div></div></div>'
    )


def runs(study: Study, look: dict[str, Look]) -> str:
    """What is there and what is missing, then every run with its state."""
    header = ["*run", "*environment", "*scheme", "seed", "*state", "frames", "final return", "*what happened"]
    body = []
    for setting in study.settings:
        for run in setting.runs:
            last = float(run.evaluations.return_mean[-1]) if run.evaluations.return_mean.size else None
            done = f"{amount(run.frames) or 0}<small>of {amount(run.budget)}</small>"
            dot = _dot(look[study.name(setting.scheme)])
            body.append([
                _text(escape(f"{run.folder}: {run.name}" if run.folder else run.name)), _text(escape(run.env)),
                _text(f"{dot}{escape(study.setting_name(setting))}"), _plain(run.seed),
                _text(f'<span class="badge {run.state}">{run.state}</span>'), _cell(done, run.frames),
                _cell(score(last), last), _text(escape(run.error)),
            ])  # fmt: skip
    for problem in study.problems:
        name = f"{problem.folder}: {problem.name}" if problem.folder else problem.name
        body.append([_text(escape(name)), _text(""), _text(""), _plain(""),
                     _text('<span class="badge unreadable">unreadable</span>'), _plain(""), _plain(""),
                     _text(escape(problem.reason))])  # fmt: skip
    return f"<h2>Runs</h2>{_coverage(study)}" + _table("runs-table", header, body)


def _coverage(study: Study) -> str:
    """Settings x seeds, one sign per run: gaps are seen at once."""
    blocks = []
    for env in study.envs:
        seeds = study.seeds_of(env)
        if len(seeds) > 60:
            continue
        head = "".join(f"<th>{seed}</th>" for seed in seeds)
        blocks.append(f'<tr><th class="text env">{escape(env)}</th>{head}</tr>')
        for setting in study.of_env(env):
            states = {run.seed: run.state for run in setting.runs}
            cells = "".join(_sign(states.get(seed, "absent"), seed) for seed in seeds)
            blocks.append(f'<tr><th class="text">{escape(study.setting_name(setting))}</th>{cells}</tr>')
    legend = "".join(f'<span><span class="cell {state}">{sign}</span> {state}</span>' for state, sign in _SIGNS.items())
    return (
        f'<p class="note">Seeds of every setting.</p><div class="card coverage scroll"><table class="grid">'
        f'<tbody>{"".join(blocks)}</tbody></table><div class="legend">{legend}</div></div>'
    ) if blocks else ""  # fmt: skip


def _sign(state: str, seed: int) -> str:
    return f'<td><span class="cell {state}" title="seed {seed}: {state}">{_SIGNS[state]}</span></td>'


def _table(key: str, header: Sequence[str], body: list[list[str]], *, search: bool = True) -> str:
    """A sortable table; a star marks columns of text."""
    heads = "".join(
        f'<th scope="col"{" class=text" if name[0] == "*" else ""}><button>{name.lstrip("*")}</button></th>'
        for name in header
    )
    rows = "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in body)
    field = (
        '<div class="tools"><input type="search" placeholder="Filter rows…" aria-label="Filter rows" '
        f'data-filter="{key}"></div>'
        if search and len(body) > 3
        else ""
    )
    return (
        f'{field}<div class="card scroll"><table class="sortable" id="{key}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _track(estimate: Estimate, colour: str) -> str:
    def place(value: float) -> float:
        return round(100 * min(max(value, 0.0), 1.0), 2)

    fill = f'<div class="fill" style="width:{place(estimate.value or 0.0)}%;background:{colour}"></div>'
    if estimate.low is not None and estimate.high is not None:
        low, high = place(estimate.low), place(estimate.high)
        fill += f'<div class="range" style="left:{low}%;width:{round(high - low, 2)}%"></div>'
    return f'<div class="track">{fill}</div>'


def _timed(speed: Speed, n_seeds: int) -> str:
    if speed.n_reached is None:
        return _cell("", None)
    count = f"{speed.n_reached}/{n_seeds}"
    if speed.frames.value is None:
        return _cell(f'<span class="unreached">not reached</span><small>{count} seeds</small>', float("1e99"))
    interval = escape(bounds(speed.frames, amount))
    return _cell(f"{amount(speed.frames.value)}<small>{interval} {count}</small>", speed.frames.value)


def _number(estimate: Estimate, form: Form = score) -> str:
    return _cell(f"{form(estimate.value)}<small>{escape(bounds(estimate, form))}</small>", estimate.value)


def _cell(content: str, sort: float | None) -> str:
    return f'<td data-sort="{"" if sort is None else format(sort, ".9g")}">{content}</td>'


def _plain(value: object) -> str:
    return f"<td>{escape(str(value))}</td>"


def _text(content: str) -> str:
    return f'<td class="text">{content}</td>'


def _dot(look: Look) -> str:
    return f'<span class="dot" style="background:{look.colour}"></span>'


def _mark(assumes: Sequence[str]) -> str:
    assumed = escape(", ".join(assumes))
    return f' <span title="assumes {assumed}">†</span>' if assumes else ""


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
