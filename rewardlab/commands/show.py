"""`rewardlab show RUN`: one run in a few lines, its curves as text."""

import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import numpy as np

from rewardlab.errors import UserError
from rewardlab.records import archive
from rewardlab.records.summary import THRESHOLDS, normalise
from rewardlab.report.numbers import amount, duration, score
from rewardlab.report.outcomes import Outcome, counts
from rewardlab.report.reading.evaluations import FloatArray
from rewardlab.report.reading.plain import Unreadable
from rewardlab.report.reading.reward_map import read_reward_map, shares
from rewardlab.report.reading.run_folder import FILES, MANIFEST, Run, read_run

_BLOCKS, _ASCII = "▁▂▃▄▅▆▇█", "_.-=+*%#"
_CHAMPION = ("champion", "champion_return", "champion_born")
_KINDS = {"rank": "rank, true reward:", "rank_left": "rank, nearness:"}
_WIDTH = 50  # characters of a sparkline


def main(given: Namespace) -> int:
    """Print a readable summary of one run, named by its folder or a file in it.

    Raises:
        UserError: there is no run, or it cannot be read.
    """
    where = given.run
    path = Path(where)
    folder = path.parent if path.name in (*FILES, "config.yaml", "summary.json", "checkpoint.pt", "policy.pt") else path
    if not folder.is_dir():
        raise UserError(f"{where}: no such folder")
    if not (folder / MANIFEST).exists():
        inside = next((found.parent for found in sorted(folder.glob("**/manifest.json"))), None)
        hint = f"; did you mean {inside}?" if inside is not None else ""
        raise UserError(f"{where}: not a run's folder (no {MANIFEST}){hint}")
    try:
        run = read_run(folder, folder)
    except Unreadable as problem:
        raise UserError(f"{where}: {problem}") from None
    print("\n".join(summary(run, folder)))
    return 0


def summary(run: Run, folder: Path) -> list[str]:
    """The lines of `show`."""
    curriculum = [] if run.curriculum == "none" else [run.curriculum]
    lines = [f"{run.env}  {' '.join([run.reward, run.agent, *curriculum])}  seed {run.seed}: {run.state}"]
    lines += [f"  error      {run.error}"] if run.error else []
    rows = [("frames", f"{run.frames:,} of {run.budget:,}"), *_scores(run), *_population(run, folder), *_times(run)]
    rows += [("started", run.started_at), ("written", run.updated_at)]
    rows += [("ran on", " · ".join(filter(None, (run.device, run.backend)))), ("commit", run.git_sha)]
    rows += [("continued", run.resume)] if run.resume not in ("", "exact") else []
    rows += [("unusable", "; ".join(run.blemishes))]
    lines += [f"  {name:<10} {value}" for name, value in rows if value]
    if curves := _curves(run):
        widest = max(len(name) for name, _, _ in curves)
        lines += ["", *(f"  {name:<{widest}}  {spark}  {ends}" for name, spark, ends in curves)]
    lines += _maps(folder)
    config = shlex.quote(str(folder / "config.yaml"))
    return [*lines, "", f"  repeat     rewardlab run --config {config} results_dir=again"]


def sparkline(values: Sequence[float] | FloatArray, width: int = _WIDTH, blocks: str = _BLOCKS) -> str:
    """Values as a row of bars between their least and their greatest; blank where there is no number.

    Args:
        values: [n]; more than `width` are averaged in groups.
        width: characters at most.
        blocks: characters from low to high.
    """
    array = np.asarray(values, dtype=np.float64)
    parts = np.array_split(array, min(width, array.size)) if array.size else []
    means = [float(known.mean()) if (known := part[np.isfinite(part)]).size else np.nan for part in parts]
    finite = [mean for mean in means if np.isfinite(mean)]
    if not finite:
        return ""
    low, span = min(finite), max(finite) - min(finite)
    top = len(blocks) - 1
    return "".join(
        " " if not np.isfinite(mean) else blocks[round(top * (mean - low) / span) if span > 0 else 0] for mean in means
    )


def _maps(folder: Path) -> list[str]:
    """What was learned of the cells of a level, beside the true potential; nothing where there is no map."""
    try:
        found = read_reward_map(folder, folder)
    except Unreadable:
        return []
    blocks = _blocks()
    true, lines = _drawn(found.potential, blocks), []
    for each in found.learned:
        ranks = (("cells", each.cells), ("steps", each.steps))
        told = ", ".join(f"over {kind} {rank:.2f}" for kind, rank in ranks if isfinite(rank)) or "unknown"
        lines += ["", f"  learned reward {each.stream} (left), true potential (right); rank correlation {told}", ""]
        rows = zip(_drawn(each.rewards, blocks), true, strict=True)
        lines += [f"  {learned}    {potential}".rstrip() for learned, potential in rows]
        lines += [f"  {_ends(each.rewards):<{2 * len(each.rewards)}}    {_ends(found.potential)}"]
    return lines


def _drawn(values: FloatArray, blocks: str) -> list[str]:
    """The ranks of cells [W, H] as bars, two characters a cell; dots where nobody can stand."""
    nobody = 2 * ("·" if blocks == _BLOCKS else " ")
    steps = np.floor(shares(values) * (len(blocks) - 1) + 0.5)
    return ["".join(nobody if np.isnan(step) else 2 * blocks[int(step)] for step in row) for row in steps.T]


def _ends(values: FloatArray) -> str:
    known = values[np.isfinite(values)]
    return f"{known.min():.3g} to {known.max():.3g}" if known.size else ""


def _scores(run: Run) -> list[tuple[str, str]]:
    if not run.evaluations.frames.size:
        return [("return", "not evaluated yet")]
    outcome = Outcome(run)
    final, success = float(outcome.returns[-1]), float(outcome.success[-1])
    rows = [("return", f"{score(final)} in the last evaluation, late {score(outcome.late_return)}")]
    if outcome.normalised is not None:
        scale = f"random {score(run.random_return)}, optimum {score(run.optimal_return)} ({run.optimum_kind})"
        late = score(outcome.late_normalised)
        rows.append(("normalised", f"{score(float(outcome.normalised[-1]))}, late {late}; {scale}"))
    rows += [("success", f"{success:.0%}")] if np.isfinite(success) else []
    if outcome.normalised is not None:
        for threshold in THRESHOLDS.values():
            reached = outcome.reached(threshold)
            assert reached is not None
            rows.append(
                (f"to {threshold:.0%}", f"{amount(reached.frames)} frames" if reached.reached else "not reached")
            )
        rows.append(("area", score(outcome.area(outcome.end if counts(run) else float(outcome.evaluated[-1])))))
    return rows


def _population(run: Run, folder: Path) -> list[tuple[str, str]]:
    """Of a population: what it came to, its champion, and where what it found lies."""
    told = run.training
    if not told.totals:
        return []
    counts = [f"{told.total('evaluations'):,.0f} individuals lived"]
    counts += [f"coverage {coverage:.1%}"] if np.isfinite(coverage := told.total("coverage")) else []
    counts += [f"QD score {quality:,.6g}"] if np.isfinite(quality := told.total("qd_score")) else []
    rows = [("population", ", ".join(counts))]
    frames, number = told.total("frames_to_reward"), told.total("evaluations_to_reward")
    paid = f"after {frames:,.0f} frames, by individual {number:,.0f}" if np.isfinite(frames) else "none yet"
    rows.append(("1st reward", paid))
    try:
        found = archive.load(folder / archive.ARCHIVE, _CHAMPION)
        weights, value, born = (found[name] for name in _CHAMPION)
        came = f", individual {int(born):,}" if born > 0 else ""
        rows.append(("champion", f"return {score(float(value))}{came}, {weights.size:,} numbers"))
    except (ValueError, KeyError, TypeError):
        return rows  # there is one at the end of a run
    return [*rows, ("archive", str(folder / archive.ARCHIVE))]


def _times(run: Run) -> list[tuple[str, str]]:
    evaluations = run.evaluations
    if not evaluations.frames.size or not np.isfinite(evaluations.wall_seconds[-1]):
        return []
    wall, cpu = float(evaluations.wall_seconds[-1]), float(evaluations.cpu_seconds[-1])
    fps = f", {evaluations.frames[-1] / wall:,.0f} frames a second" if wall > 0 else ""
    return [("time", f"{duration(wall)}{fps}" + (f" ({duration(cpu)} of processor time)" if np.isfinite(cpu) else ""))]


def _blocks() -> str:
    """Bars from low to high that the terminal can show."""
    try:
        _BLOCKS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return _ASCII
    return _BLOCKS


def _curves(run: Run) -> list[tuple[str, str, str]]:
    blocks = _blocks()
    evaluations = run.evaluations
    series = {"return": evaluations.return_mean, "success": evaluations.success_rate}
    if run.random_return is not None and run.optimal_return is not None and evaluations.frames.size:
        series["normalised"] = normalise(evaluations.return_mean, run.random_return, run.optimal_return)
        del series["return"]
    for name, values in run.training.series.items():
        kind, _, of = name.partition(":")
        series[of if kind == "explore" else f"{_KINDS.get(kind, kind)} {of}"] = values
    curves = []
    for name, values in series.items():
        known = values[np.isfinite(values)]
        if known.size > 1:
            shown = known if name.startswith(tuple(_KINDS.values())) else values  # ranks are known now and then
            curves.append((name, sparkline(shown, blocks=blocks), f"{known[0]:.3g} to {known[-1]:.3g}"))
    return curves
