"""Names of agents that tell settings apart: whoever groups by environment, reward and agent never mixes two settings.

An agent's label has the options of the agent alone. What else can differ (the curriculum, the budget, the number of
environments, how evaluations are played) is added where settings would fall together without it, and only there.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from rewardlab.report.reading.fields import written
from rewardlab.report.reading.plain import clean
from rewardlab.report.setting import NO_SETTING, Setting

_LONGEST_VALUE = 40
_CURRICULUM = "curriculum"


def agent_names(settings: Sequence[Setting]) -> list[str]:
    """A name for each setting: `ppo`, or `ppo num_envs=8` where there is one with another number beside it.

    A setting has one name in all folders. What tells settings apart in one environment is told in every other one, too.
    """
    told: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)  # by reward and agent: names of options, in order
    groups: dict[tuple[str, str, str], list[Setting]] = defaultdict(list)
    for setting in settings:
        groups[setting.env, setting.method.reward, setting.method.agent].append(setting)
    for (_, *key), group in groups.items():
        if len({setting.setting_id for setting in group}) > 1:
            told[key[0], key[1]] |= dict.fromkeys(_telling(group))
    names = [_name(setting, told.get((setting.method.reward, setting.method.agent), ())) for setting in settings]
    ids: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for setting, name in zip(settings, names, strict=True):
        ids[setting.env, setting.method.reward, name].add(setting.setting_id)
    return [
        f"{name} #{setting.setting_id[:8]}" if len(ids[setting.env, setting.method.reward, name]) > 1 else name
        for setting, name in zip(settings, names, strict=True)
    ]


def _name(setting: Setting, options: Iterable[str]) -> str:
    return " ".join([setting.method.agent, *(f"{name}={_value(setting, name)}" for name in options)])


def _telling(group: Sequence[Setting]) -> list[str]:
    """The first few options by which the settings differ: those that tell no more than the ones before are left out."""
    found: list[str] = []
    classes = [""] * len(group)
    for name in dict.fromkeys([_CURRICULUM, *(name for setting in group for name in setting.runs[0].config)]):
        finer = [f"{known}|{_value(setting, name)}" for known, setting in zip(classes, group, strict=True)]
        if len(set(finer)) > len(set(classes)) and _is_of_settings(group, name):
            found, classes = [*found, name], finer
    return found


def _is_of_settings(group: Sequence[Setting], name: str) -> bool:
    """Whether all runs of a setting have one value of an option, so that it may be what tells the setting."""
    if name == _CURRICULUM:
        return True
    return not NO_SETTING.match(name) and all(
        len({written(run.config.get(name)) for run in setting.runs}) == 1 for setting in group
    )


def _value(setting: Setting, name: str) -> str:
    if name == _CURRICULUM:
        return setting.method.curriculum
    return clean(written(setting.runs[0].config.get(name)), _LONGEST_VALUE)
