"""Where the reader should be careful: everything that makes a comparison less than it looks."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rewardlab.report.comparison import Comparison
from rewardlab.report.numbers import amount, plural, share_range
from rewardlab.report.reading.collection import CANDIDATE, DUPLICATE, UNREADABLE
from rewardlab.report.scaling import GIVEN
from rewardlab.report.setting import Setting
from rewardlab.report.statistics import coverage
from rewardlab.report.tables.aggregate import Aggregate

FEW_SEEDS = 5
ENOUGH_SEEDS = 10
MUCH_SEEN = 0.1  # of the evaluation levels
_LONG = 110  # characters of a list that still stands in a sentence
_PAGE = "report.html"
MANY = 6  # names listed before "and n more"


@dataclass(frozen=True)
class Caution:
    """A plain sentence without its full stop, and what it is about: a long list stays behind a count."""

    text: str
    items: tuple[str, ...] = ()
    where: str = ""  # the file, or the part of the page, that lists them
    joint: str = ", "

    @property
    def collapsed(self) -> bool:
        return sum(map(len, self.items)) + len(self.joint) * len(self.items) > _LONG

    @property
    def line(self) -> str:
        """For a terminal."""
        if not self.items:
            return f"{self.text}."
        return f"{self.text} (see {self.where})." if self.collapsed else f"{self.text}: {self.joint.join(self.items)}."


def cautions(comparison: Comparison, aggregated: Aggregate) -> list[Caution]:
    """What to be careful about, the gravest first; empty if there is nothing to say."""
    checks = (
        _lost, _few_seeds, _several_budgets, _unequal, _other_code, _mixed, _assumptions, _scale, _seen_levels,
    )  # fmt: skip
    found = [told for check in checks for told in check(comparison)]
    if aggregated.left_out:
        names = tuple(f"{env} ({why})" for env, why in aggregated.left_out.items())
        found.append(Caution("Not in the aggregate over environments", names, "report.html", "; "))
    return found


def _lost(comparison: Comparison) -> Iterable[Caution]:
    by_state: dict[str, list[str]] = {}
    for run in comparison.runs:
        name = f"{run.folder}: {run.name}" if run.folder else run.name
        if run.state == "running":
            name = f"{name} (to frame {amount(run.furthest)} of {amount(run.budget)})"
        by_state.setdefault(run.state, []).append(name)
    if names := tuple(p.name for p in comparison.problems if p.state == UNREADABLE):
        were = "was" if len(names) == 1 else "were"
        yield Caution(f"{plural(len(names), 'run')} could not be read and {were} left out", names, _PAGE)
    if twice := tuple(f"{p.name} ({p.reason})" for p in comparison.problems if p.state == DUPLICATE):
        were = "is a duplicate" if len(twice) == 1 else "are duplicates"
        yield Caution(f"{plural(len(twice), 'run')} {were}: of each setting and seed one is used", twice, _PAGE, "; ")
    if tried := tuple(p.name for p in comparison.problems if p.state == CANDIDATE):
        were = "is a candidate" if len(tried) == 1 else "are candidates"
        text = f"{plural(len(tried), 'run')} {were} of rewardlab write and left out; its own folder's report has them"
        yield Caution(text, tried, _PAGE)
    if blemished := tuple(f"{run.name} ({'; '.join(run.blemishes)})" for run in comparison.runs if run.blemishes):
        yield Caution("Files that could not be used, though the runs count", blemished, _PAGE)
    for state, what in (
        ("running", "still going (or killed): dotted in the learning curves, in no table and no comparison"),
        ("paused", "paused on the way to the whole budget: each counts up to its pause"),
        ("interrupted", "interrupted and missing from the statistics"),
        ("failed", "failed and missing from the statistics"),
        ("diverged", "diverged: the last evaluation is carried to the end of the budget, and no threshold counts as "
         "reached"),
    ):  # fmt: skip
        if names := tuple(by_state.get(state, [])):
            yield Caution(f"{plural(len(names), 'run')} {what}", names, "runs.csv")


def _few_seeds(comparison: Comparison) -> Iterable[Caution]:
    few = [s for s in comparison.settings if 0 < len(s.outcomes) < FEW_SEEDS]
    if few:
        names = tuple(f"{comparison.setting_name(s)} on {s.env} ({len(s.outcomes)})" for s in few)
        what = f"Fewer than {FEW_SEEDS} seeds in {plural(len(few), 'setting')}, so the intervals say little"
        yield Caution(what, names, "sample_efficiency.csv")
    fewest = min((len(s.outcomes) for s in comparison.settings if len(s.outcomes) > 1), default=ENOUGH_SEEDS)
    if fewest < ENOUGH_SEEDS:
        yield Caution(
            f"With {fewest} seeds a 95 % interval is too narrow: it holds the true value in "
            f"{share_range(coverage(fewest))} of simulated studies of one environment"
        )


def _several_budgets(comparison: Comparison) -> Iterable[Caution]:
    """The same scheme run for different lengths, or looked at in another rhythm: its runs are never pooled."""
    several: dict[tuple[str, str], list[Setting]] = {}
    for setting in comparison.settings:
        if setting.rung and setting.outcomes:
            several.setdefault((setting.env, comparison.name(setting.method)), []).append(setting)
    names = []
    for (env, name), settings in several.items():
        if len(settings) < 2:
            continue
        counts = ", ".join(f"{each.rung}: {plural(len(each.seeds), 'seed')}" for each in settings)
        used = next(each.rung for each in settings if comparison.stands(each))
        names.append(f"{name} on {env} ({counts}; used: {used})")
    if names:
        yield Caution(
            "One scheme with several budgets or evaluation cadences: each has its own row and curve, none are pooled; "
            "comparisons use the one that most schemes have, then with most seeds, then the longest",
            tuple(names), _PAGE, "; ",
        )  # fmt: skip


def _unequal(comparison: Comparison) -> Iterable[Caution]:
    for env in comparison.envs:
        settings = [setting for setting in comparison.of_env(env) if setting.outcomes]
        budgets = sorted({run.budget for setting in settings for run in setting.runs})
        if len(budgets) > 1:
            yield Caution(
                f"Unequal budgets on {env} ({', '.join(f'{budget:,}' for budget in budgets)} frames): areas are taken "
                "up to the smallest, late scores are not comparable"
            )
        if len({setting.seeds for setting in settings}) > 1:
            every = comparison.seeds_of(env)
            names = tuple(
                f"{comparison.setting_name(setting)} lacks {listed(map(str, missing))}"
                for setting in settings
                if (missing := [seed for seed in every if seed not in setting.seeds])
            )
            what = f"Unequal seeds on {env}: {len(names)} of {plural(len(settings), 'setting')} lack some"
            yield Caution(what, names, "the grid of runs in report.html", "; ")


def _other_code(comparison: Comparison) -> Iterable[Caution]:
    for setting in comparison.settings:
        by_code: dict[tuple[tuple[str, str], ...], list[int]] = {}
        for run in setting.runs:
            if run.code:
                by_code.setdefault(tuple(sorted(run.code.items())), []).append(run.seed)
        shared = set.intersection(*map(set, by_code)) if by_code else set()
        places = sorted({part[0] for code in by_code for part in code if part not in shared})
        if places:
            seeds = " / ".join(listed(map(str, sorted(seeds))) for seeds in by_code.values())
            yield Caution(
                f"Made by different code though of one setting: {comparison.setting_name(setting)} on {setting.env} "
                f"({listed(places)} changed between seeds {seeds})"
            )


def _mixed(comparison: Comparison) -> Iterable[Caution]:
    runs = [outcome.run for setting in comparison.settings for outcome in setting.outcomes]
    versions: dict[str, set[str]] = {}
    for run in runs:
        for package, version in run.packages.items():
            versions.setdefault(package, set()).add(version)
    if mixed := [f"{package} {' / '.join(sorted(v))}" for package, v in sorted(versions.items()) if len(v) > 1]:
        yield Caution(f"Mixed package versions: {listed(mixed)}")
    for what, values in (
        ("commits of the code", {run.git_sha[:8] for run in runs if run.git_sha}),
        ("environment backends", {run.backend for run in runs if run.backend}),
        ("kinds of device", {run.device.split(":")[0] for run in runs if run.device}),
    ):
        if len(values) > 1:
            yield Caution(f"Runs come from {len(values)} {what}: {listed(sorted(values))}")
    if continued := tuple(run.name for run in runs if run.resume == "approximate"):
        count = plural(len(continued), "run")
        yield Caution(f"{count} continued under other versions or on other hardware", continued, _PAGE)


def _assumptions(comparison: Comparison) -> Iterable[Caution]:
    groups = {setting.assumes for setting in comparison.settings}
    if len(groups) > 1:
        names = sorted(
            {f"{comparison.name(s.method)} ({', '.join(s.assumes)})" for s in comparison.settings if s.assumes}
        )
        yield Caution("Unequal assumptions, marked † and ranked apart", tuple(names), "aggregate.csv")


def _scale(comparison: Comparison) -> Iterable[Caution]:
    for env in comparison.envs:
        runs = [outcome.run for setting in comparison.of_env(env) for outcome in setting.outcomes]
        anchors = Counter((run.random_return, run.optimal_return) for run in runs)
        if len(anchors) > 1 and all(run.config.get("eval.levels") == "train" for run in runs):
            yield Caution(f"Each run on {env} is normalised by the optimum of the training levels that it plays")
        elif len(anchors) > 1:
            yield Caution(f"Runs on {env} disagree about its random or optimal return: each is normalised by its own")
        if any(run.optimum_kind == "bound" and run.optimal_return is not None for run in runs):
            yield Caution(f"The optimum of {env} is a bound, not exact: normalised scores of 1 may be out of reach")
        if given := [run for run in runs if run.optimum_kind == GIVEN]:
            ends = f"{given[0].random_return:g} (random) and {given[0].optimal_return:g} (optimal)"
            yield Caution(f"Returns on {env} are normalised between {ends}, as --scale says")


def _seen_levels(comparison: Comparison) -> Iterable[Caution]:
    names = []
    for env in comparison.envs:
        runs = [outcome.run for setting in comparison.of_env(env) for outcome in setting.outcomes]
        share = max((run.seen_in_training or 0.0 for run in runs), default=0.0)
        if share >= MUCH_SEEN:
            count = max(run.distinct_levels or 0.0 for run in runs)
            there = f", and there are {count:.0f}" if count > 1 else ", there is only one" if count else ""
            names.append(f"{env} ({'all' if share == 1 else f'{round(100 * share)} %'}{there})")
    if names:
        what = "Evaluation levels that training meets too, so that returns tell little of unseen ones"
        yield Caution(what, tuple(names), _PAGE)


def listed(names: Iterable[str], joint: str = ", ") -> str:
    """The first few names, and how many more there are."""
    every = list(names)
    rest = f" and {len(every) - MANY} more" if len(every) > MANY else ""
    return joint.join(every[:MANY]) + rest
