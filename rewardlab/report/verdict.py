"""The report's first answer: which scheme has the largest area under its learning curve, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rewardlab.report.cautions import FEW_SEEDS, listed
from rewardlab.report.comparison import Comparison
from rewardlab.report.numbers import amount, plural, share, signed, with_interval
from rewardlab.report.tables.aggregate import NO_OPTIMUM, Aggregate, lead
from rewardlab.report.tables.columns import Row

SURE = 0.975
LIKELY = 0.8
# Below this mean height of the curve nobody can be said to have learned anything.
NOTHING = 0.05
_SOON = "Tables and comparisons appear as soon as a run ends."
_NAMED = 5  # differences told in the first screen


@dataclass(frozen=True)
class Verdict:
    """A headline, how sure it is, and the sentences below it."""

    headline: str
    sureness: str  # "clear", "likely", "open" (too close, or too little to say)
    label: str  # the sureness in words, for a badge
    details: list[str]


def verdict(
    comparison: Comparison, aggregated: Aggregate, efficiency: Sequence[Row], against: Sequence[Row] = ()
) -> Verdict:
    """Ranks schemes of equal assumptions by the area under their learning curves, over all shared environments.

    What `efficiency`, the rows of that table, says of frames to a threshold is told beside it: the two can differ.
    Where folders are compared, the differences `against` the first are the answer.
    """
    folders = list(dict.fromkeys(method.folder for method in comparison.methods))
    if len(folders) > 1 and (compared := _compared(folders, against)) is not None:
        return compared
    if not any(setting.outcomes for setting in comparison.settings):
        going = still_running(comparison)
        return Verdict(
            "No finished run yet", "open", "nothing to compare", [*([f"{going}."] if going else []), _SOON]
        )  # fmt: skip
    if not aggregated.rows:
        return _without_aggregate(comparison, aggregated, efficiency)
    groups = aggregated.groups()
    assumes, rows = next(iter(groups.items()))
    if len(groups) > 1 and len(rows) == 1:
        assumes, rows = max(groups.items(), key=lambda item: len(item[1]))
    among = {row["method"] for row in rows}
    times = [row for row in efficiency if row["method"] in among and row["env"] in aggregated.envs]
    times = [row for row in times if comparison.stands(row.source.setting)]
    result = _ranking(rows, times, aggregated.envs, comparison.thresholds)
    if going := still_running(comparison):
        result.details.append(f"{going}: not in this answer.")
    apart = [
        f"{row['method']} ({', '.join(row.assumes) or 'nothing'})" for row in aggregated.rows if row.assumes != assumes
    ]
    if apart:
        given = f"schemes that assume {', '.join(assumes)}" if assumes else "schemes without special assumptions"
        result.details.append(f"Ranked among {given}; apart, with what they assume: {', '.join(apart)}.")
    return result


def _compared(folders: list[str], rows: Sequence[Row]) -> Verdict | None:
    """Folder against folder: which schemes learn faster in the others than in the first, each environment by itself."""
    told = [
        row
        for row in rows
        if row["env"] and row["auc_difference"] is not None and row["baseline"].startswith(f"{folders[0]}: ")
    ]
    if not told:
        return None
    better = [row for row in told if (row["auc_difference_low"] or 0.0) > 0]
    worse = [row for row in told if (row["auc_difference_high"] or 0.0) < 0]
    level = len(told) - len(better) - len(worse)
    fewest = min(min(row["n_seeds"], row["n_baseline"]) for row in told)
    others = folders[1] if len(folders) == 2 else "the others"
    if better and worse:
        headline, sureness = f"{others} against {folders[0]}: better here, worse there", "open"
    elif better or worse:
        sureness = "likely" if level or fewest < FEW_SEEDS else "clear"
        headline = f"{others} is {'ahead of' if better else 'behind'} {folders[0]}"
    else:
        headline, sureness = f"{others} and {folders[0]} cannot be told apart", "open"
    counts = f"{len(better)} better, {len(worse)} worse, {level} not told apart"

    def change(row: Row) -> str:
        return with_interval(row.estimate("auc_difference"), signed)

    overall = [row for row in rows if not row["env"] and row["auc_difference"] is not None]
    details = [f"Area under the learning curve, scheme by scheme and environment by environment: {counts}."]
    details += [f"{row['method']}: {change(row)} over all shared environments." for row in overall]
    ordered = sorted([*better, *worse], key=lambda row: -abs(row["auc_difference"]))
    details += [f"{row['method']} on {row['env']}: {change(row)}." for row in ordered[:_NAMED]]
    return Verdict(headline, sureness, f"{sureness}, with {plural(fewest, 'seed')}", details)


def still_running(comparison: Comparison, env: str | None = None) -> str:
    """How many runs still go, and how far the furthest is; empty if none does."""
    runs = [run for run in comparison.runs if run.state == "running" and env in (None, run.env)]
    if not runs:
        return ""
    furthest = max(runs, key=lambda run: (run.furthest, -run.budget))
    where = f"to frame {amount(furthest.furthest)} of {amount(furthest.budget)}"
    return f"{plural(len(runs), 'run')} still running, {'the furthest ' if len(runs) > 1 else ''}{where}"


def _without_aggregate(comparison: Comparison, aggregated: Aggregate, efficiency: Sequence[Row]) -> Verdict:
    """Why there is no ranking over environments, and what can be said within each by its own returns."""
    unknown = [env for env, why in aggregated.left_out.items() if why == NO_OPTIMUM]
    found = {}
    for env in unknown:
        rows = [row for row in efficiency if row["env"] == env and comparison.stands(row.source.setting)]
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in rows:
            if row["auc_return_iqm"] is not None:
                groups.setdefault(row.assumes, []).append(row)
        if groups:
            ranked = next(iter(groups.values()))
            ranked = ranked if len(ranked) > 1 else max(groups.values(), key=len)
            found[env] = _ranking_by_return(ranked, env)
            told = [f"{row['method']} ({', '.join(row.assumes) or 'nothing'})" for row in rows if row not in ranked]
            found[env].details.extend([f"Ranked apart, with what they assume: {', '.join(told)}."] if told else [])
    scale = f"The optimum of {listed(unknown)} is not known, so returns have no scale of their own: "
    scale += f"--scale {unknown[0] if unknown else 'ENV'}=RANDOM:OPTIMAL gives one."
    if len(comparison.envs) == 1 and found:
        answer = found[comparison.envs[0]]
        answer.details.append(scale)
        return answer
    others = [f"{env}: {why}." for env, why in aggregated.left_out.items() if env not in unknown]
    details = [f"{env}: {each.headline} ({each.label})." for env, each in found.items()]
    if unknown and not others:
        reason = "the optimum is not known"
    elif unknown:
        reason = "optima not known, and no environment that every scheme finished"
    else:
        reason = "no environment that every scheme finished"
    return Verdict(
        f"No ranking over environments: {reason}", "open", "open",
        [*details, *([scale] if unknown else []), *others[:_NAMED]],
    )  # fmt: skip


def _ranking_by_return(rows: list[Row], env: str) -> Verdict:
    """Of rows of the table of sample efficiency, on one environment, the best first."""
    best, *rest = rows
    if rest and not any(any(row.estimate("auc_return_iqm")) for row in rows):  # without an interval that is None
        told = "No evaluation was paid anything: returns tell nothing apart. Look at coverage, how far policies got."
        return Verdict(f"Nothing was paid on {env}", "open", "nothing paid", [told])
    height = with_interval(best.estimate("auc_return_iqm"))
    area = f"Mean height of {best['method']}'s learning curve on {env}: a return of {height}"
    late = f"Late return {with_interval(best.estimate('late_return_iqm'))}."
    if not rest:
        return Verdict(f"Only {best['method']} was run", "open", "nothing to compare", [f"{area}.", late])
    second = rest[0]
    details = [f"{area}, against {with_interval(second.estimate('auc_return_iqm'))} for {second['method']}, the next."]
    return _decided(best, rest, "return_areas", "by mean return", [*details, late])


def _decided(
    best: Row, rest: Sequence[Row], what: str, by: str, details: list[str], more: Sequence[str] = ()
) -> Verdict:
    """Whether the best is ahead, and of whom that is least sure."""
    certainty, rival = min(((lead(best, row, what), row) for row in rest), key=lambda pair: pair[0])
    fewest = min(best["n_seeds"], rival["n_seeds"])
    if fewest < 2:
        alone = " and ".join(row["method"] for row in (best, rival) if row["n_seeds"] < 2)
        unsure = f"One seed of {alone} in some environment: nothing can be said about how sure this is."
        headline = f"{best['method']} is ahead {by}, with one seed of {alone}"
        return Verdict(headline, "open", "one seed only", [*details, unsure, *more])
    sure = f"It stays ahead of {rival['method']} in {share(certainty)} of bootstrap resamples over seeds."
    details = [*details, sure, *more]
    if certainty >= SURE and fewest >= FEW_SEEDS:
        return Verdict(f"{best['method']} is ahead {by}", "clear", f"clear, with {fewest} seeds", details)
    if certainty >= LIKELY:
        label = f"likely, with only {fewest} seeds" if fewest < FEW_SEEDS else f"likely, with {fewest} seeds"
        return Verdict(f"{best['method']} is probably ahead {by}", "likely", label, details)
    headline = f"{best['method']} or {rival['method']}: too close to call {by}"
    return Verdict(headline, "open", f"open, with {fewest} seeds", details)


def _ranking(rows: list[Row], times: Sequence[Row], envs: list[str], thresholds: Mapping[str, float]) -> Verdict:
    """Of `rows` of the aggregate; `times` are those of the same schemes in the table of sample efficiency."""
    lowest, *_, highest = [*thresholds] * 2
    best, *rest = rows
    where = f"on {envs[0]}" if len(envs) == 1 else f"over {len(envs)} environments"
    height = with_interval(best.estimate("auc_iqm"))
    area = f"Mean height of {best['method']}'s learning curve: {height} of the optimum {where}"
    if not rest:
        details = [f"{area}; late score {with_interval(best.estimate('iqm'))}.", *_fewest_frames(times, envs, highest)]
        return Verdict(f"Only {best['method']} was run", "open", "nothing to compare", details)
    if (best["auc_iqm"] or 0.0) < NOTHING:
        details = [
            f"Every curve's mean height is below {NOTHING:.0%} of the optimum: more frames or easier tasks are needed."
        ]
        if any(row[f"n_reached_{lowest}"] for row in times):  # areas end with the shortest run
            details = ["Some runs learn the task after the frames that all runs have: areas cannot rank them."]
            return Verdict("Nothing learned within the frames that all runs have", "open", "unequal budgets", details)
        return Verdict("No scheme has learned the task yet", "open", "nothing learned", details)
    details = [
        f"{area}, against {with_interval(rest[0].estimate('auc_iqm'))} for {rest[0]['method']}, the next.",
    ]
    frames = _fewest_frames(times, envs, highest)
    fewest = min(row["n_seeds"] for row in rows)
    return _decided(best, rest, "areas", "by area", details, frames if fewest < 2 else [_ends_highest(rows), *frames])


def _ends_highest(rows: list[Row]) -> str:
    top, *others = sorted(rows, key=lambda row: (-(row["iqm"] or 0.0), row["method"]))
    level = [row["method"] for row in others if lead(top, row, "scores") < SURE]
    tied = f", not told apart from {' or '.join(level[:3])}{' and others' if len(level) > 3 else ''}" if level else ""
    return f"Highest at the end: {top['method']}, late score {with_interval(top.estimate('iqm'))}{tied}."


def _fewest_frames(rows: Sequence[Row], envs: list[str], suffix: str) -> list[str]:
    """Who needs the fewest frames to a threshold, where anybody gets there."""
    told = []
    for env in envs:
        medians = {row["method"]: row[f"frames_to_{suffix}"] for row in rows if row["env"] == env}
        if (least := min((each for each in medians.values() if each is not None), default=None)) is None:
            continue
        first = listed((method for method, median in medians.items() if median == least), " and ")
        told.append(f"{first}{f' on {env}' if len(envs) > 1 else ''} ({amount(least)})")
    return [f"Fewest frames to {suffix} % of the optimum, by the median: {listed(told)}."] if told else []
