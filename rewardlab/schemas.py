"""The typed root config, and how a config field says what it allows.

A plug-in's own options stand beside it, as a dataclass `Config` in its module that extends the base of its
group here. Types are checked by OmegaConf at composition, ranges and choices by `check`, from the metadata
that `option` leaves on the field.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from rewardlab.errors import UserError, unknown

if TYPE_CHECKING:
    from rewardlab.types import EnvSpec, HeldOut, TaskFacts

ALWAYS_IN_SETTING = object()  # equal to no value: the `neutral` of a field that was there from the start
LARGEST_SEED = 2**63 - 1
LARGEST_BUDGET = 10**15  # frames
NO_CURRICULUM = "none"  # the choice that stands for no plug-in at all
NO_SUITE, SUITE_EPISODES = "none", 10  # of eval.suite
WITHOUT_LIMIT = 10_000  # steps of an episode outside training, of a task that sets no limit
_MOST = 10**6  # of what is made one by one: levels, episodes, environments


def option(
    default: Any,
    help: str,
    *,
    choices: Sequence[str] | None = None,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    infinite: bool = False,
    in_setting: bool = True,
    neutral: Any = ALWAYS_IN_SETTING,
    dataset: bool | str = False,
    any_key: bool = False,
) -> Any:
    """A config field: its default, one line of explanation, and what it allows.

    Args:
        choices: the allowed strings.
        minimum, above, maximum: bounds of a number (`above` is exclusive).
        infinite: whether inf is a value too, whatever the maximum.
        in_setting: whether the value distinguishes settings; false for what cannot change the numbers.
        neutral: of a field added later, the value at which all is as before: left out of the setting id there,
            so that old runs keep theirs.
        dataset: whether the value names a dataset, whose content distinguishes settings, not its place. A text: only
            what begins with it does, and the place comes after it.
        any_key: of a dict, whether keys of the user's own are set like others, without a `+`.
    """
    metadata = {
        "help": help,
        "choices": choices,
        "minimum": minimum,
        "above": above,
        "maximum": maximum,
        "infinite": infinite,
        "in_setting": in_setting,
        "neutral": neutral,
        "dataset": dataset,
        "any_key": any_key,
    }
    if isinstance(default, (dict, list)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class PluginConfig:
    """What every choice of every group has. Both fields are filled in at composition, never by the user."""

    name: str = option("", "the choice's name: a file stem in conf/")
    plugin: str = option("", "the module that implements it: a file stem in the package")

    def revision(self, setting: "RootConfig") -> int:
        """Counts changes of the numbers of some settings only: all others keep their ids. VERSION counts the rest."""
        return 0

    def settle(self, setting: "RootConfig") -> None:
        """Put what follows from a checked setting in the place of `auto`, so that the setting says it.

        `setting.env` is settled first. It may be another of the same choice than this one.
        """


@dataclass
class EnvConfig(PluginConfig):
    HAS_GOALS: ClassVar[bool] = False  # whether its observations show goal and achieved
    MAY_BE_BOX: ClassVar[bool] = True  # whether its actions may be a box; false: they are always discrete
    SHOWS_GLYPHS: ClassVar[bool] = False  # whether its observations show NetHack's map
    SUITES: ClassVar[tuple[str, ...]] = ()  # what eval.suite may name
    ON_GRID: ClassVar[bool] = False  # whether it tells the whole grid, and what is carried, as facts
    TELLS_GAP: ClassVar[bool] = (
        False  # whether it tells what each step costs, `facts.GAP`: regret is then in the tables
    )

    frames: int = option(1_000_000, "default training budget of a run on it", above=0, in_setting=False)
    levels: float = option(
        math.inf, "number of distinct training levels; inf = procedural", above=0, maximum=_MOST, infinite=True
    )
    backend: str = option(
        "auto", "engine: auto = fast where it covers the task", choices=("auto", "fast", "reference"), in_setting=False
    )
    delayed_reward: bool = option(
        False, "in training, an episode's task reward is summed up and paid with its last step", neutral=False
    )
    repeats: int = option(
        1,
        "so many episodes of a level are one task: a memory lives on between them",
        minimum=1,
        maximum=1000,
        neutral=1,
    )
    clip_reward: bool = option(
        False, "in training, what a step pays is cut to within -1 and 1; returns are told uncut", neutral=False
    )

    def as_reported(self) -> "EnvConfig":
        """The task that evaluations and films play: without what only makes it easier to learn."""
        return self

    def picture(self) -> tuple[int, ...] | None:
        """Height and width of the picture of pixels that is shown; None where none is, or where a grid's cells are."""
        return None

    def counted(self) -> tuple[str, ...]:
        """Names of facts, 0 or 1 at an episode's last state, of which training counts the share of its episodes."""
        return ()

    def evaluation_seeds(self, episodes: int) -> list[int]:
        """The level seeds of an evaluation that does not play the training levels: the same for every scheme and seed.

        A plug-in that tells levels apart may leave out seeds that make a level once more.
        """
        from rewardlab import seeding  # torch comes with it

        return seeding.evaluation_seeds(episodes)

    def level_keys(self, seeds: Sequence[int]) -> "list[bytes] | None":
        """What is equal for seeds that make the same level; None where that is not known."""
        return None

    def regret_bound(self, level: int) -> float | None:
        """What the regret on a level can hardly fall below, by theory; None where there is none."""
        return None

    def facts_on(self, task: "TaskFacts", levels: Sequence[int]) -> "TaskFacts":
        """The scale of an evaluation that plays these level seeds and no others (`eval.levels=train`).

        What is known of all levels does not hold for a few, so that nothing is known unless a plug-in says it.

        Args:
            task: the facts over all levels.
        """
        return dataclasses.replace(task, random_return=None, optimal_return=None, optimum_kind="unavailable")

    def held_out(self, suite: str, episodes: int, privileged: Sequence[str]) -> "list[HeldOut]":
        """The levels of one of `SUITES`, each played by so many environments, with full-state facts.

        No two of them hold the same name.
        """
        raise NotImplementedError

    def on_level(self, name: str) -> "EnvConfig":
        """The same world, all of whose levels are one that has a name.

        Raises:
            UserError: there is none of this name.
        """
        raise UserError(f"--level {name}: the run's environment has no levels by name; env=maze has")

    def revision(self, setting: "RootConfig") -> int:
        """The scale of `eval.levels=train` was that of all levels once."""
        return int(setting.eval.levels == "train")


@dataclass
class RewardConfig(PluginConfig):
    transform: list[str] = option(
        [], "what each stream beside the task's goes through before it is weighed, as in [clip:0.5,delta]", neutral=[]
    )

    def privileged(self) -> tuple[str, ...]:
        """Names of the full-state facts that the scheme wants from the environment."""
        return ()


@dataclass
class AgentConfig(PluginConfig):
    REPLAYS: ClassVar[bool] = False  # whether it learns from a replay buffer

    gamma: float = option(0.99, "discount of the task's reward", minimum=0, maximum=1)

    def privileged(self) -> tuple[str, ...]:
        """Names of the full-state facts that the agent learns from, in training only: it never acts on them."""
        return ()


@dataclass
class CurriculumConfig(PluginConfig):
    def privileged(self) -> tuple[str, ...]:
        """Names of the full-state facts that the curriculum wants from the environment."""
        return ()

    def check(self, spec: "EnvSpec", training: list[int] | None, evaluation: list[int]) -> None:
        """Refuse a world or levels that it knows nothing of, before anything is written.

        Args:
            training: the seeds of the levels that are trained on; None: endless ones. evaluation: those of evaluations.

        Raises:
            UserError: says what is lacking.
        """


@dataclass
class LoggerConfig(PluginConfig):
    pass


# Config group -> what the `Config` of its plug-ins extends.
BASES: dict[str, type[PluginConfig]] = {
    "env": EnvConfig,
    "reward": RewardConfig,
    "agent": AgentConfig,
    "curriculum": CurriculumConfig,
    "logger": LoggerConfig,
}


@dataclass
class EvalConfig:
    every: int | None = option(None, "training frames between evaluations; default frames/50", above=0)
    episodes: int = option(100, "episodes of an evaluation, on a fixed list of levels", above=0, maximum=_MOST)
    policy: str = option("sample", "how the policy acts", choices=("sample", "greedy"))
    levels: str = option("heldout", "levels of its own, or the training ones", choices=("heldout", "train"))
    max_steps: int | None = option(
        None,
        f"an episode is cut after so many steps; null: the task's own limit, {WITHOUT_LIMIT} where it has none",
        above=0,
        neutral=None,
    )
    suite: str = option(
        NO_SUITE, "held-out levels that it plays too: mazes, of env=maze", choices=(NO_SUITE, "mazes"), neutral=NO_SUITE
    )
    suite_episodes: int = option(SUITE_EPISODES, "episodes on each of them", above=0, neutral=SUITE_EPISODES)

    def validate(self) -> None:
        if self.suite == NO_SUITE and self.suite_episodes != SUITE_EPISODES:
            raise ValueError(f"suite_episodes={self.suite_episodes}: of what? set eval.suite=mazes")


@dataclass
class CheckpointConfig:
    every: int | None = option(
        None, "training frames between checkpoints, never over two minutes; default: at each evaluation", above=0
    )


@dataclass
class RootConfig:
    """One run. Groups: env, reward, agent, curriculum, logger."""

    env: Any = None
    reward: Any = None
    agent: Any = None
    curriculum: Any = option(None, "what the learner practises on next", neutral=None)
    logger: Any = option(None, "where else the tables go", in_setting=False)
    seed: int = option(0, "the one seed of every random stream", minimum=0, maximum=LARGEST_SEED, in_setting=False)
    frames: Any = option("${env.frames}", "training budget in environment frames; 2_000_000 and 2e6 both work")
    pause_at: int | None = option(
        None,
        "training frames at which the run pauses on its way to `frames`: a larger one, or null, goes on exactly",
        above=0,
        in_setting=False,
    )
    num_envs: int = option(64, "environments stepped together", above=0, maximum=_MOST)
    eval: EvalConfig = field(default_factory=EvalConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig, metadata={"in_setting": False})
    device: str = option("cpu", "torch device: cpu, cuda or cuda:0", in_setting=False)
    results_dir: str = option("results", "where runs and reports go", in_setting=False)
    fidelity: str = option(
        "",
        "what a recipe says of itself: published = as its source has it; adapted = what had to differ is named in it",
        choices=("", "published", "adapted"),
        in_setting=False,
    )
    overwrite: bool = option(False, "start anew even where a finished run stands", in_setting=False)
    skip_invalid: bool = option(False, "in a sweep, drop combinations that do not fit", in_setting=False)

    @property
    def frames_for_now(self) -> int:
        """Training frames to which the run is to come: its pause, or all."""
        return int(min(self.frames, self.pause_at or self.frames))


def check(config: Any, path: str = "") -> None:
    """Refuse values outside what the fields of a dataclass tree allow.

    Raises:
        UserError: names the key, the value, and what is allowed.
    """
    for spec in dataclasses.fields(config):
        value, key = getattr(config, spec.name), f"{path}{spec.name}"
        if dataclasses.is_dataclass(value):
            check(value, f"{key}.")
        elif isinstance(value, dict):
            for name, item in value.items():
                if dataclasses.is_dataclass(item):
                    check(item, f"{key}.{name}.")
                else:
                    _check_value(f"{key}.{name}", item, {})
        else:
            _check_value(key, value, dict(spec.metadata))
    validate = getattr(config, "validate", None)
    if validate is not None:
        try:
            validate()
        except ValueError as error:
            raise UserError(f"{path}{error}") from None


def _check_value(key: str, value: Any, allowed: dict[str, Any]) -> None:
    if allowed.get("choices") and value not in allowed["choices"]:
        raise unknown(key, str(value), allowed["choices"], "option")
    if isinstance(value, list) and any(isinstance(each, float) and not math.isfinite(each) for each in value):
        raise UserError(f"{key}={value}: must be finite numbers")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    if isinstance(value, float) and math.isnan(value):
        raise UserError(f"{key}=nan: must be a number")
    if allowed.get("above") is not None and not value > allowed["above"]:
        raise UserError(f"{key}={value}: must be greater than {allowed['above']}")
    if allowed.get("minimum") is not None and not value >= allowed["minimum"]:
        raise UserError(f"{key}={value}: must be at least {allowed['minimum']}")
    if value == math.inf and allowed.get("infinite"):
        return
    if allowed.get("maximum") is not None and not value <= allowed["maximum"]:
        raise UserError(f"{key}={value}: must be at most {allowed['maximum']}")
    if isinstance(value, float) and math.isinf(value):
        raise UserError(f"{key}={value}: must be finite")


def shown(value: Any) -> str:
    """A value as it is written on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
