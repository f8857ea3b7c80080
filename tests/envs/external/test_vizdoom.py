"""MyWayHome: ends as they are meant, seeds that repeat, nothing left where it is run, refusals."""

import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.envs.external import vizdoom as plugin
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError


def make(num_envs: int = 1, lists=None, **options):
    pytest.importorskip("vizdoom", reason="needs the extra vizdoom")
    return plugin.make(plugin.Config(**options), Levels(num_envs, lists=lists))


def test_the_armour_terminates_and_time_up_truncates(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env, rng = make(3, kwargs={"frame_skip": 20}, grayscale=False, frame_stack=1), np.random.default_rng(0)
    assert env.spec.max_steps == 105 and env.spec.obs["image"].shape == (84, 84, 3)
    env.reset([1, 2, 3])
    returns, lengths, ends = np.zeros(3), np.zeros(3, dtype=int), []
    while len(ends) < 25 or not any(solved for solved, *_ in ends):
        batch = env.step(rng.integers(6, size=3))
        returns, lengths = returns + batch.task_reward, lengths + 1
        for i in np.flatnonzero(batch.terminated | batch.truncated):
            ends.append((bool(batch.success[i]), bool(batch.truncated[i]), returns[i], lengths[i]))
            returns[i], lengths[i] = 0, 0
    for solved, cut, paid, length in ends:
        assert solved != cut and (length == 105 or solved)
        assert paid == pytest.approx(-0.21, abs=1e-4) if cut else paid > 0.78
    env.close()
    assert not list(tmp_path.iterdir())


def test_levels_repeat():
    seen = []
    for seed in (4, 4, 11):
        env, rng = make(lists=[[seed]]), np.random.default_rng(0)
        shown = [env.reset([0])["image"]] + [env.step(rng.integers(6, size=1)).obs["image"] for _ in range(25)]
        seen.append(np.concatenate(shown))
        env.close()
    assert (seen[0] == seen[1]).all() and (seen[0] != seen[2]).any()


def test_refusals(monkeypatch):
    monkeypatch.setattr(plugin, "find_spec", lambda name: object())
    with pytest.raises(UserError, match="no such task"):
        compose(["env=vizdoom", "env.id=VizdoomBasic-v1"])
    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^env=vizdoom: needs .*pip install 'rewardlab\[vizdoom\]'$"):
        compose(["env=vizdoom"])
