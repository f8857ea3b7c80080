"""The levels of a run: those that it trains on, those that its evaluation plays, and what is known of the latter."""

import math
from dataclasses import replace

from rewardlab import seeding
from rewardlab.errors import UserError
from rewardlab.schemas import RootConfig
from rewardlab.types import EnvSpec, TaskFacts

_MOST_COMPARED = 40_000  # levels of a pool; as many training levels the share for procedural levels is of


def training_levels(config: RootConfig) -> list[int] | None:
    """The level seeds of `env.levels=K`, or None for procedural levels."""
    if math.isinf(config.env.levels):
        return None
    return seeding.env_seeds(config.seed, "levels", int(config.env.levels))


def evaluation_list(config: RootConfig) -> list[int]:
    """The level seeds of an evaluation's episodes, in order.

    Raises:
        UserError: the training levels are asked for, and there are no fixed ones.
    """
    episodes = config.eval.episodes
    if config.eval.levels != "train":
        seeds: list[int] = config.env.evaluation_seeds(episodes)
        return seeds
    pool = training_levels(config)
    if pool is None:
        raise UserError("eval.levels=train: needs a fixed set of training levels; set env.levels=K")
    return [pool[i % len(pool)] for i in range(episodes)]


def evaluated_task(config: RootConfig, spec: EnvSpec) -> TaskFacts:
    """What is known of the task on the levels that the run's evaluation plays: the scale of its returns, and whether
    the run trains on them.
    """
    if config.eval.levels == "train":
        facts: TaskFacts = config.env.facts_on(spec.task, evaluation_list(config))
        return replace(facts, seen_in_training=1.0)
    pool = training_levels(config)
    if pool is None or len(pool) > _MOST_COMPARED or not spec.task.seen_in_training:
        return spec.task  # a pool is drawn as procedural levels are, so that none of it is seen where none of those is
    trained, played = set(config.env.level_keys(pool)), config.env.level_keys(evaluation_list(config))
    return replace(spec.task, seen_in_training=sum(key in trained for key in played) / len(played))
