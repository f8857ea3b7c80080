"""Runs put in order: settings (all seeds of one configuration) and schemes (one approach across environments)."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rewardlab.report.agent_names import agent_names
from rewardlab.report.outcomes import Outcome, counts
from rewardlab.report.reading.collection import Collection, Problem
from rewardlab.report.reading.fields import written
from rewardlab.report.reading.plain import clean
from rewardlab.report.reading.run_folder import Run

# Fields that are no part of a setting: where, on what and how often something is written.
NO_SETTING = re.compile(
    r"(seed|results_dir|device|overwrite|extend|skip_invalid)$|(logger|checkpoint|hydra|launcher)\b"
)


@dataclass(frozen=True, order=True)
class Method:
    """Reward scheme, agent and curriculum together: what is compared across environments."""

    reward: str
    agent: str
    curriculum: str
    variant: str = ""  # what tells apart two settings that share all labels ("num_envs=8", or "#" and their setting id)
    folder: str = ""  # label of the results folder, where several are compared
    place: int = 0

    @property
    def approach(self) -> tuple[str, str, str, str]:
        """What is the same in every folder: reward, agent, curriculum and variant."""
        return (self.reward, self.agent, self.curriculum, self.variant)


@dataclass(frozen=True)
class Setting:
    """All runs of one configuration, whatever became of them."""

    setting_id: str
    env: str
    method: Method
    assumes: tuple[str, ...]
    runs: tuple[Run, ...]
    outcomes: tuple[Outcome, ...]
    shared: bool  # whether another setting has the same labels, so that only the id tells them apart

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that count, in order."""
        return tuple(outcome.run.seed for outcome in self.outcomes)

    @property
    def budget(self) -> int:
        return max(run.budget for run in self.runs)

    def diverged(self) -> int:
        """Counted runs that diverged."""
        return sum(outcome.run.state == "diverged" for outcome in self.outcomes)


@dataclass(frozen=True)
class Comparison:
    """Everything the report is made of."""

    settings: tuple[Setting, ...]
    problems: tuple[Problem, ...]

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
        return Comparison(tuple(settings), self.problems)

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

    @cached_property
    def _names(self) -> dict[Method, str]:
        methods = self.methods
        several = [len({getattr(each, part) for each in methods}) > 1 for part in ("agent", "curriculum")]
        names = {}
        for method in methods:
            parts = [method.reward]
            parts += [method.agent] if several[0] else []
            parts += [method.curriculum] if several[1] else []
            parts += [method.variant] if method.variant else []
            name = " · ".join(parts)
            names[method] = f"{method.folder}: {name}" if method.folder else name
        return names

    def seeds_of(self, env: str) -> list[int]:
        """Every seed that anybody ran in one environment."""
        return sorted({run.seed for setting in self.of_env(env) for run in setting.runs})

    def common_end(self, env: str) -> float:
        """The last frame that the curves of all counted runs of one environment cover; 0 if none counts."""
        return self._ends.get(env, 0.0)

    def find(self, method: Method, env: str) -> Setting | None:
        """The setting of a scheme in one environment, if any of its runs count."""
        return next((s for s in self.of_env(env) if s.method == method and s.outcomes), None)

    def name(self, method: Method) -> str:
        """The shortest name that tells a scheme from all others here: the reward alone if nothing else varies."""
        return self._names[method]

    def agent_name(self, setting: Setting) -> str:
        """Name of its agent that no other setting of its environment and reward has (`agent_names`)."""
        return self._agents[id(setting)]

    @cached_property
    def _agents(self) -> dict[int, str]:
        return {id(each): name for each, name in zip(self.settings, agent_names(self.settings), strict=True)}

    def setting_name(self, setting: Setting) -> str:
        """Name of a row: its scheme, and the start of its setting id where labels alone don't tell."""
        tag = f"#{setting.setting_id[:8]}"
        name = self.name(setting.method)
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
    settings = []
    for key, runs in groups.items():
        folder, env, reward, agent, curriculum, setting_id = key
        shared = len(twins[key[:-1]]) > 1
        varying = fields[_without_env(key[:-1])]
        variant = ", ".join(f"{name}={clean(written(runs[0].config.get(name)), 40)}" for name in sorted(varying))
        if shared and not variant:
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
    keys = {key for config in configs for key in config if not NO_SETTING.match(key)}
    return {key for key in keys if len({config.get(key) for config in configs}) > 1}
