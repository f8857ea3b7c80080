"""Procgen's exploration modes: one level whatever the seed, true last observations, ends, refusals."""

import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.envs.external import procgen as plugin
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError


def make(game: str, num_envs: int = 2):
    pytest.importorskip("envpool", reason="needs the extra procgen")
    return plugin.make(plugin.Config(id=f"{game}Exploration-v0"), Levels(num_envs))


def test_all_episodes_are_one_level_and_no_action_is_lost_at_an_end():
    env, rng = make("Jumper"), np.random.default_rng(0)
    first = env.reset([3, 4])["image"]
    assert (first[0] == first[1]).all()
    ends, played = [], []
    for _ in range(300):
        action = int(rng.integers(15))
        played.append(action)
        batch = env.step(np.full(2, action))
        assert (batch.obs["image"][0] == batch.obs["image"][1]).all()
        if batch.terminated[0]:
            assert (batch.obs["image"] == first).all() and (batch.next_obs["image"] != first).any()
            assert not batch.success.any() and not batch.truncated.any() and not batch.task_reward.any()
            ends.append((played, batch.next_obs["image"][0].copy()))
            played = []
    assert len(ends) > 5
    actions, last = ends[3]  # the same actions from the beginning lead there again, so all of them count
    env.reset([9, 9])
    for action in actions:
        batch = env.step(np.full(2, action))
    assert batch.terminated.all() and (batch.next_obs["image"][0] == last).all()
    env.close()


def test_time_up_truncates():
    env = make("Maze", 1)
    env.reset([0])
    for t in range(1, 501):
        batch = env.step(np.array([4]))  # stands still
        assert (batch.truncated[0], batch.terminated[0]) == (t == 500, False)
    env.close()


def test_refusals(monkeypatch):
    monkeypatch.setattr(plugin, "find_spec", lambda name: object())
    with pytest.raises(UserError, match="did you mean HeistExploration-v0"):
        compose(["env=procgen", "env.id=HeistExploratoin-v0"])
    with pytest.raises(UserError, match=r"levels=5: there is one level"):
        compose(["env=procgen_heist", "env.levels=5"])
    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^env=procgen_heist: needs .*pip install 'rewardlab\[procgen\]'$"):
        compose(["env=procgen_heist"])
