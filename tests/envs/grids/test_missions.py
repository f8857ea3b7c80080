"""Missions as tokens, only where they vary, for every task that MiniGrid registers."""

import gymnasium
import numpy as np
import pytest
from hand import bare, grid_env, grids, random_actions

from rewardlab.envs import registry
from rewardlab.envs.grids import minigrid, missions
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.gridworld import make_vec
from rewardlab.gridworld.catalogue import TASKS
from rewardlab.gridworld.reference import make_reference

MINIGRID = [name for name in registry.registered_ids() if name.startswith("MiniGrid-") and "WFC" not in name]


def words_of(tokens: np.ndarray) -> list[str]:
    assert (tokens >= 0).all()
    return [missions.VOCABULARY[token - 1] for token in tokens if token]


@pytest.mark.parametrize("env_id", MINIGRID)
def test_the_mission_is_shown_where_it_varies_and_nowhere_else(env_id: str) -> None:
    world = bare(env_id).unwrapped
    possible = missions.all_missions(world.observation_space["mission"])
    spec = grid_env(env_id, 1).spec
    assert ("mission" in spec.obs) == (len(set(possible)) > 1)
    if "mission" in spec.obs:
        assert spec.obs["mission"].high == len(missions.VOCABULARY)
        assert spec.obs["mission"].shape == (max(len(mission.split()) for mission in possible),)


@pytest.mark.parametrize(
    "env_id",
    ["MiniGrid-Fetch-5x5-N2-v0", "MiniGrid-LockedRoom-v0", "MiniGrid-PutNear-6x6-N2-v0", "MiniGrid-GoToDoor-5x5-v0"],
)
def test_the_tokens_say_what_the_mission_says(env_id: str) -> None:
    env = grid_env(env_id, 3)
    obs = env.reset([1, 2, 3])
    seen = set()
    for action in random_actions(env, 250):
        for shown, world in zip(obs["mission"], grids(env), strict=True):
            assert " ".join(words_of(shown)) == world.mission.replace(",", "")
            seen.add(world.mission)
        before = obs["mission"]
        batch = env.step(action)
        np.testing.assert_array_equal(batch.next_obs["mission"], before)
        obs = batch.obs
    assert len(seen) > 3
    assert obs["mission"].dtype == np.int64


def test_shorter_missions_are_padded_with_zero() -> None:
    np.testing.assert_array_equal(missions.tokens("go to the door", 6)[4:], [0, 0])
    assert len(set(missions.VOCABULARY)) == len(missions.VOCABULARY)


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_babyai_s_missions_become_tokens_as_they_are_met_and_its_levels_are_drawn_quietly(backend, capfd) -> None:
    env = minigrid.make(minigrid.Config(id="BabyAI-MiniBossLevel-v0", backend=backend), Levels(40))
    shown, longest = env.reset(list(range(40)))["mission"], TASKS["BabyAI-MiniBossLevel-v0"].mission_words
    assert shown.shape == (40, longest) and env.spec.obs["mission"].high == len(missions.SENTENCES)
    world = make_reference("BabyAI-MiniBossLevel-v0")
    for seed, tokens in enumerate(shown):
        said = world.reset(seed=seed)[0]["mission"].replace(",", "")
        assert " ".join(missions.SENTENCES[token - 1] for token in tokens if token) == said
    assert "Sampling rejected" not in capfd.readouterr().out


@pytest.mark.parametrize("env_id", [env_id for env_id in TASKS if env_id.startswith("BabyAI-")])
def test_babyai_s_missions_are_shown_where_they_vary_and_fit(env_id: str) -> None:
    envs = make_vec(env_id, 200)
    said = set(envs.reset(seed=0)[0]["mission"])
    longest = TASKS[env_id].mission_words
    assert (len(said) > 1) == (longest > 0)
    if longest:
        table = missions.Tokens([], longest, missions.SENTENCES)
        assert all(table[mission].shape == (longest,) for mission in said)


def test_missions_that_cannot_be_listed_are_refused() -> None:
    gymnasium.register("Own-v0", entry_point="minigrid.envs.babyai:GoToObj")
    with pytest.raises(UserError, match="Own-v0: its missions are made up as it goes"):
        grid_env("Own-v0", 1)
