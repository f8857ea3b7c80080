"""Lives of a population: played step by step and by compiled passes, and what they depend on."""

from typing import Any

import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.facts import GRID, PLACE, POSITION, SIGHT
from rewardlab.maths.counter_noise import uniforms
from rewardlab.training.build import build
from rewardlab.training.environments import make_level_env
from rewardlab.training.lives import Player

LEVELS = [11, 12, 13]


def drawn(genome: Any, count: int) -> Any:
    """Genomes of N(0, 1), within 5 of 0."""
    return np.random.default_rng(5).standard_normal((count, genome.size), np.float32).clip(-5, 5)


def played(env: str, stepwise: bool, individuals: list[int], *overrides: str) -> list[Any]:
    """Return, length and success of some of 24 individuals on three levels."""
    config = compose([f"env={env}", "agent=ga", "agent.population=24", *overrides]).config
    parts = build(config)
    agent = parts.agent
    genomes = 0.2 * drawn(agent.genome, 24)
    keys = np.random.default_rng(6).integers(2**64, size=(24, 3), dtype=np.uint64)
    agent.moments = np.array([0, 3, 20, 1000])
    player = Player(make_level_env(config, (PLACE,)), agent, parts.env.spec)
    assert (player._compiled is not None) == (env != "gotodoor_5x5")
    if stepwise:
        player._compiled = None
    lives, idle = player.play(genomes[individuals], LEVELS, keys[individuals])
    assert idle == 0 or player._compiled is None
    return [lives.task_return, lives.length, lives.success, lives.outcome["places"]]


@pytest.mark.parametrize(
    ("env", "act"),
    [("doorkey_5x5", "sample"), ("dynamic_obstacles_5x5", "greedy")],
)
def test_a_compiled_pass_plays_what_steps_play(env: str, act: str) -> None:
    override, everybody = f"agent.act={act}", list(range(24))
    compiled, stepwise = (played(env, kind, everybody, override) for kind in (False, True))
    for one, other in zip(compiled, stepwise, strict=True):
        assert np.array_equal(one, other)
    assert len(np.unique(compiled[1])) > 1  # or the test would say nothing


@pytest.mark.parametrize("env", ["doorkey_5x5", "gotodoor_5x5"])
def test_a_life_depends_on_nobody_else(env: str) -> None:
    everybody, some = list(range(24)), [20, 3, 17]
    whole = played(env, True, everybody)
    for lanes in (3, 7, 4096):
        part = played(env, True, some, f"agent.lanes={lanes}")
        for one, other in zip(whole, part, strict=True):
            assert np.array_equal(one[some], other)


@pytest.mark.parametrize(
    ("env", "told", "watched", "entry"),
    [("empty_5x5", PLACE, GRID, ""), ("hardmaze", POSITION, SIGHT, ""), ("mountaincar", POSITION, "obs", "vector")],
)
def test_sights_are_of_the_moment_and_never_of_a_new_episode(env: str, told: str, watched: str, entry: str) -> None:
    """Against one environment at a time."""
    config = compose([f"env={env}", "agent=ga", "agent.population=6"]).config
    parts = build(config)
    agent: Any = parts.agent
    agent.moments, agent.watched = np.array([0, 2, 40, 300, 10**6]), watched
    make = make_level_env(config, (told,) if entry else (told, watched))
    genomes = drawn(agent.genome, 6)
    keys = np.random.default_rng(6).integers(2**64, size=(6, 2), dtype=np.uint64)
    player = Player(make, agent, parts.env.spec)
    assert player._compiled is None
    lives, _ = player.play(genomes, LEVELS[:2], keys)
    assert lives.outcome["sights"].shape[:3] == lives.outcome["places"].shape[:3] == (6, 2, 5)
    for p in range(6):
        for e, level in enumerate(LEVELS[:2]):
            alone = make([[level]])
            obs = alone.reset([0])
            facts = alone.privileged()
            sights, places, over, t = [], [], False, 0
            while not over:
                sights.append(obs[entry][0].copy() if entry else np.asarray(facts[watched])[0].copy())
                places.append(facts[told][0].copy())
                outputs = agent.genome.outputs(genomes[p : p + 1], agent.genome.inputs(obs)[None], None)[0][0]
                batch = alone.step(agent.genome.actions(outputs, uniforms(keys[p, e : e + 1], t)))
                obs, facts, over = batch.next_obs, batch.privileged, bool(batch.terminated | batch.truncated)
                t += 1
            sights.append(obs[entry][0] if entry else np.asarray(facts[watched])[0])
            places.append(facts[told][0])
            assert t == lives.length[p, e]
            at = np.minimum(agent.moments, t)
            assert np.array_equal(lives.outcome["sights"][p, e], np.stack(sights)[at])
            assert np.array_equal(lives.outcome["places"][p, e], np.stack(places)[at])


def test_numbers_by_place_are_those_of_splitmix64() -> None:
    first = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]  # of the published generator from state 0
    found = [uniforms(np.zeros(1, np.uint64), t)[0] for t in range(2)]
    assert found == [np.float32((number >> 40) * 2.0**-24) for number in first]
    keys = np.random.default_rng(0).integers(2**64, size=20_000, dtype=np.uint64)
    drawn = np.stack([uniforms(keys, t) for t in range(3)])
    assert drawn.min() >= 0 and drawn.max() < 1
    assert drawn.mean() == pytest.approx(0.5, abs=0.01) and drawn.var() == pytest.approx(1 / 12, abs=0.003)
    assert abs(np.corrcoef(drawn) - np.eye(3)).max() < 0.03
