"""`rewardlab run --help`: the flags, the groups and their choices, and every key with its value and meaning."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from rewardlab import discovery
from rewardlab.config import composition, loggers
from rewardlab.config.refusals import FILLED_IN
from rewardlab.schemas import shown

_HEAD = """\
usage: rewardlab run [FLAGS] [GROUP=CHOICE ...] [KEY=VALUE ...]

Train one run: an environment, a reward scheme and an agent, with one seed.
The same command again skips a finished run and continues an interrupted one.

  rewardlab run env=doorkey reward=rnd seed=1 frames=2e6
  rewardlab run -m env=doorkey,keycorridor reward=none,rnd 'seed=range(0,5)'

flags, anywhere on the line:
  -m, --multirun        a sweep: every combination of comma-separated values, on all cores
  --dry-run [--long]    the jobs, which of them are finished, and about how long the others take
  --config RUN          repeat a run, by its folder or its config.yaml; values may be overridden
  --config-dir DIR      a folder of your own yaml, laid out as conf/
  --cfg job [--resolve] show the composed config instead of running
  --info WHAT           show how Hydra composed it: config, defaults, defaults-tree, plugins, searchpath
  --hydra-help          Hydra's own help
  hydra.launcher.jobs=N at most N runs of a sweep at once; hydra/launcher=basic runs them one by one
"""


def run_help(overrides: Sequence[str] = (), config_dir: str | None = None) -> str:
    """The help of `rewardlab run`, with the keys of the choices made in `overrides`.

    Raises:
        UserError: the overrides are wrong.
    """
    with composition.session(config_dir):
        shown_for = (*discovery.FOLDERS, f"+{discovery.RECIPES}")
        chosen = [item for item in overrides if item.partition("=")[0] in shown_for]
        config, choices = composition.typed(chosen)
    groups = [f"  {group:<12}{_wrapped(discovery.choices(group), 14)}" for group in discovery.FOLDERS]
    picked = " ".join(f"{group}={loggers.as_override(choices[group])}" for group in discovery.FOLDERS)
    return "\n".join(
        [
            _HEAD,
            "groups and their choices (rewardlab list explains them):",
            *groups,
            "",
            "ready-made recipes, each a whole run (rewardlab list experiment): +experiment=NAME",
            "",
            f"keys of {picked}:",
            *_keys(config, ""),
        ]
    )


def _keys(config: Any, prefix: str) -> list[str]:
    lines = []
    for spec in dataclasses.fields(config):
        value, key = getattr(config, spec.name), f"{prefix}{spec.name}"
        if spec.name in FILLED_IN and prefix:
            continue
        if dataclasses.is_dataclass(value):
            lines.extend(_keys(value, f"{key}."))
        else:
            meaning = spec.metadata.get("help", "")
            allowed = spec.metadata.get("choices")
            options = f" ({', '.join(allowed)})" if allowed else ""
            lines.append(f"  {f'{key}={shown(value)}':<36}  {meaning}{options}".rstrip())
    return lines


def _wrapped(names: Sequence[str] | dict[str, Any], indent: int, width: int = 110) -> str:
    lines, line = [], ""
    for name in names:
        if line and indent + len(line) + len(name) > width:
            lines.append(line.rstrip())
            line = ""
        line += f"{name}, "
    lines.append(line.rstrip(", "))
    return f"\n{' ' * indent}".join(lines)
