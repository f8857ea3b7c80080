"""Noise on what is seen, and on nothing else."""

from typing import Any

import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.envs.arrays import pointplane
from rewardlab.envs.distracted import distracted
from rewardlab.envs.external import gym
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.envs.noisy import noisy
from rewardlab.errors import UserError
from rewardlab.facts import POSITION
from rewardlab.maths.counter_noise import normals
from rewardlab.training.build import build
from rewardlab.training.environments import make_level_env
from rewardlab.training.lives import Player


def test_only_what_is_seen_differs() -> None:
    """Over 4 episodes of 60 environments: the noise is what is seen less what is so."""
    plain, env = (pointplane.make(pointplane.Config(noise=noise), Levels(60), (POSITION,)) for noise in (0.0, 0.2))
    rng, seen = np.random.default_rng(0), [env.reset(range(60))["vector"] - plain.reset(range(60))["vector"]]
    assert env.spec.noisy and not plain.spec.noisy and env.spec.obs["vector"].bounds is None
    for step in range(200):
        action = rng.uniform(-1, 1, (60, 2)).astype(np.float32)
        true, batch = plain.step(action), env.step(action)
        for name in ("task_reward", "terminated", "truncated", "success"):
            assert np.array_equal(getattr(batch, name), getattr(true, name))
        assert np.array_equal(batch.privileged[POSITION], true.privileged[POSITION])
        seen.append(batch.next_obs["vector"] - true.next_obs["vector"])
        if (step + 1) % 50:
            assert batch.obs is batch.next_obs
        else:
            seen.append(batch.obs["vector"] - true.obs["vector"])
    noise = np.array(seen)  # [205, 60, 2]
    assert noise.std() == pytest.approx(0.2, rel=0.02) and abs(noise.mean()) < 0.004
    assert abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.03
    assert ((noise / noise.std()) ** 4).mean() == pytest.approx(3, abs=0.2)


def test_a_stack_keeps_what_was_seen() -> None:
    config = {"id": "Pendulum-v1", "frame_stack": 3}
    plain, env = (gym.make(gym.Config(**config, noise=noise), Levels(2)) for noise in (0.0, 0.5))

    def noise(one: Any, other: Any) -> Any:
        return (one["vector"] - other["vector"]).reshape(2, 3, 3)  # of three frames, the newest last

    before = noise(env.reset([4, 5]), plain.reset([4, 5]))
    assert np.allclose(before, before[:, :1], atol=1e-6) and np.abs(before).min() > 1e-4
    for _ in range(201):
        batch, true = (each.step(np.zeros((2, 1), np.float32)) for each in (env, plain))
        after = noise(batch.next_obs, true.next_obs)
        assert np.allclose(after[:, :2], before[:, 1:], atol=2e-6) and np.abs(after[:, 2] - before[:, 2]).min() > 1e-6
        before = noise(batch.obs, true.obs)
        if batch.truncated.any():
            assert np.allclose(before, before[:, :1], atol=2e-6)


def test_numbers_are_those_of_the_stream() -> None:
    """By whole numbers, Box and Muller's transform of splitmix64."""
    keys, ticks = np.array([3, 2**64 - 7], np.uint64), np.array([0, 5])
    found = normals(keys, ticks, 3)
    for row, (key, tick) in enumerate(zip(keys.tolist(), ticks.tolist(), strict=True)):
        uniform = []
        for place in range(4 * tick + 1, 4 * tick + 5):
            z = (key + place * 0x9E3779B97F4A7C15) % 2**64
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
            uniform.append(((z ^ (z >> 31)) >> 11) / 2**53)
        radius = np.sqrt(-2 * np.log(1 - np.array(uniform[:2])))
        angle = 2 * np.pi * np.array(uniform[2:])
        expected = [*(radius * np.cos(angle)), *(radius * np.sin(angle))][:3]
        assert found[row] == pytest.approx(expected, rel=1e-5)


def test_a_life_has_noise_of_its_own() -> None:
    """It depends on its key, not on who else lives: a controller makes mistakes by what it sees."""
    config = compose(["env=pointplane", "agent=ga", "env.noise=0.3", "agent.population=6"]).config
    parts = build(config)
    agent: Any = parts.agent
    player = Player(make_level_env(config, (POSITION,)), agent, parts.env.spec)
    genomes = 0.2 * np.random.default_rng(0).standard_normal((1, agent.genome.size), np.float32).repeat(6, axis=0)
    keys = np.random.default_rng(1).integers(2**64, size=(6, 2), dtype=np.uint64)
    ends = player.play(genomes, [0, 1], keys)[0].outcome["places"]
    assert len(np.unique(ends.reshape(12, 2).round(9), axis=0)) == 12  # of one network
    agent.lanes = 4
    assert np.array_equal(player.play(genomes[2:5], [0, 1], keys[2:5])[0].outcome["places"], ends[2:5])


def test_distractors_stand_beside_what_is_seen_and_depend_on_nobody() -> None:
    """AR(1) of .95 and variance 1, through the ends of episodes; restored, they go on alike."""
    config = {"id": "Pendulum-v1"}
    plain, env = (gym.make(gym.Config(**config, distractors=count), Levels(40)) for count in (0, 3))
    assert env.spec.obs["vector"].shape == (6,) and env.spec.noisy and env.spec.native is None
    rng, seen = np.random.default_rng(0), [env.reset(range(40))["vector"]]
    assert np.array_equal(seen[0][:, :3], plain.reset(range(40))["vector"])
    for step in range(450):
        action = rng.uniform(-2, 2, (40, 1)).astype(np.float32)
        true, batch = plain.step(action), env.step(action)
        assert np.array_equal(batch.task_reward, true.task_reward)
        for got, wanted in ((batch.obs, true.obs), (batch.next_obs, true.next_obs)):
            assert np.array_equal(got["vector"][:, :3], wanted["vector"])
        seen.append(batch.next_obs["vector"])
        if batch.obs is not batch.next_obs:
            seen.append(batch.obs["vector"])
        if step == 300:
            state, after = env.get_state(), len(seen)
            actions = []
        if step > 300:
            actions.append(action)
    numbers = np.array(seen)[..., 3:].astype(np.float64)  # [453, 40, 3]
    ahead = numbers[1:] - 0.95 * numbers[:-1]
    assert numbers.var() == pytest.approx(1.0, abs=0.1) and ahead.var() == pytest.approx(1 - 0.95**2, rel=0.03)
    assert np.abs(np.corrcoef(ahead.reshape(len(ahead), -1).T)[np.triu_indices(120, 1)]).mean() < 0.05
    env.set_state(state)
    for action in actions:
        batch = env.step(action)
        assert np.array_equal(batch.next_obs["vector"], seen[after])
        after += 1 if batch.obs is batch.next_obs else 2
    with pytest.raises(UserError, match=r"env.distractors=2: MiniGrid-Empty-5x5-v0 shows no vector"):
        distracted(minigrid.make(minigrid.Config(id="MiniGrid-Empty-5x5-v0"), Levels(1)), 2)


def test_whole_numbers_are_no_amounts() -> None:
    env = minigrid.make(minigrid.Config(id="MiniGrid-Empty-5x5-v0"), Levels(1))
    with pytest.raises(UserError, match=r"env.noise=0.1: MiniGrid-Empty-5x5-v0 shows no numbers with fractions"):
        noisy(env, 0.1)
