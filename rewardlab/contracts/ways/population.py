"""Agents with populations: they are told of made-up lives; and their own laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from rewardlab.contracts.agent_laws import AgentCase, policy
from rewardlab.contracts.result import require
from rewardlab.contracts.state_laws import require_equal, restore, saved
from rewardlab.types import Array, Lives, Obs, Rollout, Signals

_GRID_SHAPE = (6, 5, 3)  # of a made-up grid


def begin(agent: Any, progress: float) -> None:
    """It is told of its progress when it is asked."""


def assessed(agent: Any, acted: Rollout, states: list[torch.Tensor | None]) -> Rollout:
    """Nobody judges single steps."""
    return acted


def learn(case: AgentCase, agent: Any, rollout: Rollout, signals: Signals, progress: float) -> dict[str, float]:
    """One generation."""
    genomes = agent.ask(progress)
    told = dict(agent.tell(genomes, made_up(agent, genomes)))
    if len(agent.contenders):
        agent.crown(made_up(agent, agent.contenders, agent.validation))
    return told


def made_up(agent: Any, genomes: Array, episodes: int | None = None) -> Lives:
    """Lives whose returns, places and sights are drawn by the generation's number."""
    shape = (len(genomes), agent.episodes if episodes is None else episodes)
    rng = np.random.default_rng(agent.updates)
    outcome: Obs = {"places": rng.random((*shape, len(agent.moments), 2))}
    returns, lengths = rng.random(shape), rng.integers(1, 9, size=shape)
    if agent.watched:
        sight = agent.sight_shape or _GRID_SHAPE
        outcome["sights"] = rng.integers(4, size=(*shape, len(agent.moments), *sight), dtype=np.uint8)
    if agent.normalise == "running":
        outcome["sums"] = lengths[:, :, None, None] * rng.random((*shape, 2, agent.genome.sizes[0]))
    return Lives(returns, lengths, np.zeros(shape, dtype=bool), outcome)


def asks_as_declared(case: AgentCase) -> None:
    """A generation is float32 [P, G] of finite numbers."""
    agent, _ = case.build()
    for _ in range(3):
        genomes = agent.ask(0.0)
        require(genomes.ndim == 2, f"a generation has shape {genomes.shape} instead of [P, G]")
        require(
            genomes.shape[1] == agent.genome.size,
            f"a genome has {genomes.shape[1]} numbers instead of {agent.genome.size}",
        )
        require(genomes.dtype == np.float32, f"genomes are {genomes.dtype} instead of float32")
        require(bool(np.isfinite(genomes).all()), "a genome is not finite")
        agent.tell(genomes, made_up(agent, genomes))


def looks_at_the_end(case: AgentCase) -> None:
    """The last that is kept of a life is its end: the places that a run has come to are counted there."""
    agent, context = case.build()
    require(agent.moments[-1] >= (context.spec.max_steps or 0), "the last of the moments is not the end of a life")
    require(bool((np.diff(agent.moments) >= 0).all()), "moments do not ascend")


def learns_from_a_part(case: AgentCase) -> None:
    """The budget may end within a generation, even after one individual."""
    agent, _ = case.build()
    for part in (None, 1, 3):
        genomes = agent.ask(0.5)[:part]
        agent.tell(genomes, made_up(agent, genomes))


def lives_are_left_alone(case: AgentCase) -> None:
    """`tell` changes nothing of what it is given."""
    agent, _ = case.build()
    genomes = agent.ask(0.0)
    lives = made_up(agent, genomes)
    before = [genomes.copy(), lives.task_return.copy(), lives.length.copy()]
    agent.tell(genomes, lives)
    require(all(map(np.array_equal, before, [genomes, lives.task_return, lives.length])), "what was told changed")


def round_trips_within_a_generation(case: AgentCase) -> None:
    """A state saved between asking and telling goes on as it would have."""
    agent, context = case.build()
    other, other_context = case.build(seed=99)
    genomes = agent.ask(0.0)
    agent.tell(genomes, made_up(agent, genomes))
    genomes = agent.ask(0.0)
    restore(other, other_context, saved(agent, context))
    for one in (agent, other):
        one.tell(genomes, made_up(one, genomes))
    require_equal(saved(agent, context), saved(other, other_context), "the state after telling")
    require(np.array_equal(agent.ask(0.0), other.ask(0.0)), "the next generation differs")


def the_best_becomes_champion(case: AgentCase) -> None:
    """Whoever has the highest mean return so far; the older of equals."""
    agent, _ = case.build()
    if agent.validation:
        return
    genomes = agent.ask(0.0)
    for chosen, paid in ((2, 5.0), (1, 7.0), (3, 7.0), (0, 6.0)):
        lives = made_up(agent, genomes)
        lives.task_return[chosen] = paid
        before = policy(agent)
        agent.tell(genomes, lives)
        if chosen in (0, 3):
            require_equal(before, policy(agent), "the champion, whom nobody beat")
        else:
            require(np.array_equal(agent.champion, genomes[chosen]), "the best is not the champion")
        genomes = agent.ask(0.0)


def collects_individuals(case: AgentCase) -> None:
    """What is kept of a run: a row of each entry for every individual, the same after a state was restored."""
    agent, context = case.build()
    for _ in range(2):
        genomes = agent.ask(0.0)
        agent.tell(genomes, made_up(agent, genomes))
        if len(agent.contenders):
            agent.crown(made_up(agent, agent.contenders, agent.validation))
    kept = agent.collection()
    require("returns" in kept, "a collection has no returns")
    count = len(kept["returns"])
    require(kept["returns"].shape == (count,) and count > 0, "returns of a collection are not [M]")
    require(bool(np.isfinite(kept["returns"]).all()), "a return in the collection is not finite")
    require(all(entry.dtype.kind in "fiu" for entry in kept.values()), "a collection holds other than numbers")
    if "genomes" in kept:
        shape = kept["genomes"].shape
        require(shape == (count, agent.genome.size), f"genomes of a collection have shape {shape}")
        require(kept["genomes"].dtype == np.float32, f"genomes of a collection are {kept['genomes'].dtype}")
    else:
        require(len(kept.get("lengths", ())) == count, "a collection has neither genomes nor a chain for each return")
    if "descriptors" in kept:
        require(kept["descriptors"].ndim == 2 and len(kept["descriptors"]) == count, "descriptors are not [M, B]")
    other, other_context = case.build(seed=99)
    restore(other, other_context, saved(agent, context))
    again = other.collection()
    require(kept.keys() == again.keys(), "a restored agent collects other entries")
    require(all(np.array_equal(kept[name], again[name]) for name in kept), "a restored agent collects otherwise")


LAWS: tuple[Callable[[AgentCase], None], ...] = (
    asks_as_declared,
    looks_at_the_end,
    learns_from_a_part,
    lives_are_left_alone,
    round_trips_within_a_generation,
    the_best_becomes_champion,
    collects_individuals,
)
