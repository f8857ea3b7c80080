"""One copy of a registered environment as `env=gym` asks for it: with arguments of its own, and in wrappers."""

import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np

from rewardlab.envs import registry
from rewardlab.errors import UserError, one_line

Given = Mapping[str, Any]
# What of gymnasium's wrappers is refused, and what does its work here.
_REFUSED = {
    "Autoreset": "episodes are reset by rewardlab",
    "NormalizeObservation": "each copy would have moments of its own; use agent.normalise_observation=true",
    "NormalizeReward": "the task's own reward would be lost; use agent.normalise_reward=true",
}


class Asked(Protocol):
    """What is asked for.

    id: in gymnasium's registry. kwargs: arguments of gymnasium.make. wrappers: from the inside out.
    """

    id: str
    kwargs: dict[str, Any]
    wrappers: list[Any]


def world(asked: Asked, **options: Any) -> Any:
    """One environment in its wrappers.

    Args:
        options: arguments of gymnasium.make that win.

    Raises:
        UserError: it cannot be built, does not take an argument, or a wrapper does not fit it.
    """
    try:
        made = registry.build(asked.id, **{**asked.kwargs, **options})
    except UserError as error:
        refused = re.search(r"unexpected keyword argument '(\w+)'", str(error.__cause__))
        if refused is None or refused[1] not in asked.kwargs:
            raise
        raise UserError(f"env.kwargs.{refused[1]}: {_no_such_argument(asked.id, refused[1])}") from None
    _tell_largest_cell(made)
    for name, given in named(asked.wrappers):
        try:
            made = _wrapper(name)(made, **given)
        except Exception as error:  # whatever a wrapper makes of an environment that it is not for
            made.close()
            raise UserError(f"env.wrappers: {name} on env.id={asked.id}: {registry.reason_of(error)}") from error
    return made


def shown_space(asked: Asked) -> Any:
    """The space of what it shows; it is built to be asked, once for each registration.

    Raises:
        UserError: see `world`.
    """
    registered, key = registry.registered(asked.id), repr((asked.id, asked.kwargs, asked.wrappers))
    known = _spaces.get(key)
    if known is None or known[0] is not registered:
        made = world(asked)
        known = _spaces[key] = (registered, made.observation_space)
        made.close()
    return known[1]


_spaces: dict[str, tuple[Any, Any]] = {}


def check_wrappers(wrappers: Sequence[Any]) -> None:
    """Raises:
    ValueError: no such wrapper, one that is not to be used here, or arguments that it does not take.
    """
    for name, given in named(wrappers):
        wrapper = _wrapper(name)
        try:
            signature = inspect.signature(wrapper)
        except (TypeError, ValueError):  # written in C, say
            continue
        try:
            signature.bind(None, **given)
        except TypeError as error:
            takes = ", ".join(list(signature.parameters)[1:]) or "nothing"
            raise ValueError(f"wrappers: {name}: {error} (it takes: {takes})") from None


def named(wrappers: Sequence[Any]) -> list[tuple[str, Given]]:
    """The wrappers of the option, each with its arguments.

    Raises:
        ValueError: one is written otherwise.
    """
    found: list[tuple[str, Given]] = []
    for item in wrappers:
        name, given = next(iter(item.items())) if isinstance(item, Mapping) and len(item) == 1 else (item, {})
        if not isinstance(name, str) or not isinstance(given, Mapping):
            raise ValueError(f"wrappers: {one_line(item, 80)}: write NAME, or {{NAME: {{KEY: VALUE}}}}")
        found.append((name, given))
    return found


def modules(wrappers: Sequence[Any]) -> list[str]:
    """The modules that wrappers of the user's own are in."""
    return [name.rpartition(":")[0] for name, _ in named(wrappers) if ":" in name]


def _tell_largest_cell(made: Any) -> None:
    """MiniGrid's own worlds say that the numbers of a cell are bytes; learners divide by the largest that there is."""
    from gymnasium.spaces import Box, Dict
    from minigrid.core.constants import OBJECT_TO_IDX
    from minigrid.minigrid_env import MiniGridEnv

    if isinstance(made, MiniGridEnv) and isinstance(made.observation_space, Dict):
        spaces = dict(made.observation_space.spaces)
        cells = spaces["image"]
        made.observation_space = Dict(spaces | {"image": Box(0, max(OBJECT_TO_IDX.values()), cells.shape, np.uint8)})


def _wrapper(name: str) -> Callable[..., Any]:
    """Raises:
    ValueError: see `check_wrappers`.
    """
    import gymnasium
    from gymnasium import wrappers

    if ":" in name:
        found = _of_module(name)
        if isinstance(found, type) and issubclass(found, gymnasium.vector.VectorWrapper):
            raise ValueError(f"wrappers: {name}: wraps many environments at once; each copy is wrapped alone here")
        return found
    if name in _REFUSED:
        raise ValueError(f"wrappers: {name}: {_REFUSED[name]}")
    known = sorted(set(wrappers.__all__) - {"vector"} - set(_REFUSED))
    if name in known:
        ours: Callable[..., Any] = getattr(wrappers, name)
        return ours
    if name in wrappers.vector.__all__:
        raise ValueError(f"wrappers: {name}: wraps many environments at once; each copy is wrapped alone here")
    close = get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(f"wrappers: {name}: no such wrapper{hint} (allowed: names of gymnasium.wrappers, or MODULE:NAME)")


def _of_module(name: str) -> Callable[..., Any]:
    module, _, attribute = name.rpartition(":")
    try:
        held = importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"wrappers: {name}: {error}{registry.looked_up(module, error)}") from None
    except Exception as error:  # whatever a module of the user's own raises, also where its name is none
        raise ValueError(f"wrappers: {name}: {type(error).__name__}: {error}") from None
    found = getattr(held, attribute, None)
    if not callable(found):
        close = get_close_matches(attribute, [each for each in vars(held) if each[0] != "_"], n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"wrappers: {name}: {module} has nothing of this name that wraps{hint}")
    wrapper: Callable[..., Any] = found
    return wrapper


def _no_such_argument(env_id: str, name: str) -> str:
    entry = registry.registered(env_id).entry_point
    names = sorted(_arguments(entry if callable(entry) else _loaded(entry)) | {"max_episode_steps"})
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{env_id} takes no such argument{hint} (allowed: {', '.join(names)})"


def _loaded(entry_point: str) -> Any:
    from gymnasium.envs.registration import load_env_creator

    return load_env_creator(entry_point)


def _arguments(creator: Any) -> set[str]:
    """Names that it can be called with, as far as it, and the classes that it hands the others on to, say them."""
    found: set[str] = set()
    kinds = creator.__mro__ if isinstance(creator, type) else [creator]
    for called in (vars(kind).get("__init__") if isinstance(kind, type) else kind for kind in kinds):
        if called is None:
            continue
        try:
            parameters = list(inspect.signature(called).parameters.values())
        except (TypeError, ValueError):
            break
        found |= {each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}
        if all(each.kind is not each.VAR_KEYWORD for each in parameters):
            break
    return found - {"self"}
