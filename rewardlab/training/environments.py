"""The environments of a run: those that it trains in, those that play lists of levels, those of its evaluations."""

from collections.abc import Sequence

from rewardlab.envs.levels import Levels
from rewardlab.errors import MissingFacts, UserError
from rewardlab.facts import BEST, GAP, GREEDY, PLACE
from rewardlab.schemas import WITHOUT_LIMIT, RootConfig
from rewardlab.training.levels import evaluation_list, training_levels
from rewardlab.training.wrappers.goal_env import GoalEnv
from rewardlab.training.wrappers.repeat_env import make_env
from rewardlab.types import Conditioner, EnvSpec, MakeEnv, VecEnv

_MAX_EVALUATION_ENVS = 100  # each step costs the policy little more for a hundred than for one


def make_training_env(config: RootConfig) -> VecEnv:
    """The training environments, without the goals that a conditioner sets in them.

    Raises:
        UserError: they cannot give a full-state fact; says who asks for it.
    """
    asking = {kind: getattr(config, kind).privileged() for kind in ("reward", "curriculum", "agent")}
    measured = (*config.env.counted(), *((GAP,) if config.env.TELLS_GAP else ()))
    facts = tuple(dict.fromkeys((*sum(asking.values(), ()), *measured)))
    try:
        return make_env(config.env, Levels(config.num_envs, pool=training_levels(config)), facts)
    except MissingFacts as error:
        askers = [
            f"{kind}={getattr(config, kind).plugin}" for kind, names in asking.items() if error.names & set(names)
        ]
        raise UserError(f"{error}; asked for by {' and '.join(askers)}") from error


def make_level_env(config: RootConfig, privileged: tuple[str, ...] = ()) -> MakeEnv:
    """What makes environments like those of training that play lists of levels."""

    def made(lists: Sequence[Sequence[int]]) -> VecEnv:
        return make_env(config.env, Levels(len(lists), lists=lists), privileged)

    return made


def make_evaluation_env(
    config: RootConfig,
    spec: EnvSpec,
    conditioner: Conditioner | None,
    lists: Sequence[Sequence[int]] | None = None,
) -> tuple[VecEnv, list[int]]:
    """The evaluation environments, and how many whole episodes each of them plays; goals stay, nobody learns there.

    They tell `PLACE`, `GAP`, `BEST` and `GREEDY` where the training environments, of `spec`, could, and all that
    `spec.tells` names.

    Args:
        lists: the level seeds that each plays; those of `evaluation_levels` by default.
    """
    lists = evaluation_levels(config) if lists is None else lists
    told = (*(name for name in (PLACE, GAP, BEST, GREEDY) if name in spec.privileged), *spec.tells)
    facts = tuple(dict.fromkeys((*config.curriculum.privileged(), *told)))
    env: VecEnv = make_env(config.env.as_reported(), Levels(len(lists), lists=lists), facts)
    if conditioner is not None:
        env = GoalEnv(env, conditioner, kept=told)
    return env, [len(levels) for levels in lists]


def evaluation_levels(config: RootConfig) -> list[list[int]]:
    """The level seeds that each evaluation environment plays.

    The lists are fixed beforehand: taking the first episodes to finish would favour short ones.

    Raises:
        UserError: the training levels are asked for, and there are no fixed ones.
    """
    levels = evaluation_list(config)
    num_envs = min(len(levels), _MAX_EVALUATION_ENVS)
    return [levels[i::num_envs] for i in range(num_envs)]


def longest_episode(config: RootConfig, spec: EnvSpec) -> int | None:
    """After how many steps an episode is cut outside training; None where the task's own limit does it."""
    if config.eval.max_steps is not None:
        return config.eval.max_steps
    return WITHOUT_LIMIT if spec.max_steps is None else None
