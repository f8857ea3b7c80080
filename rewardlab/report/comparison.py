"""Runs put in order: settings (all seeds of one configuration) and schemes (one approach across environments)."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from rewardlab.records.summary import THRESHOLDS
from rewardlab.report.agent_names import agent_names
from rewardlab.report.names import Method, in_common, names_of
from rewardlab.report.outcomes import Outcome, counts
from rewardlab.report.reading.collection import Collection, Problem
from rewardlab.report.reading.fields import written
from rewardlab.report.reading.plain import clean
from rewardlab.report.reading.run_folder import Run
from rewardlab.report.setting import BUDGET, NO_SETTING, Setting


@dataclass(frozen=True)
class Comparison:
    """Everything the report is made of."""

    settings: tuple[Setting, ...]
    problems: tuple[Problem, ...]
    # column suffix -> normalised return that counts as reached, in rising order
    thresholds: Mapping[str, float] = field(default_factory=lambda: THRESHOLDS)

    @cached_property
    def runs(self) -> list[Run]:
        return [run for setting in self.settings for run in setting.runs]

    @cached_property
    def envs(self) -> list[str]:
        return sorted({setting.env for setting in self.settings}, key=natural)

    @cached_property
    def methods(self) -> list[Method]:
        # 0.002 and 0.0002 read alike as numbers, and a set has no order of its own: their texts decide.
        return sorted(
            {setting.method for setting in self.settings}, key=lambda each: (_method_order(each), each.approach)
        )

    def restricted(self, runs: Iterable[Run]) -> "Comparison":
        """The same comparison with some of its runs only."""
        kept = {id(run) for run in runs}
        settings = []
        for setting in self.settings:
            if left := tuple(run for run in setting.runs if id(run) in kept):
                outcomes = tuple(outcome for outcome in setting.outcomes if id(outcome.run) in kept)
                settings.append(replace(setting, runs=left, outcomes=outcomes))
        return replace(self, settings=tuple(settings))

    @property
    def highest(self) -> str:
        """Column suffix of the highest threshold."""
        return list(self.thresholds)[-1]

    def of_env(self, env: str) -> list[Setting]:
        """Settings of one environment, in the order of the schemes."""
        return self._by_env.get(env, [])

    @cached_property
    def _by_env(self) -> dict[str, list[Setting]]:
        return {env: [setting for setting in self.settings if setting.env == env] for env in self.envs}

    @cached_property
    def _ends(self) -> dict[str, float]:
        return {
            env: min((outcome.end for setting in settings for outcome in setting.outcomes), default=0.0)
            for env, settings in self._by_env.items()
        }

    def first_evaluation(self, env: str) -> float:
        """The first frame at which all counted runs of one environment were evaluated."""
        return self._starts[env]

    def normalises(self, env: str) -> bool:
        """Whether the returns of all counted runs of one environment can be normalised."""
        return self._normalised[env]

    @cached_property
    def _starts(self) -> dict[str, float]:
        return {
            env: max((float(o.evaluated[0]) for setting in settings for o in setting.outcomes), default=0.0)
            for env, settings in self._by_env.items()
        }

    @cached_property
    def _normalised(self) -> dict[str, bool]:
        return {
            env: all(outcome.normalised is not None for setting in settings for outcome in setting.outcomes)
            for env, settings in self._by_env.items()
        }

    @cached_property
    def in_common(self) -> list[str]:
        """What names leave out because all schemes have it, a phrase each."""
        return in_common(self.methods, self._configs)

    @cached_property
    def _names(self) -> dict[Method, str]:
        return names_of(self.methods, self._configs)

    @cached_property
    def _configs(self) -> dict[Method, list[Mapping[str, object]]]:
        configs: dict[Method, list[Mapping[str, object]]] = defaultdict(list)
        for setting in self.settings:
            configs[setting.method].append(setting.runs[0].config)
        return configs

    @cached_property
    def _found(self) -> dict[tuple[Method, str], Setting]:
        counted = [setting for setting in self.settings if setting.outcomes]
        sharing: dict[tuple[str, int], set[Method]] = defaultdict(set)
        for setting in counted:
            sharing[setting.env, setting.budget].add(setting.method)

        def worth(setting: Setting) -> tuple[int, int, int, str]:
            shared = len(sharing[setting.env, setting.budget])
            return shared, len(setting.outcomes), setting.budget, setting.setting_id

        return {(setting.method, setting.env): setting for setting in sorted(counted, key=worth)}

    def seeds_of(self, env: str) -> list[int]:
        """Every seed that anybody ran in one environment."""
        return sorted({run.seed for setting in self.of_env(env) for run in setting.runs})

    def common_end(self, env: str) -> float:
        """The last frame that the curves of all counted runs of one environment cover; 0 if none counts."""
        return self._ends.get(env, 0.0)

    def find(self, method: Method, env: str) -> Setting | None:
        """The setting that stands for a scheme in one environment, if any of its runs count.

        Of several budgets it is the one that most schemes have, then the one with the most seeds, then the largest; see
        `Setting.rung`.
        """
        return self._found.get((method, env))

    def stands(self, setting: Setting) -> bool:
        """Whether a setting stands for its scheme where schemes are compared."""
        return self.find(setting.method, setting.env) is setting

    def name(self, method: Method) -> str:
        """The shortest name that tells a scheme from all others here; see `names`."""
        return self._names[method]

    def agent_name(self, setting: Setting) -> str:
        """Name of its agent that no other setting of its environment and reward has (`agent_names`)."""
        return self._agents[id(setting)]

    @cached_property
    def _agents(self) -> dict[int, str]:
        return {id(each): name for each, name in zip(self.settings, agent_names(self.settings), strict=True)}

    def setting_name(self, setting: Setting) -> str:
        """Name of a row: its scheme, its budget where it has several, its setting id where labels don't tell."""
        tag = f"#{setting.setting_id[:8]}"
        name = self.name(setting.method)
        if setting.rung:
            return f"{name} ({setting.rung})"
        return f"{name} {tag}" if setting.shared and tag not in name else name


def assemble(collection: Collection, folders: Sequence[str] = ("",)) -> Comparison:
    """Groups runs into settings and names the schemes; folders, by their labels, are compared in the order given."""
    groups: dict[tuple[str, str, str, str, str, str], list[Run]] = defaultdict(list)
    for run in collection.runs:
        groups[run.folder, run.env, run.reward, run.agent, run.curriculum, run.setting_id].append(run)
    twins: dict[tuple[str, ...], list[list[Run]]] = defaultdict(list)
    for key, runs in groups.items():
        twins[key[:-1]].append(runs)
    fields: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for labels, several in twins.items():
        fields[_without_env(labels)] |= _differing_fields([runs[0] for runs in several])
    rungs = {labels: _rungs(several, fields[_without_env(labels)]) for labels, several in twins.items()}
    settings = []
    for key, runs in groups.items():
        folder, env, reward, agent, curriculum, setting_id = key
        shared = len(twins[key[:-1]]) > 1
        varying = fields[_without_env(key[:-1])]
        variant = ", ".join(f"{name}={clean(written(runs[0].config.get(name)), 40)}" for name in sorted(varying))
        rung = rungs[key[:-1]].get(setting_id, "")
        if shared and not variant and not rung:
            variant = f"#{setting_id[:8]}"
        runs.sort(key=lambda run: (run.seed, run.name))
        settings.append(
            Setting(
                setting_id=setting_id,
                env=env,
                method=Method(reward, agent, curriculum, clean(variant, 120), folder, folders.index(folder)),
                assumes=tuple(sorted({item for run in runs for item in run.assumes})),
                runs=tuple(runs),
                outcomes=tuple(Outcome(run) for run in runs if counts(run)),
                shared=shared,
                rung=rung,
            )
        )
    settings.sort(key=lambda s: (natural(s.env), _method_order(s.method), s.setting_id))
    return Comparison(tuple(settings), collection.problems)


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key by which `doorkey_8x8` comes before `doorkey_16x16`."""
    parts = re.split(r"(\d{1,18})", text)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def _method_order(method: Method) -> tuple[object, ...]:
    # The baseline without any bonus first, the others by name.
    names = (method.reward, method.agent, method.curriculum, method.variant)
    return (method.place, method.folder, method.reward != "none", *map(natural, names))


def _without_env(labels: Sequence[str]) -> tuple[str, ...]:
    folder, _, *rest = labels
    return (folder, *rest)


def _differing_fields(runs: Iterable[Run]) -> set[str]:
    """Config fields in which settings with equal labels differ, without those that are no part of a setting."""
    configs = [{key: json.dumps(value, sort_keys=True) for key, value in run.config.items()} for run in runs]
    if len(configs) < 2:
        return set()
    keys = {key for config in configs for key in config if not NO_SETTING.match(key) and not BUDGET.match(key)}
    return {key for key in keys if len({config.get(key) for config in configs}) > 1}


def _rungs(several: Sequence[Sequence[Run]], varying: Iterable[str]) -> dict[str, str]:
    """Setting id -> its budget and cadence, of settings of one environment and labels; none where it has no rival."""
    alike: dict[str, list[Run]] = defaultdict(list)
    for runs in several:
        alike[json.dumps([runs[0].config.get(key) for key in varying])].append(runs[0])
    found: dict[str, str] = {}
    for runs in alike.values():
        differing = [
            key for key in ("frames", "eval.every", "eval.episodes") if len({_budget(r, key) for r in runs}) > 1
        ]
        told: dict[str, list[str]] = {run.setting_id: [] for run in runs}
        for key in differing:  # `eval.every` follows from `frames` unless it is given: said only where it has to be
            if len({tuple(parts) for parts in told.values()}) < len(runs):
                for run in runs:
                    told[run.setting_id].append(f"{key}={_budget(run, key)}")
        texts = {setting_id: ", ".join(parts) for setting_id, parts in told.items()}
        if len(runs) > 1 and differing:
            twice = [text for text in texts.values() if list(texts.values()).count(text) > 1]
            found |= {key: f"{text}, #{key[:8]}" if text in twice else text for key, text in texts.items()}
    return found


def _budget(run: Run, key: str) -> str:
    return written(run.budget if key == "frames" else run.config.get(key))
