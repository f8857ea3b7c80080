"""Robots with goals: beside Farama's own stepping; what is missing is refused in one line."""

import tempfile
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from rewardlab import schemas
from rewardlab.envs import registry
from rewardlab.envs.external import robotics
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError


def make(env_id: str, num_envs: int = 2, ends: bool = True, **options):
    return robotics.make(robotics.Config(id=env_id, ends=ends), Levels(num_envs), **options)


def farama(env_id: str, **options):
    assert registry.add_robotics()
    return gymnasium.make(env_id, **options)


def test_a_maze_is_farama_s_and_ends_at_the_goal_or_not() -> None:
    twin = farama("PointMaze_Open-v3", continuing_task=True, reset_target=False, max_episode_steps=300)
    ending, going_on = make("PointMaze_Open-v3", 1), make("PointMaze_Open-v3", 1, ends=False)
    for seed in (1, 2, 5):
        shown, _ = twin.reset(seed=seed)
        obs = {env: env.reset([seed]) for env in (ending, going_on)}
        over, reached = False, 0
        for _ in range(300):
            for entry, ours in (("observation", "vector"), ("desired_goal", "goal"), ("achieved_goal", "achieved")):
                np.testing.assert_array_equal(obs[going_on][ours][0], shown[entry].astype(np.float32))
            push = np.clip(4 * (shown["desired_goal"] - shown["observation"][:2]) - shown["observation"][2:], -1, 1)
            shown, reward, _, truncated, infos = twin.step(push.astype(np.float32))
            batches = {env: env.step(push[None].astype(np.float32)) for env in (ending, going_on)}
            assert batches[going_on].task_reward[0] == reward == float(infos["success"])
            assert not batches[going_on].terminated[0] and batches[going_on].truncated[0] == truncated
            if not over:
                over = bool(reward)
                assert batches[ending].terminated[0] == batches[ending].success[0] == over
            obs = {env: batch.obs for env, batch in batches.items()}
            reached += int(reward)
            if truncated:
                assert batches[going_on].success[0] == bool(reward)
        assert over and reached > 20


def test_fetchreach_costs_every_step_away_from_the_goal() -> None:
    env, twin = make("FetchReach-v4", 1, ends=False), farama("FetchReach-v4")
    shown, _ = twin.reset(seed=4)
    obs, rewards = env.reset([4]), []
    for _ in range(50):
        move = np.append(np.clip(10 * (shown["desired_goal"] - shown["achieved_goal"]), -1, 1), 0.0).astype(np.float32)
        shown, reward, _, truncated, infos = twin.step(move)
        batch = env.step(move[None])
        rewards.append(float(reward))
        assert batch.task_reward[0] == reward and not batch.terminated[0] and batch.truncated[0] == truncated
        assert batch.success[0] == (truncated and bool(infos["is_success"]))
        np.testing.assert_array_equal(batch.next_obs["achieved"][0], shown["achieved_goal"].astype(np.float32))
    assert rewards[0] == -1 and rewards[-1] == 0 and batch.success[0]
    assert obs["goal"].shape == (1, 3)


@pytest.mark.parametrize("env_id", ["PointMaze_UMaze-v3", "AntMaze_UMaze-v5"])
def test_a_maze_leaves_no_files_behind(env_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's file of such a name stays; new episodes need none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "ant_maze1.xml").write_text("of somebody else")
    registry.add_robotics()
    registry.build("AntMaze_UMaze-v3").close()
    (tmp_path / "ant_maze.xml").unlink()  # it stayed: another process's file has the same name
    bare = gymnasium.make(env_id)
    assert len(list(tmp_path.iterdir())) == 2  # else this test would be of nothing
    bare.close()
    Path(bare.unwrapped.tmp_xml_file_path).unlink()
    env = make(env_id)
    first = env.reset([1, 2])
    env.step(np.zeros((2, *env.spec.action.shape), dtype=np.float32))
    np.testing.assert_array_equal(env.reset([1, 2])["vector"], first["vector"])
    env.close()
    assert [path.name for path in tmp_path.iterdir()] == ["ant_maze1.xml"]


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("PointMaze_UMazeDense-v3", "pays by distance"),
        ("PointMaze_Umaze-v3", r"did you mean PointMaze_UMaze-v3\?"),
        ("", "name a registered environment, such as env.id=PointMaze_UMaze-v3"),
    ],
)
def test_what_is_no_sparse_goal_task_is_refused(env_id: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        schemas.check(robotics.Config(id=env_id), "env.")


def test_one_without_goals_is_refused() -> None:
    with pytest.raises(UserError, match=r"^env.id=Pendulum-v1: shows no goals; use env=gym env.id=Pendulum-v1$"):
        make("Pendulum-v1")


def test_a_missing_extra_is_one_line_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "add_robotics", lambda: False)
    install = r"^env=robotics: needs the package gymnasium-robotics; pip install 'rewardlab\[robotics\]'$"
    with pytest.raises(UserError, match=install):
        schemas.check(robotics.Config(name="robotics"), "env.")
