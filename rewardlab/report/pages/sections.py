"""The sections of the page that are no tables, as HTML. Every text that comes from a file passes through `escape`."""

from collections.abc import Sequence
from html import escape
from string import Template

from rewardlab.records.status import STATES
from rewardlab.report.cautions import listed
from rewardlab.report.comparison import Comparison
from rewardlab.report.curves import Curve
from rewardlab.report.numbers import amount, bounds, score, share_range
from rewardlab.report.pages.html import plural, swatch
from rewardlab.report.pages.styles import Style
from rewardlab.report.statistics import COVERED, Estimate
from rewardlab.report.tables.aggregate import Aggregate
from rewardlab.report.tables.efficiency import EfficiencyRow
from rewardlab.report.verdict import Verdict

_METHOD = """<h2>How to read this</h2>
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
seeds they are too narrow. In simulated studies of one environment they held the true value in $covered: take 10 seeds
for a claimed difference.</dd>
<dt>Best, tie</dt><dd>In tables the best value of its kind is bold. A ≈ marks a tie: the value of one lies within the
interval of the other.</dd>
<dt>Differences</dt><dd>Scheme minus baseline, of interquartile means; bold where the interval leaves zero out. Paired
differences use only seeds that both have and redraw them together.</dd>
<dt>Bonus per step</dt><dd>Mean of a bonus stream during training, before its coefficient, so its height does not
compare schemes: look whether it fades once the task is learned.</dd>
<dt>P(better than baseline)</dt><dd>Probability that a run ends higher than one of the baseline on the
same task (Mann-Whitney).</dd>
<dt>Diverged, failed</dt><dd>A diverged run is a result: its last evaluation is carried to the end and it reaches no
threshold. Runs that failed, were interrupted or still run are named and left out.</dd>
</dl>"""


def method() -> str:
    """How the numbers are made, with what intervals are worth."""
    covered = ", ".join(f"{share_range(COVERED[seeds])} with {seeds} seeds" for seeds in (3, 5, 10))
    return Template(_METHOD).substitute(covered=covered)


def overview(
    comparison: Comparison,
    aggregated: Aggregate,
    answer: Verdict,
    styles: dict[str, Style],
    filters: Sequence[str] = (),
) -> str:
    """The answer, and the ranking that it rests on."""
    runs, envs = comparison.runs, comparison.envs
    tally = [f"{n} {state}" for state in STATES if (n := sum(run.state == state for run in runs))]
    tally += [f"{len(comparison.problems)} unreadable"] if comparison.problems else []
    facts = f"{plural(len(comparison.methods), 'scheme')} · {plural(len(envs), 'environment')} · {', '.join(tally)}"
    facts += f" · only {escape(', '.join(filters))}" if filters else ""
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
            f"{_track(row.auc, styles[row.name].colour)}"
            f'<div class="value">{score(row.auc.value)} <small>{escape(bounds(row.auc))}</small></div>'
            for row in rows
        ]
    return f'<div class="card hero">{left}<div class="rank">{"".join(bars)}</div></div>'


def winners(comparison: Comparison, rows: Sequence[EfficiencyRow], styles: dict[str, Style]) -> str:
    """One small card per environment: who learns fastest there."""
    cards = []
    for env in comparison.envs:
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
        reached = f", {speed.n_reached} of {plural(best.n_seeds, 'seed')}" if speed.n_reached is not None else ""
        learned = best.auc.value is None or best.auc.value >= 0.05
        if learned:
            title = f"{swatch(styles[comparison.name(best.setting.method)])}{escape(best.name)}"
        elif any(row.speed["50"].n_reached for row in own):  # areas end with the shortest run
            title = "nothing learned within the frames that all runs have"
        else:
            title = "nothing learned yet"
        cards.append(
            f'<div class="card"><h3>{escape(env)}</h3><div class="win">{title}</div>'
            f"<p>{escape(said.rstrip())}{reached}</p><p>{escape(_margin(own)) if learned else ''}</p></div>"
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
        f'<details class="card careful"{state}><summary>{plural(len(warnings), "reason")} to be careful</summary>'
        f"<ul>{items}</ul></details>"
    )


def chips(names: Sequence[tuple[str, int]], styles: dict[str, Style]) -> str:
    """The legend of all charts: a click hides or shows a scheme everywhere."""
    buttons = "".join(
        f'<button type="button" class="chip" data-scheme="{place}" aria-pressed="true">{swatch(styles[name])}'
        f"{escape(name)}</button>"
        for name, place in names
    )
    return f'<div class="chips">{buttons}</div>'


def curves(curves_by_env: dict[str, list[Curve]], legend: str, metrics: dict[str, str]) -> str:
    """Learning curves, one chart per environment, with one set of controls."""
    options = "".join(f'<option value="{escape(key)}">{escape(label)}</option>' for key, label in metrics.items())
    charts = "".join(
        f'<div class="card"><h3>{escape(env)}</h3><div class="plot" data-env="{place}"></div></div>'
        for place, (env, lines) in enumerate(curves_by_env.items())
        if lines
    )
    return (
        "<h2>Learning curves</h2><p class='note'>Interquartile mean over seeds, band: 95 % bootstrap interval. Click a "
        "name to hide it everywhere, drag to zoom, double-click to go back.</p>"
        f'<div class="tools">{legend}</div>'
        f'<div class="tools"><label>show <select data-choice="metric">{options}</select></label>'
        '<label>frames <select data-choice="axis"><option>linear</option><option>log</option></select></label>'
        '<label>values <select data-choice="values"><option>auto</option><option>linear</option><option>log</option>'
        "</select></label>"
        '<label><input type="checkbox" data-choice="bands" checked> intervals</label></div>'
        f'<div class="plots">{charts}</div>'
    )


def _track(estimate: Estimate, colour: str) -> str:
    def place(value: float) -> float:
        return round(100 * min(max(value, 0.0), 1.0), 2)

    fill = f'<div class="fill" style="width:{place(estimate.value or 0.0)}%;background:{colour}"></div>'
    if estimate.low is not None and estimate.high is not None:
        low, high = place(estimate.low), place(estimate.high)
        fill += f'<div class="range" style="left:{low}%;width:{round(high - low, 2)}%"></div>'
    return f'<div class="track">{fill}</div>'
