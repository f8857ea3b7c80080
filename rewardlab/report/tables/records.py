"""Tables as records (csv, raw numbers) and as text (md and LaTeX, numbers for reading)."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from rewardlab.report.comparison import Method
from rewardlab.report.curves import Curve, SharedCurve
from rewardlab.report.numbers import amount, duration, share_range, signed, with_interval
from rewardlab.report.statistics import Estimate, coverage
from rewardlab.report.tables.aggregate import Aggregate
from rewardlab.report.tables.differences import DifferenceRow
from rewardlab.report.tables.efficiency import EfficiencyRow, Speed
from rewardlab.report.tables.text import BEST, TIE, Record, Text

# --- records -------------------------------------------------------------------------------------------------------


def efficiency_records(rows: Sequence[EfficiencyRow]) -> list[Record]:
    """`sample_efficiency.csv`: one record per setting with counted runs, columns as in the results' README."""
    records = []
    for row in rows:
        if not row.n_seeds:
            continue
        setting = row.setting
        record: Record = {"env": setting.env, **_labels(setting.method)}
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
        record: Record = _labels(row.method)
        record |= {"variant": row.method.variant, "assumes": " ".join(row.assumes)}
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
        labels = {"env": curve.setting.env, **_labels(curve.setting.method), "setting_id": curve.setting.setting_id}
        for point, frames in enumerate(curve.frames):
            record: Record = {**labels, "frames": int(frames)}
            for metric, prefix in (("return", ""), ("normalised", "normalised_"), ("success", "success_")):
                band = curve.bands.get(metric)
                for part, column in (("middle", "iqm"), ("low", "low"), ("high", "high")):
                    record[prefix + column] = None if band is None else float(getattr(band, part)[point])
            record["n_seeds"] = int(curve.n_seeds[point])
            records.append(record)
    return _same_columns(records)


def difference_records(rows: Sequence[DifferenceRow]) -> list[Record]:
    """`differences.csv`: one record per scheme, baseline and environment; no environment means all shared ones."""
    records = []
    for row in rows:
        record: Record = {"env": row.env, **_labels(row.method), "variant": row.method.variant}
        record |= {"baseline": row.baseline, "paired": row.paired}
        record |= {"n_seeds": row.n_seeds, "n_baseline": row.n_baseline}
        for column in ("auc", "final_normalised", "final_return", "final_success"):
            record |= _estimate(f"{column}_difference", getattr(row, column))
        record |= _estimate("probability_of_improvement", row.improvement)
        records.append(record)
    return _same_columns(records)


def shared_curve_records(curves: Sequence[SharedCurve]) -> list[Record]:
    """`aggregate_curves.csv`: normalised return over all shared environments against the share of their budgets."""
    records: list[Record] = []
    for curve in curves:
        for point, share in enumerate(curve.share):
            record: Record = {**_labels(curve.method), "variant": curve.method.variant, "budget_share": float(share)}
            record |= {part: float(getattr(curve.band, part)[point]) for part in ("middle", "low", "high")}
            record["iqm"] = record.pop("middle")
            records.append(record)
    return _same_columns(records)


# --- text ----------------------------------------------------------------------------------------------------------


def efficiency_text(rows: Sequence[EfficiencyRow], *, cpu: bool = True) -> Text:
    """The sample-efficiency table for reading; `cpu=False` leaves processor time out (for a terminal)."""
    header = ["environment", "scheme", "seeds", "frames to 50 %", "frames to 90 %"]
    header += ["CPU time to 90 %"] if cpu else []
    header += ["area", "final success", "final return"]
    body = []
    rows = [row for row in rows if row.n_seeds]
    for row in rows:
        dagger = " †" if row.setting.assumes else ""
        cells = [row.setting.env, row.name + dagger, str(row.n_seeds)]
        cells += [timed(speed, row.n_seeds) for speed in row.speed.values()]
        cells += [with_interval(row.speed["90"].cpu_seconds or Estimate(), duration)] if cpu else []
        cells += [with_interval(estimate) for estimate in (row.auc, row.final_success, row.final_return)]
        body.append(tuple(cells))
    notes = [
        "Frames and CPU time: median over seeds with unreached runs censored (Kaplan-Meier), and how many seeds got "
        "there. Area, success and return: interquartile mean over seeds. In brackets: 95 % bootstrap intervals."
        + _covered(min((row.n_seeds for row in rows), default=0))
    ]
    columns: list[tuple[int, Column]] = [
        (3, (lambda row: row.speed["50"].frames, LESS)), (4, (lambda row: row.speed["90"].frames, LESS)),
        *([(5, (lambda row: row.speed["90"].cpu_seconds or Estimate(), LESS))] if cpu else []),
        (len(header) - 3, (lambda row: row.auc, MORE)), (len(header) - 2, (lambda row: row.final_success, MORE)),
        (len(header) - 1, (lambda row: row.final_return, MORE)),
    ]  # fmt: skip
    marks = mark(rows, lambda row: (row.setting.env, row.setting.assumes), columns, len(header))
    notes += [_MARKED] if _any(marks) else []
    if assumed := sorted({f"{row.name}: {', '.join(row.setting.assumes)}" for row in rows if row.setting.assumes}):
        notes.append("† assumes more than the others and is ranked apart: " + "; ".join(assumed) + ".")
    return Text(tuple(header), body, tuple(notes), marks, names=2)


def aggregate_text(aggregated: Aggregate) -> Text:
    """The aggregate table for reading."""
    header = ("scheme", "runs", "area", "IQM", "median", "mean", "optimality gap", "P(better than baseline)")
    body = []
    for row in aggregated.rows:
        estimates = (row.auc, row.iqm, row.median, row.mean, row.optimality_gap, row.improvement)
        dagger = " †" if row.assumes else ""
        body.append((row.name + dagger, str(row.n_runs), *(with_interval(each) for each in estimates)))
    notes = [
        f"Over the environments that every scheme finished ({', '.join(aggregated.envs)}). Scores are normalised: "
        "0 is a random policy, 1 an optimal one. In brackets: 95 % stratified-bootstrap intervals."
        + _covered(min((row.n_seeds for row in aggregated.rows), default=0))
    ]
    columns: list[tuple[int, Column]] = [
        (2, (lambda row: row.auc, MORE)), (3, (lambda row: row.iqm, MORE)), (4, (lambda row: row.median, MORE)),
        (5, (lambda row: row.mean, MORE)), (6, (lambda row: row.optimality_gap, LESS)),
    ]  # fmt: skip
    marks = mark(aggregated.rows, lambda row: row.assumes, columns, len(header))
    notes += [_MARKED] if _any(marks) else []
    if baselines := sorted({row.baseline for row in aggregated.rows if row.baseline}):
        notes.append(f"Baseline: {', '.join(baselines)}.")
    if assumed := sorted({f"{row.name}: {', '.join(row.assumes)}" for row in aggregated.rows if row.assumes}):
        notes.append("† assumes more than the others and is ranked apart: " + "; ".join(assumed) + ".")
    return Text(header, body, tuple(notes), marks)


def difference_text(rows: Sequence[DifferenceRow]) -> Text:
    """The table of differences for reading; bold where the interval leaves zero out."""
    header = ("environment", "scheme", "baseline", "seeds", "area", "final score", "final success", "P(better)")
    body, marks = [], []
    for row in rows:
        seeds = str(row.n_seeds) if row.paired else f"{row.n_seeds} / {row.n_baseline}"
        score = row.final_normalised if row.final_normalised.value is not None else row.final_return
        changes = (row.auc, score, row.final_success)
        cells = [with_interval(each, signed) for each in changes]
        env = row.env or "all shared"
        body.append((env, row.name, row.baseline, seeds, *cells, with_interval(row.improvement)))
        clear = [BEST if each.low is not None and each.high is not None and each.low * each.high > 0 else ""
                 for each in changes]  # fmt: skip
        marks.append(("", "", "", "", *clear, ""))
    notes = [
        "Differences of interquartile means, scheme minus baseline, in normalised return (final return where the "
        "optimum is not known). In brackets: 95 % bootstrap intervals; bold: zero is not inside. P(better): a run of "
        "the scheme ends higher than one of the baseline.",
    ]
    if any(row.paired for row in rows):
        notes.append("Paired: only seeds that both have, redrawn together.")
    return Text(header, body, tuple(notes), tuple(marks), names=3)


LESS, MORE = -1.0, 1.0
Column = tuple[Callable[[Any], Estimate], float]
"""What a column shows of a row, and whether more or less of it is better."""

_MARKED = "Bold: the best value of its kind; ≈: a tie, the value of one lies within the interval of the other."


def mark(
    rows: Sequence[Any], group: Callable[[Any], Hashable], columns: Sequence[tuple[int, Column]], width: int
) -> tuple[tuple[str, ...], ...]:
    """Marks the best of each column among the rows of a group, and what ties with it.

    Args:
        rows: the rows of a table.
        group: rows of equal group are compared with each other.
        columns: (place in the table, what it shows and which direction is better).
        width: number of columns of the table.
    """
    marks = [[""] * width for _ in rows]
    for key in dict.fromkeys(map(group, rows)):
        members = [place for place, row in enumerate(rows) if group(row) == key]
        for column, (show, sign) in columns:
            estimates = {place: show(rows[place]) for place in members}
            values = {place: sign * each.value for place, each in estimates.items() if each.value is not None}
            if len(members) < 2 or not values:
                continue
            first = max(values, key=lambda place: values[place])
            for place in values:
                same = _within(estimates[place], estimates[first])
                marks[place][column] = BEST if place == first else TIE if same else ""
    return tuple(map(tuple, marks))


def _within(one: Estimate, other: Estimate) -> bool:
    """Whether the value of one lies within the interval of the other; an interval without an upper end is open."""

    def inside(value: float, estimate: Estimate) -> bool:
        if estimate.low is None:
            return value == estimate.value
        return estimate.low <= value and (estimate.high is None or value <= estimate.high)

    assert one.value is not None and other.value is not None
    return inside(one.value, other) or inside(other.value, one)


def _any(marks: tuple[tuple[str, ...], ...]) -> bool:
    return any(cell for row in marks for cell in row)


def _covered(seeds: int) -> str:
    """What 95 % means with few seeds."""
    if not 2 <= seeds < 10:
        return ""
    share = share_range(coverage(seeds))
    return f" With {seeds} seeds they hold the true value in {share} of simulated studies of one environment."


def timed(speed: Speed, n_seeds: int) -> str:
    """`123k [110k, 140k] (5/5)`, or that it was not reached by half of the seeds."""
    if speed.n_reached is None:
        return ""
    if speed.frames.value is None:
        return f"not reached ({speed.n_reached}/{n_seeds})"
    return f"{with_interval(speed.frames, amount)} ({speed.n_reached}/{n_seeds})"


def _labels(method: Method) -> Record:
    record: Record = {"folder": method.folder} if method.folder else {}
    return record | {"reward": method.reward, "agent": method.agent, "curriculum": method.curriculum}


def _estimate(column: str, estimate: Estimate) -> Record:
    return {column: estimate.value, f"{column}_low": estimate.low, f"{column}_high": estimate.high}


def _timed(column: str, estimate: Estimate | None, *, known: bool) -> Record:
    record = _estimate(column, estimate or Estimate())
    censored = None if estimate is None or not known else estimate.value is None
    return record | {f"{column}_censored": censored}


def _same_columns(records: list[Record]) -> list[Record]:
    columns = list(dict.fromkeys(column for record in records for column in record))
    return [{column: record.get(column) for column in columns} for record in records]
