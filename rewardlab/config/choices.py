"""What may be chosen on a command line: names of choices, several loggers, and no field that fills itself in."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from hydra.types import RunMode

from rewardlab import discovery
from rewardlab.config import loggers
from rewardlab.config.refusals import FILLED_IN, as_user_errors, refuse_hydras_files
from rewardlab.errors import UserError, unknown
from rewardlab.schemas import shown


def checked(group: str, choice: Any) -> str:
    """The name of a choice; of several loggers with what joins them.

    Raises:
        UserError: no name, such as another way to the file of one (`./rnd`, `rnd.yaml`), or a list, but of loggers.
    """
    if group == loggers.GROUP and isinstance(choice, list):
        loggers.check_list(choice)
        return loggers.SEVERAL.join(checked(group, name) for name in choice)
    if not isinstance(choice, str) or not choice or "/" in choice or choice.endswith((".yaml", "_schema")):
        raise unknown(group, shown(choice), discovery.choices(group), discovery.KINDS[group])
    return choice


def check_override(override: Override) -> None:
    """Refuse what Hydra would let pass or explain badly.

    Raises:
        UserError: a removal, no such choice, or a field that is not to be set.
    """
    key, text = override.key_or_group, override.input_line
    if override.is_delete():
        raise UserError(f"{text}: nothing can be removed; set a value, as in logger=none")
    refuse_hydras_files(override)
    parent, _, last = key.rpartition(".")
    if parent and last in FILLED_IN:
        raise UserError(f"{key}: filled in by itself, not to be set")
    chosen = (*discovery.FOLDERS, discovery.RECIPES)
    if key in chosen and not override.is_sweep_override() and not isinstance(override.value(), dict):
        checked(key, override.value())


def with_loggers(
    choices: Mapping[str, Any], overrides: Sequence[str], loader: ConfigLoader, name: str
) -> dict[str, Any]:
    """The choices, with the names of several loggers, which Hydra does not tell.

    Args:
        loader: of the Hydra at work. name: of the config.
    """
    if loggers.GROUP in choices:
        return dict(choices)
    with as_user_errors():
        found = loader.compute_defaults_list(name, list(overrides), RunMode.RUN).defaults
    paths = [each.config_path or "" for each in found if not (each.parent or "").startswith(f"{loggers.GROUP}/")]
    prefix = f"{loggers.GROUP}/"
    return {**choices, loggers.GROUP: [path.removeprefix(prefix) for path in paths if path.startswith(prefix)]}
