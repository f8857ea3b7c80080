"""From folders of runs to a report: read, group, compute, write."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rewardlab.errors import UserError
from rewardlab.report.aggregate import aggregate
from rewardlab.report.cautions import cautions
from rewardlab.report.curves import curves_of
from rewardlab.report.efficiency import efficiency_rows
from rewardlab.report.figures import draw_figures
from rewardlab.report.page import Material, render_page
from rewardlab.report.palette import looks
from rewardlab.report.reading import read_collection
from rewardlab.report.study import assemble
from rewardlab.report.tables import (
    Record,
    Text,
    aggregate_records,
    aggregate_text,
    curve_records,
    efficiency_records,
    efficiency_text,
    to_csv,
    to_latex,
    to_markdown,
    to_terminal,
)
from rewardlab.report.verdict import verdict


@dataclass(frozen=True)
class ReportResult:
    """What was written and what to print.

    Attributes:
        out: the report's folder.
        files: every file written, in order.
        text: a short summary for a terminal, the folder included.
        warnings: where the reader should be careful.
    """

    out: Path
    files: tuple[Path, ...]
    text: str
    warnings: tuple[str, ...]


def build_report(paths: Sequence[Path], out: Path | None = None) -> ReportResult:
    """Builds the report of all runs below some folders.

    Args:
        paths: results folders; with more than one, their names become part of every scheme's name.
        out: where the report goes; `<first path>/report` by default.

    Raises:
        UserError: a folder is missing or holds no run, or the report cannot be written.
    """
    paths = list(dict.fromkeys(paths))
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path}: {'not a folder' if path.exists() else 'no such folder'}")
    if not paths:
        raise UserError("report: no folder given")
    collection = read_collection(_labelled(paths))
    if not collection.runs and not collection.problems:
        raise UserError(f"{', '.join(map(str, paths))}: no runs found (a run is a folder that holds manifest.json)")

    study = assemble(collection)
    efficiency = efficiency_rows(study)
    aggregated = aggregate(study)
    curves = {env: curves_of(study, env) for env in study.envs}
    warnings = cautions(study, aggregated)
    answer = verdict(study, aggregated)
    look = looks([study.name(s) for s in study.schemes], [study.name(s) for s in study.schemes if s.reward == "none"])

    out = paths[0] / "report" if out is None else out
    files = []
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
        every_curve = [curve for lines in curves.values() for curve in lines]
        files += _write_table(out, "sample_efficiency", efficiency_records(efficiency), efficiency_text(efficiency))
        files += _write_table(out, "aggregate", aggregate_records(aggregated), aggregate_text(aggregated))
        files += [_write(out / "curves.csv", to_csv(curve_records(every_curve), ("env", "reward", "frames", "iqm")))]
        files += draw_figures(study, curves, efficiency, aggregated, look, out / "figures")
        page = render_page(Material(study, efficiency, aggregated, curves, warnings, answer, look))
        files += [_write(out / "report.html", page)]
    except OSError as error:
        raise UserError(f"{out}: the report cannot be written ({error.strerror or error})") from None

    lines = [f"{answer.headline} ({answer.label}).", ""]
    if any(row.n_seeds for row in efficiency):
        lines += [to_terminal(efficiency_text(efficiency, cpu=False)), ""]
    lines += [*(f"Careful: {warning}" for warning in warnings), *([""] if warnings else [])]
    lines.append(f"Report: {out}/report.html (tables and figures beside it)")
    return ReportResult(out, tuple(files), "\n".join(lines), tuple(warnings))


def _labelled(paths: Sequence[Path]) -> list[tuple[str, Path]]:
    if len(paths) == 1:
        return [("", paths[0])]
    names = [path.resolve().name for path in paths]
    return [(name if names.count(name) == 1 else str(path), path) for name, path in zip(names, paths, strict=True)]


def _write_table(out: Path, stem: str, records: list[Record], text: Text) -> list[Path]:
    return [
        _write(out / f"{stem}.csv", to_csv(records, text.header)),
        _write(out / f"{stem}.md", to_markdown(text)),
        _write(out / f"{stem}.tex", to_latex(text)),
    ]


def _write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8", newline="\n")
    return path
