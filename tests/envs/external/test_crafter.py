"""Crafter beside its package: the same worlds, pictures and episodes, and what is ours: ends, facts, states."""

import csv
from collections import defaultdict

import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.envs.external import crafter as plugin
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.run import run

package = pytest.importorskip("crafter", reason="needs the extra crafter")

from crafter import constants, engine, objects, worldgen  # noqa: E402

from rewardlab.envs.external.crafter_terrain import generate_world  # noqa: E402
from rewardlab.envs.external.crafter_world import Game, _Ordered  # noqa: E402

FACTS = ("agent_pos", "inventory", "situation", "state_hash", "unlocked_wake_up", "picture")


def make(num_envs: int = 1, lists=None, facts=FACTS):
    return plugin.make(plugin.Config(), Levels(num_envs, lists=lists), facts)


def terrain(seed: int, generate):
    world = engine.World((64, 64), constants.materials, (12, 12))
    world.reset(seed)
    player = objects.Player(world, (32, 32))
    world.add(player)
    generate(world, player)
    return world


@pytest.mark.parametrize("seed", range(4))
def test_worlds_are_the_package_s_bit_for_bit(seed: int):
    theirs, ours = terrain(seed, worldgen.generate_world), terrain(seed, generate_world)
    np.testing.assert_array_equal(ours._mat_map, theirs._mat_map)
    np.testing.assert_array_equal(ours._obj_map, theirs._obj_map)
    assert [type(thing) for thing in ours._objects] == [type(thing) for thing in theirs._objects]
    for mine, other in zip(ours.random.get_state(), theirs.random.get_state(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_episodes_are_the_package_s_with_objects_in_order(monkeypatch):
    """Pictures, pay and ends over day, night and sleep, through a restored state every now and then."""
    reset = engine.World.reset

    def ordered(self, seed=None):
        reset(self, seed)
        self._chunks = defaultdict(_Ordered)

    monkeypatch.setattr(engine.World, "reset", ordered)
    theirs, ours, rng = package.Env(seed=3), Game(), np.random.default_rng(0)
    np.testing.assert_array_equal(ours.begin(3), theirs.reset())
    nights, asleep, ends = 0, 0, 0
    for t in range(700):
        action = int(rng.integers(17)) if t < 300 else 6 * int(rng.random() < 0.2)
        for each in (theirs, ours) if t >= 300 else ():  # live long enough to see the night
            each._player.inventory |= {"food": 9, "drink": 9, "health": 9, "energy": 3}
        picture, reward, done, info = theirs.step(action)
        shown, paid = ours.advance(action)
        np.testing.assert_array_equal(shown, picture)
        assert (paid, ours.dead, ours.unlocked().sum()) == (
            reward, info["discount"] == 0, sum(count > 0 for count in info["achievements"].values())
        )  # fmt: skip
        nights, asleep, ends = nights + (theirs._world.daylight < 0.5), asleep + theirs._player.sleeping, ends + done
        if t % 60 == 59:
            state, other = ours.state(), Game()
            other.begin(7)
            np.testing.assert_array_equal(other.put(state), shown)
            other.seed, other.episode = ours.seed, ours.episode
            for name, entry in other.state().items():
                np.testing.assert_array_equal(entry, state[name])
            ours = other
        if done:
            np.testing.assert_array_equal(ours.begin(None), theirs.reset())
    assert nights > 50 and asleep > 50 and ends > 0


def test_ends_facts_and_episodes_that_repeat():
    lists = [[5, 6], [6, 5]]
    seen = []
    for _ in range(2):
        env, rng, found = make(2, lists), np.random.default_rng(1), []
        env.reset([0, 0])
        first = env.privileged()
        assert first["agent_pos"].tolist() == [[32, 32]] * 2 and first["inventory"][0, :4].tolist() == [9, 9, 9, 9]
        assert first["picture"].shape == (2, 256, 256, 3)
        assert first["situation"][0] == first["situation"][1] and first["situation"].shape == (2,)
        ended = np.zeros(2, dtype=int)
        while (ended < 1).any():
            batch = env.step(rng.integers(1, 5, size=2))
            facts = batch.privileged
            assert (batch.terminated == (facts["inventory"][:, 0] == 0)).all() and not batch.truncated.any()
            ended += batch.terminated
            found.append((batch.obs["image"].sum(), batch.task_reward.tolist(), facts["state_hash"].tolist()))
        seen.append(found)
    assert seen[0] == seen[1]


def test_time_up_truncates(monkeypatch):
    env = make()
    env.reset([0])
    env._games[0]._step = 9_998
    assert not env.step(np.array([0])).truncated.any()
    batch = env.step(np.array([0]))
    assert batch.truncated.all() and not batch.terminated.any() and env._games[0].steps == 0
    assert (batch.next_obs["image"] != batch.obs["image"]).any()


def test_a_place_without_its_random_numbers_goes_on_with_those_of_the_environment():
    env = make(2, facts=())
    env.reset([1, 2])
    place = env.take_places(np.array([0]))
    both = {name: np.concatenate([entry, entry]) for name, entry in place.items()}
    assert (env.put_places(np.array([0, 1]), both)["image"][0] == env.put_places(np.arange(2), both)["image"][1]).all()
    for streams in (True, False):
        env.reset([1, 2])
        env.put_places(np.arange(2), {name: entry for name, entry in both.items() if streams or name != "streams"})
        shown = [env.step(np.zeros(2, dtype=np.int64)).next_obs["image"] for _ in range(60)]
        assert all((each[0] == each[1]).all() for each in shown) == streams


def test_go_explore_returns_to_situations(tmp_path):
    options = ["env.levels=1", "agent.explore_share=1", "num_envs=2", "frames=80", "eval.episodes=1", "eval.every=80"]
    prepared = compose(["env=crafter", "reward=none", "agent=go_explore", *options, f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    with (prepared.folder / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert 1 < float(rows[-1]["explore/cells"]) <= 81


def test_refusals(monkeypatch):
    with pytest.raises(UserError, match="backend=fast"):
        compose(["env=crafter", "env.backend=fast"])
    with pytest.raises(UserError, match="cannot give grid"):
        make(facts=("grid",))
    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^env=crafter: needs .*pip install 'rewardlab\[crafter\]'$"):
        compose(["env=crafter"])
