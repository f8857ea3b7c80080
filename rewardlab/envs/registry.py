"""gymnasium's registry with MiniGrid's tasks in it: imported quietly, and only when somebody asks."""

import importlib
import importlib.util
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardlab.errors import UserError, one_line
from rewardlab.gridworld.hush import hush

if TYPE_CHECKING:
    import gymnasium

# The sizes that papers report and Farama does not register: rooms, largest room side.
CLASSIC_MULTIROOMS = {"N7-S4": (7, 4), "N7-S8": (7, 8), "N10-S4": (10, 4), "N10-S10": (10, 10), "N12-S10": (12, 10)}


def looked_up(module: str, error: ImportError) -> str:
    """What to do where a module of the user's own is not found; nothing to say where it lacks another one."""
    missing = (error.name or "") != "" and f"{module}.".startswith(f"{error.name}.")
    return "; modules are looked for in PYTHONPATH, as in: PYTHONPATH=. rewardlab ..." if missing else ""


def registered_ids() -> list[str]:
    """Every id that can be made, MiniGrid's and the classic MultiRoom sizes included."""
    return sorted(_gymnasium().registry)


@cache
def add_robotics() -> bool:
    """Put gymnasium-robotics' environments into the registry; whether the package is there.

    Raises:
        UserError: it is there and cannot be imported, as where MUJOCO_GL names a library that is not.
    """
    if importlib.util.find_spec("gymnasium_robotics") is None:
        return False
    try:
        with _quiet():
            import gymnasium_robotics
    except Exception as error:  # whatever a third party's import raises
        raise UserError(f"gymnasium-robotics cannot be imported: {reason_of(error)}") from error
    _gymnasium().register_envs(gymnasium_robotics)
    return True


@cache
def add_minihack() -> bool:
    """Put the tasks of MiniHack and NLE into the registry; whether both packages are there.

    Raises:
        UserError: they are there and cannot be imported, as with a setuptools that has no pkg_resources.
    """
    if any(importlib.util.find_spec(name) is None for name in ("nle", "minihack")):
        return False
    try:
        with _quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pkg_resources says that it is going away
            _gymnasium()
            import minihack
            import nle
    except Exception as error:  # whatever a third party's import raises
        hint = "; pip install 'setuptools<81'" if "pkg_resources" in str(error) else ""
        raise UserError(f"minihack cannot be imported: {reason_of(error)}{hint}") from error
    _gymnasium().register_envs(minihack)
    _gymnasium().register_envs(nle)
    return True


def reason_of(error: Exception) -> str:
    """An error of a third party in one line, and what to do about MuJoCo's renderer where that may be it."""
    renderer = os.environ.get("MUJOCO_GL", "")
    trace, at_drawing = error.__traceback__, "OpenGL" in str(error)
    while trace is not None:
        at_drawing |= trace.tb_frame.f_globals.get("__name__", "").startswith(("OpenGL", "mujoco."))
        trace = trace.tb_next
    hint = f"; MUJOCO_GL={renderer}: is its library here? Unset it, or try MUJOCO_GL=egl" if renderer else ""
    return f"{type(error).__name__}: {one_line(error)}{hint if at_drawing else ''}"


def registered_name(env_id: str) -> str:
    """The name in the registry; for `module:Id-v0`, after importing the module that registers it.

    Raises:
        ImportError: no such module.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    if is_nethack(name):
        add_minihack()
    return name


def is_nethack(env_id: str) -> bool:
    """Whether an id is one of MiniHack's or NLE's."""
    return env_id.rpartition(":")[2].startswith(("MiniHack-", "NetHack"))


def registered(env_id: str) -> Any:
    """What gymnasium keeps of an id; see `registered_name`."""
    return _gymnasium().registry[registered_name(env_id)]


def build(env_id: str, **options: Any) -> "gymnasium.Env[Any, Any]":
    """One environment without the wrappers that only check its use; its time limit stays.

    Args:
        options: what gymnasium.make takes besides.

    Raises:
        UserError: the environment cannot be built here (a missing package, a wrong system).
    """
    gym = _gymnasium()
    try:
        with _quiet():
            spec = registered(env_id)
            env: gymnasium.Env[Any, Any] = gym.make(
                replace(spec, order_enforce=False, disable_env_checker=True), **options
            )
        _tidy(env)
        return env
    except Exception as error:  # whatever a third party's constructor raises
        raise UserError(f"env.id={env_id}: cannot be built: {reason_of(error)}") from error


def _tidy(env: "gymnasium.Env[Any, Any]") -> None:
    """Remove the model that a maze of gymnasium-robotics wrote for itself, has loaded and would leave behind; keep
    BabyAI's levels quiet.
    """
    maze: Any = env.unwrapped
    hush(maze)
    if type(maze).__module__.startswith("gymnasium_robotics.") and hasattr(maze, "tmp_xml_file_path"):
        model = Path(maze.tmp_xml_file_path)
        if model.name != "ant_maze.xml":  # of version 3, the same for every process: another may be about to read it
            model.unlink(missing_ok=True)


@cache
def _gymnasium() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    with _quiet():
        import gymnasium
        import minigrid  # noqa: F401  (registers its tasks)
    gymnasium.logger.min_level = gymnasium.logger.ERROR
    for size, (rooms, room_size) in CLASSIC_MULTIROOMS.items():
        gymnasium.register(
            id=f"MiniGrid-MultiRoom-{size}-v0",
            entry_point="minigrid.envs:MultiRoomEnv",
            kwargs={"minNumRooms": rooms, "maxNumRooms": rooms, "maxRoomSize": room_size},
        )
    return gymnasium


@contextmanager
def _quiet() -> Iterator[None]:
    """Banners and notifications of third parties are not the user's business."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        yield
