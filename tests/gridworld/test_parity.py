"""A share of the lock-step comparison with Farama's minigrid; `make parity` runs a million steps of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.gridworld import env_ids, make_vec
from tests.gridworld.parity import compare_levels, lockstep

# One id per family, the one with most to go wrong: for the costlier tests.
ONE_EACH = (
    "BabyAI-GoToObjDoor-v0",
    "BabyAI-MiniBossLevel-v0",
    "BabyAI-OpenDoorsOrderN4Debug-v0",
    "BabyAI-PutNextLocalS5N3-v0",
    "BabyAI-UnlockPickupDist-v0",
    "MiniGrid-BlockedUnlockPickup-v0",
    "MiniGrid-DistShift2-v0",
    "MiniGrid-DoorKey-6x6-v0",
    "MiniGrid-Dynamic-Obstacles-Random-6x6-v0",
    "MiniGrid-Empty-Random-5x5-v0",
    "MiniGrid-Fetch-8x8-N3-v0",
    "MiniGrid-FourRooms-v0",
    "MiniGrid-GoToDoor-8x8-v0",
    "MiniGrid-GoToObject-8x8-N2-v0",
    "MiniGrid-KeyCorridorS3R3-v0",
    "MiniGrid-LavaCrossingS11N5-v0",
    "MiniGrid-LavaGapS6-v0",
    "MiniGrid-LockedRoom-v0",
    "MiniGrid-MemoryS13Random-v0",
    "MiniGrid-MultiRoom-N6-v0",
    "MiniGrid-ObstructedMaze-2Dlhb-v1",
    "MiniGrid-Playground-v0",
    "MiniGrid-PutNear-8x8-N3-v0",
    "MiniGrid-RedBlueDoors-6x6-v0",
    "MiniGrid-Unlock-v0",
)


MINIGRID = [env_id for env_id in env_ids() if env_id.startswith("MiniGrid-")]
BABYAI = [env_id for env_id in env_ids() if env_id.startswith("BabyAI-")]


@pytest.mark.parametrize("env_id", MINIGRID)
def test_every_id_equals_faramas(env_id: str) -> None:
    outcome = lockstep(env_id, seeds=list(range(6)), steps=50)
    assert outcome.differences == []
    assert outcome.steps == 300


@pytest.mark.parametrize("env_id", BABYAI)
def test_every_level_of_babyai_equals_faramas(env_id: str) -> None:
    outcome = lockstep(env_id, seeds=[0, 1], steps=24)
    assert outcome.differences == []
    assert compare_levels(env_id, seeds=range(1000, 1006)) == []


@pytest.mark.parametrize("env_id", MINIGRID)
def test_levels_of_many_seeds_equal_faramas(env_id: str) -> None:
    slow = "MultiRoom-N1" in env_id or "Full" in env_id
    assert compare_levels(env_id, seeds=range(1000, 1010 if slow else 1040)) == []


@pytest.mark.parametrize("env_id", ONE_EACH)
def test_long_purposeful_runs_equal_faramas(env_id: str) -> None:
    outcome = lockstep(env_id, seeds=[2**40 + 7, 12345], steps=400, players="busy", player_seed=5)
    assert outcome.differences == []


def test_purposeful_runs_reach_everything() -> None:
    seen: set[str] = set()
    for env_id, steps in (("MiniGrid-ObstructedMaze-1Dlh-v0", 400), ("MiniGrid-LavaGapS5-v0", 100)):
        outcome = lockstep(env_id, seeds=[1, 2, 3, 4], steps=steps, players="busy")
        assert outcome.differences == []
        seen |= set(outcome.seen)
    assert {"pickup", "drop", "open", "shut", "unlock", "unbox", "death", "success"} <= seen


@settings(max_examples=40, deadline=None)
@given(
    env_id=st.sampled_from(ONE_EACH),
    seed=st.integers(0, 2**63 - 1),
    actions=st.lists(st.integers(0, 6), min_size=1, max_size=80),
)
def test_any_actions_at_any_seed_equal_faramas(env_id: str, seed: int, actions: list[int]) -> None:
    from rewardlab.gridworld.reference import make_reference, read_cells

    envs, env = make_vec(env_id, 1), make_reference(env_id)
    envs.reset(seed=[seed])
    env.reset(seed=seed)
    for action in actions:
        action %= envs.single_action_space.n
        mine, rewards, terminated, truncated, _ = envs.step([action])
        theirs, reward, ended, cut, _ = env.step(action)
        assert (rewards[0], terminated[0], truncated[0]) == (reward, ended, cut)
        if ended or cut:
            theirs, _ = env.reset()
        assert np.array_equal(mine["image"][0], theirs["image"])
        assert np.array_equal(envs.get_state()["cells"][0], read_cells(env))
        assert mine["mission"][0] == theirs["mission"]
