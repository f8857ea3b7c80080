"""Job shops in motion: what is told of a floor is all of it, and what is solved is what is then played."""

import numpy as np
import pytest

from rewardlab.envs.arrays import jobshop
from rewardlab.envs.levels import Levels
from rewardlab.facts import STANDING
from rewardlab.maths import job_shop, shop_floor
from rewardlab.maths.masks import nth_allowed

SHOPS = 8


@pytest.mark.parametrize("steps", [0, 1, 5, 11])
def test_a_completion_is_played_as_it_was_solved(steps):
    env = jobshop.make(
        jobshop.Config(jobs=4, machines=3), Levels(SHOPS, lists=[[i] for i in range(SHOPS)]), (STANDING,)
    )
    rng, mask = np.random.default_rng(steps), env.reset(range(SHOPS))["mask"]
    for _ in range(steps):
        mask = env.step(nth_allowed(mask, rng.integers(100, size=SHOPS))).obs["mask"]
    floor = shop_floor.of_table(env.privileged()[STANDING])
    for name, entry in floor.items():
        np.testing.assert_array_equal(entry, env.arrays[name])
    found = shop_floor.completion(floor, described=False)
    assert shop_floor.over(floor).all()
    np.testing.assert_array_equal(floor["job_free"].max(axis=1), found.makespan)
    np.testing.assert_array_equal(found.obs["vector"][0], env.observe()["vector"])
    if steps == 0:
        shops = zip(env.arrays["machine"], env.arrays["duration"], strict=True)
        assert found.makespan.tolist() == [job_shop.completed(job_shop.Shop(*shop))[0] for shop in shops]
    ends = np.zeros(SHOPS, dtype=bool)  # and the world itself lets it be played
    for action, live in zip(found.action, found.live, strict=True):
        assert (live == ~ends).all()
        before = env.arrays["bound"].copy()
        batch = env.step(np.where(live, action, nth_allowed(env.observe()["mask"], np.zeros(SHOPS, dtype=np.int64))))
        ended = batch.terminated & ~ends
        np.testing.assert_allclose(batch.task_reward[ended], -(found.makespan / before)[ended], rtol=1e-6)
        ends |= ended
    assert ends.all()
