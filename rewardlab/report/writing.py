"""Writes a report: every table, figure and page of it."""

from collections.abc import Sequence
from pathlib import Path

from rewardlab.report.cautions import cautions
from rewardlab.report.comparison import Comparison
from rewardlab.report.gather import compare
from rewardlab.report.helpers import Helpers
from rewardlab.report.options import Options, ReportResult
from rewardlab.report.output import Output
from rewardlab.report.pages.charts import charts, file_stems
from rewardlab.report.pages.drawing import draw_figures, prepare
from rewardlab.report.pages.page import render_page
from rewardlab.report.pages.styles import choose_styles
from rewardlab.report.reading.collection import Found
from rewardlab.report.reading.run_folder import Run
from rewardlab.report.scaling import scaling
from rewardlab.report.tables.curves import AGGREGATE_CURVES, CURVES
from rewardlab.report.tables.numbers import Numbers
from rewardlab.report.tables.runs import EVALUATIONS, listed, runs
from rewardlab.report.tables.text import long_csv, reading, to_csv, to_latex, to_markdown, to_terminal
from rewardlab.report.verdict import verdict

_DIFFERENCES = "Differences from the baseline"
_PAIRED = ", paired: only seeds that both have, redrawn together"


def write_report(
    roots: Sequence[tuple[str, Path]], found: Sequence[Found], options: Options, out: Path
) -> ReportResult:
    """Does what `_write_report` says, with helpers that end with it."""
    with Helpers() as helpers:
        return _write_report(roots, found, options, out, helpers)


def _write_report(
    roots: Sequence[tuple[str, Path]], found: Sequence[Found], options: Options, out: Path, helpers: Helpers
) -> ReportResult:
    """Reads the runs found below (label, folder) pairs, groups, computes and writes.

    Raises:
        UserError: an option does not fit the runs, or the folder is a link.
        OSError: the report cannot be written.
    """
    scale = scaling(options.scales, options.thresholds)
    whole, comparison = compare(found, roots, options.filters, scale, helpers)
    if helpers.running:  # they have nothing to do until the first figure is known
        helpers.submit(prepare)
    numbers = Numbers(comparison, options.baseline, paired=options.paired)
    aggregated = numbers.aggregated
    styles = choose_styles(whole, comparison)
    warnings = cautions(comparison, aggregated)
    answer = verdict(comparison, aggregated, list(numbers.efficiency), list(numbers.differences))

    places = dict(roots)
    output = Output(out, chosen=options.out is not None)
    # Figures are drawn elsewhere where there are many; meanwhile everything else is written.
    figures = draw_figures(charts(numbers, styles, places), helpers)
    _write_tables(output, "", numbers)
    output.write("curves.csv", long_csv(CURVES, numbers.curve_rows))
    output.write("aggregate_curves.csv", long_csv(AGGREGATE_CURVES, aggregated.filled.sources))
    output.write("evaluations.csv", long_csv(EVALUATIONS, listed(comparison), lambda row: row.ready(places)))
    output.write("runs.csv", to_csv(runs(comparison).written))
    if options.by is not None:
        for value, part in _parts(comparison, options.by).items():
            _write_tables(output, f"by_{options.by}/{value}/", Numbers(part, options.baseline, paired=options.paired))
    output.write("report.html", render_page(numbers, answer, warnings, styles, places, options.filters))
    for name, content in figures:
        output.write(f"figures/{name}", content)

    lines = [f"{answer.headline} ({answer.label}).", ""]
    if len(numbers.efficiency):
        lines += [to_terminal(reading(numbers.efficiency, brief=True)), ""]
    if len(numbers.coverage):
        lines += [to_terminal(reading(numbers.coverage, brief=True)), ""]
    asked = options.paired or options.baseline is not None
    if len(numbers.differences) and (asked or len(roots) > 1):
        told = reading(numbers.differences, brief=True)
        lines += [_DIFFERENCES + (_PAIRED if options.paired else ""), to_terminal(told), ""]
    elif asked:
        lines += ["No differences: no scheme shares an environment" + (" and a seed" if options.paired else "") +
                  " with its baseline.", ""]  # fmt: skip
    lines += [*(f"Careful: {warning.line}" for warning in warnings), *([""] if warnings else [])]
    lines.append(f"Report: {out}/report.html (tables and figures beside it)")
    return ReportResult(out, output.finish(), "\n".join(lines), tuple(warning.line for warning in warnings))


def _parts(comparison: Comparison, by: str) -> dict[str, Comparison]:
    """The comparison once for each value of a key, by a name that is safe for a folder."""
    groups: dict[str, list[Run]] = {}
    for run in comparison.runs:
        groups.setdefault(str(getattr(run, by)), []).append(run)
    stems = file_stems(list(groups))
    return {stems[value]: comparison.restricted(runs) for value, runs in groups.items()}


def _write_tables(output: Output, where: str, numbers: Numbers) -> None:
    for filled in numbers.tables:
        text = reading(filled)
        output.write(f"{where}{filled.table.name}.csv", to_csv(filled.written))
        output.write(f"{where}{filled.table.name}.md", to_markdown(text))
        output.write(f"{where}{filled.table.name}.tex", to_latex(text))
