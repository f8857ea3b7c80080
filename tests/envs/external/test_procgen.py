"""Procgen: one level in exploration modes, levels by seed in others, true last observations, ends, refusals."""

import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.envs.external import procgen as plugin
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError


def make(game: str, num_envs: int = 2, mode: str = "Exploration", **levels):
    pytest.importorskip("envpool", reason="needs the extra procgen")
    return plugin.make(plugin.Config(id=f"{game}{mode}-v0"), Levels(num_envs, **levels))


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


@pytest.mark.parametrize("mode", ["Easy", "Memory"])
def test_a_level_is_its_seed(mode):
    """Environment 0 plays 5, 8, 5, ...; environment 1 the other way round: same actions, same episodes."""
    env, rng = make("Jumper", mode=mode, lists=[[5, 8], [8, 5 + 2**31 - 1]]), np.random.default_rng(1)
    actions = rng.integers(15, size=150)
    seen = []  # of each environment, of each of its first two episodes, what was shown and paid until it was over
    for i in range(2):
        env.reset([i, 7])
        for _ in range(2):
            played = []
            for action in actions:
                batch = env.step(np.full(2, action))
                played.append((batch.next_obs["image"][i].tobytes(), float(batch.task_reward[i])))
                if (batch.terminated | batch.truncated)[i]:
                    break
            while not (batch.terminated | batch.truncated)[i]:
                batch = env.step(rng.integers(15, size=2))
            seen.append(played)
    told = [[hash(moment) for moment in played] for played in seen]
    assert told[0] == told[3] and told[1] == told[2] and told[0] != told[1]
    env.close()
    own = make("Jumper", mode=mode)  # without a list: the seed's level, then levels of a stream of its own
    first = own.reset([5, 8])["image"]
    assert hash(own.step(np.full(2, actions[0])).next_obs["image"][0].tobytes()) == hash(seen[0][0][0])
    assert (own.reset([5, 5])["image"][1] == first[0]).all()
    own.close()


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
    compose(["env=procgen", "env.id=MinerMemory-v0", "env.levels=5"])
    with pytest.raises(UserError, match=r"id=CoinrunMemory-v0: no such game and mode of Procgen; did you mean"):
        compose(["env=procgen", "env.id=CoinrunMemory-v0"])
    tasks = {"Exploration": 8, "Easy": 16, "Hard": 16, "Memory": 6, "Extreme": 4}
    assert {mode: sum(mode in game for game in plugin.GAMES) for mode in tasks} == tasks
    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^env=procgen_heist: needs .*pip install 'rewardlab\[procgen\]'$"):
        compose(["env=procgen_heist"])
