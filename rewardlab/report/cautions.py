"""Where the reader should be careful: everything that makes a comparison less than it looks."""

from collections import Counter
from collections.abc import Iterable

from rewardlab.report.comparison import Comparison
from rewardlab.report.numbers import plural, share_range
from rewardlab.report.statistics import coverage
from rewardlab.report.tables.aggregate import Aggregate

FEW_SEEDS = 5
ENOUGH_SEEDS = 10
MUCH_SEEN = 0.1  # of the evaluation levels
MANY = 6  # names listed before "and n more"


def cautions(comparison: Comparison, aggregated: Aggregate) -> list[str]:
    """Plain sentences, the gravest first; empty if there is nothing to say."""
    checks = (_lost, _few_seeds, _unequal, _other_code, _mixed, _assumptions, _scale, _seen_levels)
    found = [sentence for check in checks for sentence in check(comparison)]
    if aggregated.left_out:
        names = [f"{env} ({why})" for env, why in aggregated.left_out.items()]
        found.append(f"Not in the aggregate over environments: {listed(names, '; ')}.")
    return found


def _lost(comparison: Comparison) -> Iterable[str]:
    by_state: dict[str, list[str]] = {}
    for run in comparison.runs:
        by_state.setdefault(run.state, []).append(f"{run.folder}: {run.name}" if run.folder else run.name)
    if names := [p.name for p in comparison.problems]:
        were = "was" if len(names) == 1 else "were"
        yield f"{plural(len(names), 'run')} could not be read and {were} left out: {listed(names)}."
    if blemished := [f"{run.name} ({'; '.join(run.blemishes)})" for run in comparison.runs if run.blemishes]:
        yield f"Files that could not be used, though the runs count: {listed(blemished)}."
    for state, what in (
        ("running", "still going (or killed); not in any statistic"),
        ("interrupted", "interrupted and missing from the statistics"),
        ("failed", "failed and missing from the statistics"),
        ("diverged", "diverged: the last evaluation is carried to the end of the budget, and no threshold counts as "
         "reached"),
    ):  # fmt: skip
        if names := by_state.get(state, []):
            yield f"{plural(len(names), 'run')} {what}: {listed(names)}."


def _few_seeds(comparison: Comparison) -> Iterable[str]:
    few = [s for s in comparison.settings if 0 < len(s.outcomes) < FEW_SEEDS]
    if few:
        names = [f"{comparison.setting_name(s)} on {s.env} ({len(s.outcomes)})" for s in few]
        yield f"Fewer than {FEW_SEEDS} seeds, so the intervals say little: {listed(names)}."
    fewest = min((len(s.outcomes) for s in comparison.settings if len(s.outcomes) > 1), default=ENOUGH_SEEDS)
    if fewest < ENOUGH_SEEDS:
        yield (
            f"With {fewest} seeds a 95 % interval is too narrow: it holds the true value in "
            f"{share_range(coverage(fewest))} of simulated studies of one environment."
        )


def _unequal(comparison: Comparison) -> Iterable[str]:
    for env in comparison.envs:
        settings = [setting for setting in comparison.of_env(env) if setting.outcomes]
        budgets = sorted({run.budget for setting in settings for run in setting.runs})
        if len(budgets) > 1:
            yield (
                f"Unequal budgets on {env} ({', '.join(f'{budget:,}' for budget in budgets)} frames): areas are taken "
                "up to the smallest, late scores are not comparable."
            )
        if len({setting.seeds for setting in settings}) > 1:
            names = [
                f"{comparison.setting_name(setting)} lacks {listed(map(str, missing))}"
                for setting in settings
                if (missing := [seed for seed in comparison.seeds_of(env) if seed not in setting.seeds])
            ]
            yield f"Unequal seeds on {env}: {'; '.join(names)}."


def _other_code(comparison: Comparison) -> Iterable[str]:
    for setting in comparison.settings:
        by_code: dict[tuple[tuple[str, str], ...], list[int]] = {}
        for run in setting.runs:
            if run.code:
                by_code.setdefault(tuple(sorted(run.code.items())), []).append(run.seed)
        shared = set.intersection(*map(set, by_code)) if by_code else set()
        places = sorted({part[0] for code in by_code for part in code if part not in shared})
        if places:
            seeds = " / ".join(listed(map(str, sorted(seeds))) for seeds in by_code.values())
            yield (
                f"Made by different code though of one setting: {comparison.setting_name(setting)} on {setting.env} "
                f"({listed(places)} changed between seeds {seeds})."
            )


def _mixed(comparison: Comparison) -> Iterable[str]:
    runs = [outcome.run for setting in comparison.settings for outcome in setting.outcomes]
    versions: dict[str, set[str]] = {}
    for run in runs:
        for package, version in run.packages.items():
            versions.setdefault(package, set()).add(version)
    if mixed := [f"{package} {' / '.join(sorted(v))}" for package, v in sorted(versions.items()) if len(v) > 1]:
        yield f"Mixed package versions: {listed(mixed)}."
    for what, values in (
        ("commits of the code", {run.git_sha[:8] for run in runs if run.git_sha}),
        ("environment backends", {run.backend for run in runs if run.backend}),
        ("kinds of device", {run.device.split(":")[0] for run in runs if run.device}),
    ):
        if len(values) > 1:
            yield f"Runs come from {len(values)} {what}: {listed(sorted(values))}."
    if continued := [run.name for run in runs if run.resume == "approximate"]:
        count = plural(len(continued), "run")
        yield f"{count} continued under other versions or on other hardware: {listed(continued)}."


def _assumptions(comparison: Comparison) -> Iterable[str]:
    groups = {setting.assumes for setting in comparison.settings}
    if len(groups) > 1:
        names = sorted(
            {f"{comparison.name(s.method)} ({', '.join(s.assumes)})" for s in comparison.settings if s.assumes}
        )
        yield f"Unequal assumptions, marked † and ranked apart: {listed(names)}."


def _scale(comparison: Comparison) -> Iterable[str]:
    for env in comparison.envs:
        runs = [outcome.run for setting in comparison.of_env(env) for outcome in setting.outcomes]
        anchors = Counter((run.random_return, run.optimal_return) for run in runs)
        if len(anchors) > 1 and all(run.config.get("eval.levels") == "train" for run in runs):
            yield f"Each run on {env} is normalised by the optimum of the training levels that it plays."
        elif len(anchors) > 1:
            yield f"Runs on {env} disagree about its random or optimal return: each is normalised by its own."
        if any(run.optimum_kind == "bound" and run.optimal_return is not None for run in runs):
            yield f"The optimum of {env} is a bound, not exact: normalised scores of 1 may be out of reach."


def _seen_levels(comparison: Comparison) -> Iterable[str]:
    names = []
    for env in comparison.envs:
        runs = [outcome.run for setting in comparison.of_env(env) for outcome in setting.outcomes]
        share = max((run.seen_in_training or 0.0 for run in runs), default=0.0)
        if share >= MUCH_SEEN:
            count = max(run.distinct_levels or 0.0 for run in runs)
            there = f", and there are {count:.0f}" if count > 1 else ", there is only one" if count else ""
            names.append(f"{env} ({'all' if share == 1 else f'{round(100 * share)} %'}{there})")
    if names:
        yield f"Evaluation levels that training meets too, so that returns tell little of unseen ones: {listed(names)}."


def listed(names: Iterable[str], joint: str = ", ") -> str:
    """The first few names, and how many more there are."""
    every = list(names)
    rest = f" and {len(every) - MANY} more" if len(every) > MANY else ""
    return joint.join(every[:MANY]) + rest
