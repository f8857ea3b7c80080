"""Tables as records (csv, raw numbers) and as text (md and LaTeX, numbers for reading)."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardlab.report.aggregate import Aggregate
from rewardlab.report.curves import Curve
from rewardlab.report.efficiency import EfficiencyRow, Speed
from rewardlab.report.numbers import amount, duration, with_interval
from rewardlab.report.statistics import Estimate
from rewardlab.report.study import Scheme

Record = dict[str, Any]

_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "†": r"$\dagger$", "·": r"$\cdot$", "–": "--",
    "<": r"\textless{}", ">": r"\textgreater{}", "∞": r"$\infty$", "…": r"\dots{}",
}  # fmt: skip


@dataclass(frozen=True)
class Text:
    """A table for reading: a header, rows of the same length, and notes below."""

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: tuple[str, ...] = ()


# --- records -------------------------------------------------------------------------------------------------------


def efficiency_records(rows: Sequence[EfficiencyRow]) -> list[Record]:
    """`sample_efficiency.csv`: one record per setting with counted runs, columns as in the results' README."""
    records = []
    for row in rows:
        if not row.n_seeds:
            continue
        setting = row.setting
        record: Record = {"env": setting.env, **_labels(setting.scheme)}
        record |= {"setting_id": setting.setting_id, "assumes": " ".join(setting.assumes)}
        record |= {
            "n_seeds": row.n_seeds,
            "n_diverged": sum(outcome.run.state == "diverged" for outcome in setting.outcomes),
            "n_missing": len(setting.runs) - row.n_seeds,
            "budget": setting.budget,
        }
        for suffix, speed in row.speed.items():
            record[f"n_reached_{suffix}"] = speed.n_reached
        for unit in ("frames", "cpu_seconds"):
            for suffix, speed in row.speed.items():
                record |= _timed(f"{unit}_to_{suffix}", getattr(speed, unit), known=speed.n_reached is not None)
        for column in ("auc", "final_success", "final_return", "final_normalised"):
            record |= _estimate(f"{column}_iqm", getattr(row, column))
        records.append(record)
    return _same_columns(records)


def aggregate_records(aggregated: Aggregate) -> list[Record]:
    """`aggregate.csv`: one record per scheme."""
    records = []
    for row in aggregated.rows:
        record: Record = _labels(row.scheme)
        record |= {"variant": row.scheme.variant, "assumes": " ".join(row.assumes)}
        record |= {"n_envs": len(aggregated.envs), "n_runs": row.n_runs, "n_seeds": row.n_seeds}
        for column in ("iqm", "median", "mean", "optimality_gap"):
            record |= _estimate(column, getattr(row, column))
        record |= _estimate("auc_iqm", row.auc)
        record["baseline"] = row.baseline
        record |= _estimate("probability_of_improvement", row.improvement)
        records.append(record)
    return _same_columns(records)


def curve_records(curves: Sequence[Curve]) -> list[Record]:
    """`curves.csv`: `iqm`, `low`, `high` are of the task return; the other metrics have prefixes."""
    records = []
    for curve in curves:
        labels = {"env": curve.setting.env, **_labels(curve.setting.scheme), "setting_id": curve.setting.setting_id}
        for point, frames in enumerate(curve.frames):
            record: Record = {**labels, "frames": int(frames)}
            for metric, prefix in (("return", ""), ("normalised", "normalised_"), ("success", "success_")):
                band = curve.bands.get(metric)
                for part, column in (("middle", "iqm"), ("low", "low"), ("high", "high")):
                    record[prefix + column] = None if band is None else float(getattr(band, part)[point])
            record["n_seeds"] = int(curve.n_seeds[point])
            records.append(record)
    return _same_columns(records)


# --- text ----------------------------------------------------------------------------------------------------------


def efficiency_text(rows: Sequence[EfficiencyRow], *, cpu: bool = True) -> Text:
    """The sample-efficiency table for reading; `cpu=False` leaves processor time out (for a terminal)."""
    header = ["environment", "scheme", "seeds", "frames to 50 %", "frames to 90 %"]
    header += ["CPU time to 90 %"] if cpu else []
    header += ["area", "final success", "final return"]
    body = []
    for row in rows:
        if not row.n_seeds:
            continue
        mark = " †" if row.setting.assumes else ""
        cells = [row.setting.env, row.name + mark, str(row.n_seeds)]
        cells += [timed(speed, row.n_seeds) for speed in row.speed.values()]
        cells += [with_interval(row.speed["90"].cpu_seconds or Estimate(), duration)] if cpu else []
        cells += [with_interval(estimate) for estimate in (row.auc, row.final_success, row.final_return)]
        body.append(tuple(cells))
    notes = [
        "Frames and CPU time: median over seeds with unreached runs censored (Kaplan-Meier), and how many seeds got "
        "there. Area, success and return: interquartile mean over seeds. In brackets: 95 % bootstrap intervals."
    ]
    if assumed := sorted({f"{row.name}: {', '.join(row.setting.assumes)}" for row in rows if row.setting.assumes}):
        notes.append("† assumes more than the others and is ranked apart: " + "; ".join(assumed) + ".")
    return Text(tuple(header), body, tuple(notes))


def aggregate_text(aggregated: Aggregate) -> Text:
    """The aggregate table for reading."""
    header = ("scheme", "runs", "area", "IQM", "median", "mean", "optimality gap", "P(better than baseline)")
    body = []
    for row in aggregated.rows:
        estimates = (row.auc, row.iqm, row.median, row.mean, row.optimality_gap, row.improvement)
        mark = " †" if row.assumes else ""
        body.append((row.name + mark, str(row.n_runs), *(with_interval(each) for each in estimates)))
    notes = [
        f"Over the environments that every scheme finished ({', '.join(aggregated.envs)}). Scores are normalised: "
        "0 is a random policy, 1 an optimal one. In brackets: 95 % stratified-bootstrap intervals."
    ]
    if baselines := sorted({row.baseline for row in aggregated.rows if row.baseline}):
        notes.append(f"Baseline: {', '.join(baselines)}.")
    if assumed := sorted({f"{row.name}: {', '.join(row.assumes)}" for row in aggregated.rows if row.assumes}):
        notes.append("† assumes more than the others and is ranked apart: " + "; ".join(assumed) + ".")
    return Text(header, body, tuple(notes))


def timed(speed: Speed, n_seeds: int) -> str:
    """`123k [110k, 140k] (5/5)`, or that it was not reached by half of the seeds."""
    if speed.n_reached is None:
        return ""
    if speed.frames.value is None:
        return f"not reached ({speed.n_reached}/{n_seeds})"
    return f"{with_interval(speed.frames, amount)} ({speed.n_reached}/{n_seeds})"


# --- files ---------------------------------------------------------------------------------------------------------


def to_csv(records: Sequence[Record], columns: Sequence[str] = ()) -> str:
    """CSV with a header; floats by `repr`, truth values as true and false, empty cells for None and NaN."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(records[0].keys() if records else columns)
    writer.writerows([_cell(value) for value in record.values()] for record in records)
    return buffer.getvalue()


def to_markdown(text: Text) -> str:
    """A pipe table; the first columns are names, the rest numbers and right-aligned."""
    lines = [f"| {' | '.join(map(_md, text.header))} |"]
    names = _name_columns(text)
    lines.append("|" + "|".join("---" if place < names else "---:" for place in range(len(text.header))) + "|")
    lines += [f"| {' | '.join(map(_md, row))} |" for row in text.rows]
    return "\n".join([*lines, *(f"\n{_md(note)}" for note in text.notes)]) + "\n"


def to_latex(text: Text) -> str:
    """A booktabs tabular, to be `\\input` in a paper."""
    names = _name_columns(text)
    columns = "l" * names + "r" * (len(text.header) - names)
    lines = [r"% needs \usepackage{booktabs}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [" & ".join(map(_tex, text.header)) + r" \\", r"\midrule"]
    previous = text.rows[0][0] if text.rows else ""
    for row in text.rows:
        if names > 1 and row[0] != previous:
            lines.append(r"\midrule")
        previous = row[0]
        lines.append(" & ".join(map(_tex, row)) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*lines, *(f"% {_tex(note)}" for note in text.notes)]) + "\n"


def to_terminal(text: Text) -> str:
    """Aligned columns for a terminal, without the notes."""
    table = [text.header, *text.rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(text.header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _labels(scheme: Scheme) -> Record:
    record: Record = {"folder": scheme.folder} if scheme.folder else {}
    return record | {"reward": scheme.reward, "agent": scheme.agent, "curriculum": scheme.curriculum}


def _estimate(column: str, estimate: Estimate) -> Record:
    return {column: estimate.value, f"{column}_low": estimate.low, f"{column}_high": estimate.high}


def _timed(column: str, estimate: Estimate | None, *, known: bool) -> Record:
    record = _estimate(column, estimate or Estimate())
    censored = None if estimate is None or not known else estimate.value is None
    return record | {f"{column}_censored": censored}


def _same_columns(records: list[Record]) -> list[Record]:
    columns = list(dict.fromkeys(column for record in records for column in record))
    return [{column: record.get(column) for column in columns} for record in records]


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else value


def _name_columns(text: Text) -> int:
    return 2 if text.header[0] == "environment" else 1


def _md(text: str) -> str:
    for char in "\\|<>*`":  # the backslash first
        text = text.replace(char, f"\\{char}")
    return text


def _tex(text: str) -> str:
    return "".join(_TEX.get(char, char) for char in text)
