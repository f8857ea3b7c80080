"""From folders of runs to a report: read, group, compute, write."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rewardlab.errors import UserError, unknown
from rewardlab.records.files import read_json, write_json
from rewardlab.report.cautions import cautions
from rewardlab.report.comparison import Comparison
from rewardlab.report.curves import curves_of, shared_curves, training_curves_of
from rewardlab.report.gather import compare, find
from rewardlab.report.output import Output, facts
from rewardlab.report.pages.charts import charts, file_stems, profile_band
from rewardlab.report.pages.data import Material
from rewardlab.report.pages.figures import draw_figures
from rewardlab.report.pages.page import render_page
from rewardlab.report.pages.styles import choose_styles
from rewardlab.report.reading.cache import cache_folder, code_digest
from rewardlab.report.reading.collection import Found
from rewardlab.report.reading.run_folder import Run
from rewardlab.report.tables.curves import AGGREGATE_CURVES, CURVES
from rewardlab.report.tables.numbers import Numbers, compute
from rewardlab.report.tables.runs import EVALUATIONS, listed, runs
from rewardlab.report.tables.text import long_csv, reading, to_csv, to_latex, to_markdown, to_terminal
from rewardlab.report.verdict import verdict

BY = ("env", "reward", "agent", "curriculum", "folder")


@dataclass(frozen=True)
class Options:
    """How a report is made.

    Attributes:
        out: the report's folder; `<first path>/report` if None.
        filters: which runs it is about, see `filters.keep`.
        baseline: what schemes are compared with, see `baselines.choose_baselines`.
        paired: whether differences are taken between runs of equal seed.
        by: one of BY: the tables once more for each of its values.
    """

    out: Path | None = None
    filters: tuple[str, ...] = ()
    baseline: str | None = None
    paired: bool = False
    by: str | None = None


@dataclass(frozen=True)
class ReportResult:
    """What was written and what to print.

    Attributes:
        out: the report's folder.
        files: every file written, in order.
        text: a short summary for a terminal, the folder included.
        warnings: where the reader should be careful.
        again: whether everything was there already and nothing had changed.
    """

    out: Path
    files: tuple[Path, ...]
    text: str
    warnings: tuple[str, ...]
    again: bool = False


def build_report(roots: Sequence[tuple[str, Path]], options: Options | None = None) -> ReportResult:
    """Builds the report of all runs below some folders. Where nothing has changed since the last one, that one stays.

    Args:
        roots: (label, folder) pairs; the label is empty if there is only one folder.
        options: how.

    Raises:
        UserError: a folder is missing or holds no run, an option does not fit, or the report cannot be written.
    """
    options = options or Options()
    _check(roots, options.by)
    found = find(roots)
    out = options.out if options.out is not None else roots[0][1] / "report"
    memory = cache_folder() / f"report-{hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:24]}.json"
    digest = _digest(found, options)
    if (known := _remembered(memory, digest, out)) is not None:
        return known
    try:
        result = _build(roots, found, options, out)
        _remember(memory, digest, result)
    except OSError as error:
        raise UserError(f"{out}: the report cannot be written ({error.strerror or error})") from None
    return result


def _build(roots: Sequence[tuple[str, Path]], found: Sequence[Found], options: Options, out: Path) -> ReportResult:
    whole, comparison = compare(found, roots, options.filters)
    numbers = compute(comparison, options.baseline, paired=options.paired)
    aggregated = numbers.aggregated
    curves = {env: curves_of(comparison, env) for env in comparison.envs}
    training = {env: training_curves_of(comparison, env) for env in comparison.envs}
    shared = shared_curves(aggregated)
    profiles = {pooled.name: profile_band(pooled) for pooled in aggregated.filled.sources}
    styles = choose_styles(whole, comparison)
    warnings = cautions(comparison, aggregated)
    answer = verdict(comparison, aggregated, list(numbers.differences))

    output = Output(out, chosen=options.out is not None)
    # Figures are drawn elsewhere where there are many; meanwhile everything else is written.
    figures = draw_figures(
        charts(comparison, curves, training, shared, list(numbers.efficiency), aggregated, profiles, styles)
    )
    _write_tables(output, "", numbers)
    every_curve = [curve for lines in curves.values() for curve in lines]
    for table, sources in ((CURVES, every_curve), (AGGREGATE_CURVES, shared), (EVALUATIONS, listed(comparison))):
        output.write(f"{table.name}.csv", long_csv(table, sources))
    output.write("runs.csv", to_csv(runs(comparison).written))
    if options.by is not None:
        for value, part in _parts(comparison, options.by).items():
            _write_tables(output, f"by_{options.by}/{value}/", compute(part, options.baseline, paired=options.paired))
    material = Material(
        comparison=comparison, efficiency=numbers.efficiency, aggregated=aggregated, differences=numbers.differences,
        curves=curves, training=training, shared=shared, profiles=profiles, warnings=warnings, answer=answer,
        styles=styles, roots=dict(roots), filters=options.filters,
    )  # fmt: skip
    output.write("report.html", render_page(material))
    for name, content in figures:
        output.write(f"figures/{name}", content)

    lines = [f"{answer.headline} ({answer.label}).", ""]
    if len(numbers.efficiency):
        lines += [to_terminal(reading(numbers.efficiency, brief=True)), ""]
    if len(numbers.differences) and len(roots) > 1:
        lines += [to_terminal(reading(numbers.differences, brief=True)), ""]
    lines += [*(f"Careful: {warning}" for warning in warnings), *([""] if warnings else [])]
    lines.append(f"Report: {out}/report.html (tables and figures beside it)")
    return ReportResult(out, output.finish(), "\n".join(lines), tuple(warnings))


def _check(roots: Sequence[tuple[str, Path]], by: str | None) -> None:
    if by is not None and by not in BY:
        raise unknown("--by", by, BY, "key")
    if by == "folder" and len(roots) == 1:
        raise UserError("--by folder: there is only one")


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


def _digest(found: Sequence[Found], options: Options) -> str:
    """Of all that the report depends on; empty where a file is too young to be sure of."""
    if any(each.stamp is None for each in found):
        return ""
    digest = hashlib.sha256(code_digest().encode())
    digest.update(json.dumps([str(options), *((e.label, str(e.path.resolve()), e.stamp) for e in found)]).encode())
    return digest.hexdigest()


def _remembered(memory: Path, digest: str, out: Path) -> ReportResult | None:
    """The last report, if it was made of the same and is still there."""
    known = read_json(memory)[0] or {}
    if not digest or known.get("digest") != digest or not isinstance(known.get("files"), dict):
        return None
    paths = tuple(Path(name) for name in known["files"])
    if facts(paths) != known["files"]:
        return None
    return ReportResult(out, paths, str(known["text"]), tuple(known["warnings"]), again=True)


def _remember(memory: Path, digest: str, result: ReportResult) -> None:
    known = facts(result.files)
    if digest and known is not None:
        try:
            write_json(memory, {"digest": digest, "files": known, "text": result.text, "warnings": result.warnings})
        except OSError:
            return  # without a place for it, the next report is made anew
