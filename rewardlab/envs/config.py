"""What environments share: from gymnasium's registry, their id, what is known of the task, and the checks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from rewardlab.envs.registry import looked_up, registered_ids, registered_name
from rewardlab.errors import MissingFacts
from rewardlab.schemas import EnvConfig, RootConfig, option

if TYPE_CHECKING:
    from rewardlab.types import TaskFacts


@dataclass
class OwnConfig(EnvConfig):
    """Of a world that only this project has: there is no other backend."""

    MAY_BE_BOX = False

    def validate(self) -> None:
        check_levels(self.levels)
        if self.backend == "reference":
            raise ValueError("backend=reference: nobody else has this world; leave it out")


@dataclass
class RegisteredConfig(EnvConfig):
    id: str = option("", "the exact id in gymnasium's registry; MODULE:ID imports MODULE first")
    random_return: float | None = option(
        None, "mean return of a uniform-random policy; null = unknown", in_setting=False
    )
    optimal_return: float | None = option(
        None, "mean return of the best policy, or a bound on it; null = unknown", in_setting=False
    )
    optimum_kind: str = option(
        "unavailable", "what optimal_return is", choices=("exact", "bound", "unavailable"), in_setting=False
    )

    def validate(self) -> None:
        check_levels(self.levels)
        if not self.id:
            raise ValueError(f"id is missing: name a registered environment, such as env.id={self.example_id()}")
        check_registered(self.id)

    def example_id(self) -> str:
        """An id to show where one is missing."""
        return "CartPole-v1"

    def task_facts(self, success: str | None) -> "TaskFacts":
        from rewardlab.types import TaskFacts

        return TaskFacts(self.random_return, self.optimal_return, self.optimum_kind, success)

    def facts_on(self, task: "TaskFacts", levels: Sequence[int]) -> "TaskFacts":
        """What the config states, which is taken to be of the levels that are played."""
        return replace(
            task,
            random_return=self.random_return,
            optimal_return=self.optimal_return,
            optimum_kind=self.optimum_kind,
        )

    def revision(self, setting: RootConfig) -> int:
        """What is stated was the scale from the start."""
        return 0


def noise_option() -> Any:
    """Of a world whose observations are numbers: see `envs.noisy`."""
    return option(
        0.0, "standard deviation of noise on all numbers that are seen, in their own units", minimum=0, neutral=0.0
    )


def distractors_option() -> Any:
    """Of a world that shows a vector: see `envs.distracted`."""
    return option(
        0, "numbers appended to what is seen that no action changes, AR(1)", minimum=0, maximum=10_000, neutral=0
    )


def check_levels(levels: float) -> None:
    """Refuse a number of levels that is no number of levels.

    Raises:
        ValueError: says what is allowed.
    """
    if not (levels == float("inf") or (levels >= 1 and float(levels).is_integer())):
        raise ValueError(f"levels={levels:g}: must be inf or a whole number >= 1")


def check_registered(env_id: str) -> None:
    """Refuse an id that gymnasium cannot make; `module:Id-v0` imports the module that registers it first.

    Raises:
        ValueError: names the nearest id.
    """
    module, colon, _ = env_id.rpartition(":")
    if colon and (not module or module.startswith(".")):
        raise ValueError(f"id={env_id}: {module or 'nothing'} is no module; write MODULE:Id-v0, or the id alone")
    try:
        name = registered_name(env_id)
    except ImportError as error:
        raise ValueError(f"id={env_id}: {error}{looked_up(module, error)}") from None
    except Exception as error:  # whatever a module of the user's own raises
        raise ValueError(f"id={env_id}: {module}: {type(error).__name__}: {error}") from None
    names = registered_ids()
    if name in names:
        return
    by_lower = {known.lower(): known for known in names}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    hint = f"; did you mean {by_lower[close[0]]}?" if close else ""
    others = "" if module else "; MODULE:ID, as in ale_py:ALE/Pong-v5, where a module is to be imported first"
    raise ValueError(
        f"id={env_id}: no such registered environment{hint} (allowed: any id of gymnasium.pprint_registry(){others})"
    )


def check_privileged(env_id: str, asked: Sequence[str], offered: Sequence[str]) -> None:
    """Refuse full-state facts that the environment cannot give.

    Raises:
        MissingFacts: names what it offers.
    """
    missing = [name for name in asked if name not in offered]
    if missing:
        offers = ", ".join(offered) if offered else "none"
        close = [near[0] for name in missing if (near := get_close_matches(name, offered, n=1))]
        hint = f"; did you mean {close[0]}?" if close else ""
        raise MissingFacts(
            f"env.id={env_id}: cannot give {', '.join(missing)}{hint} (full-state facts that it offers: {offers})",
            missing,
        )
