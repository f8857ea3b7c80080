"""The fast backend against the reference backend, through the one contract that both fulfil."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hand import bare

from rewardlab.config.composition import compose
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.gridworld import env_ids
from rewardlab.run import run

FACTS = ("state_hash", "agent_pos", "panorama", "lava_beside", "carrying", "held", "ahead", "doors_open")
WALL_CLOCK = {"wall_seconds", "cpu_seconds", "fps"}


def both(env_id: str, num_envs: int, facts=FACTS, look=None, **levels):
    return [
        minigrid.make(minigrid.Config(id=env_id, backend=backend, **(look or {})), Levels(num_envs, **levels), facts)
        for backend in ("fast", "reference")
    ]


def assert_same(fast, reference) -> None:
    assert fast.keys() == reference.keys()
    for name, entry in fast.items():
        assert entry.dtype == reference[name].dtype, name
        np.testing.assert_array_equal(entry, reference[name], err_msg=name)


def assert_parity(env_id: str, steps: int, **options) -> None:
    fast, reference = both(env_id, 3, **options)
    assert (fast.spec.backend, reference.spec.backend) == ("fast", "reference")
    assert (fast.spec.obs, fast.spec.action) == (reference.spec.obs, reference.spec.action)
    assert_same(fast.reset([3, 4, 5]), reference.reset([3, 4, 5]))
    assert_same(fast.privileged(), reference.privileged())
    for action in np.random.default_rng(0).integers(fast.spec.action.n, size=(steps, 3)):
        ours, theirs = fast.step(action), reference.step(action)
        for part in ("obs", "next_obs", "privileged"):
            assert_same(getattr(ours, part), getattr(theirs, part))
        for part in ("task_reward", "terminated", "truncated", "success"):
            assert_same({part: getattr(ours, part)}, {part: getattr(theirs, part)})
        assert_same(fast.privileged(), reference.privileged())


BABYAI = ["BabyAI-GoToRedBallGrey-v0", "BabyAI-OpenDoorLoc-v0", "BabyAI-PutNextS5N1-v0", "BabyAI-MiniBossLevel-v0"]


@pytest.mark.parametrize(
    "env_id", [env_id for env_id in env_ids() if "Playground" not in env_id and "BabyAI" not in env_id] + BABYAI
)
def test_every_task_is_the_same_on_both_backends(env_id: str) -> None:
    assert_parity(env_id, 60)


@pytest.mark.parametrize(
    "look", [{"observation": "full"}, {"view_size": 5}, {"view_size": 3, "see_through_walls": True}]
)
def test_every_look_is_the_same_on_both_backends(look) -> None:
    assert_parity("MiniGrid-DoorKey-5x5-v0", 300, look=look)


@pytest.mark.parametrize("max_steps", [3, 29])
@pytest.mark.parametrize(
    "env_id",
    ["MiniGrid-Empty-Random-5x5-v0", "MiniGrid-DoorKey-5x5-v0", "MiniGrid-MemoryS7-v0", "MiniGrid-LockedRoom-v0"],
)
def test_other_time_limits_are_the_same_on_both_backends(env_id: str, max_steps: int) -> None:
    assert_parity(env_id, 150, look={"max_steps": max_steps})
    env = both(env_id, 2, look={"max_steps": max_steps})[0]
    assert (env.spec.max_steps, env.spec.id) == (max_steps, f"{env_id}-T{max_steps}")
    env.reset([0, 1])
    ended = [env.step(np.array([6, 6])).truncated.tolist() for _ in range(2 * max_steps)]  # `done`, which does nothing
    assert ended == 2 * [*[[False, False]] * (max_steps - 1), [True, True]]


def test_pictures_are_those_of_farama_s_and_show_the_true_last_state() -> None:
    goal = [2, 2, 1, 2, 2]  # along the wall to the corner and down
    for look in ({}, {"view_size": 3}, {"observation": "full"}):
        twin = bare("MiniGrid-Empty-5x5-v0").unwrapped
        twin.agent_view_size = look.get("view_size", 7)
        for env in both("MiniGrid-Empty-5x5-v0", 2, facts=("picture",), look=look):
            twin.reset(seed=1)
            env.reset([0, 1])
            for action in goal:
                before = twin.get_frame("observation" not in look, 64)
                np.testing.assert_array_equal(env.privileged()["picture"][1], before)
                twin.step(action)
                batch = env.step(np.array([6, action]))
                after = twin.get_frame("observation" not in look, 64)
                np.testing.assert_array_equal(batch.privileged["picture"][1], after)
            assert batch.terminated.tolist() == [False, True]
            twin.reset()
            np.testing.assert_array_equal(env.privileged()["picture"][1], twin.get_frame("observation" not in look, 64))


@pytest.mark.parametrize("options", [{"pool": [5, 6, 7]}, {"lists": [[1, 2], [3], [4, 5, 6]]}])
def test_levels_are_drawn_alike(options) -> None:
    assert_parity("MiniGrid-Empty-Random-5x5-v0", 400, **options)


def test_a_run_writes_the_same_tables_on_both_backends(tmp_path: Path) -> None:
    tables = []
    for backend in ("fast", "reference"):
        overrides = ["env=doorkey_5x5", "reward=count", "reward.key=state", "num_envs=4", "frames=2048"]
        overrides += [
            "eval.episodes=6",
            "eval.every=1024",
            "agent.fused=false",  # compiled passes, which only one of them has, round logits otherwise
            f"env.backend={backend}",
            f"results_dir={tmp_path / backend}",
        ]
        prepared = compose(overrides)
        assert run(prepared) == 0
        rows = []
        for name in ("train.csv", "eval.csv"):
            with open(prepared.folder / name, newline="") as file:
                rows += [{k: v for k, v in row.items() if k not in WALL_CLOCK} for row in csv.DictReader(file)]
        tables.append((prepared.setting_id, rows))
    assert tables[0] == tables[1]


def test_a_task_that_the_engine_does_not_cover(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr("rewardlab.gridworld.covers", lambda env_id: False)
    with pytest.raises(UserError, match=r"env\.backend=fast.*env\.backend=reference"):
        minigrid.make(minigrid.Config(id="MiniGrid-Empty-5x5-v0", backend="fast"), Levels(1))
    env = minigrid.make(minigrid.Config(id="MiniGrid-Empty-5x5-v0"), Levels(1))
    assert env.spec.backend == "reference"
    assert len(capsys.readouterr().err.splitlines()) == 1
