"""The job shop: rules and the optimum as they are played, what is paid, and agents that keep to what is allowed."""

import numpy as np
import pytest

from rewardlab.commands.demos import record
from rewardlab.commands.play import play
from rewardlab.config.composition import compose
from rewardlab.envs.arrays import jobshop
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.facts import MAKESPAN, OVER_OPTIMUM
from rewardlab.maths import job_shop
from rewardlab.run import run
from rewardlab.training.recorder import Recording

SMALL = ["env=jobshop", "env.jobs=3", "env.machines=2", "num_envs=2", "frames=64", "eval.episodes=2"]


def shop_of(env) -> job_shop.Shop:
    return job_shop.Shop(env.arrays["machine"][0].copy(), env.arrays["duration"][0].copy())


def played(env, choose) -> tuple[float, dict[str, float]]:
    """The return and the facts of an episode of one environment; `choose` is handed what is allowed."""
    mask, total = env.observe()["mask"][0], 0.0
    while True:
        batch = env.step(np.array([choose(np.flatnonzero(mask))]))
        mask, total = batch.obs["mask"][0], total + float(batch.task_reward[0])
        if batch.terminated[0]:
            return total, {name: float(fact[0]) for name, fact in batch.privileged.items()}
        assert batch.task_reward[0] == 0.0


@pytest.mark.parametrize(("rule", "makespan"), [("spt", 88), ("fifo", 65), ("mtwr", 61)])
def test_rules_reach_their_makespans_on_ft06(rule, makespan):
    env = jobshop.make(jobshop.Config(instance="ft06"), Levels(1), (MAKESPAN, OVER_OPTIMUM))
    env.reset([0])
    shop, arrays = shop_of(env), env.arrays

    def worth(job: int) -> int:
        left = shop.duration[job, arrays["started"][0, job] :]
        return {"spt": left[0], "fifo": arrays["job_free"][0, job], "mtwr": -left.sum()}[rule]

    total, facts = played(env, lambda allowed: min((j for j in allowed if j < 6), key=worth))
    assert facts == {MAKESPAN: makespan, OVER_OPTIMUM: makespan / 55}
    assert total == pytest.approx(-makespan / job_shop.bound(shop))


@pytest.mark.parametrize("level", range(4))
def test_what_is_best_can_be_played(level):
    """By starting what the search starts, when it does, and by waiting else."""
    env = jobshop.make(jobshop.Config(jobs=4, machines=3), Levels(1, lists=[[level]]), (OVER_OPTIMUM,))
    env.reset([0])
    begins, arrays = job_shop.completed(shop_of(env))[1], env.arrays

    def follow(allowed) -> int:
        due = [j for j in allowed if j < 4 and begins[j, arrays["started"][0, j]] == arrays["now"][0]]
        return due[0] if due else 4

    assert played(env, follow)[1] == {OVER_OPTIMUM: 1.0}
    assert env.spec.task.optimal_return == -1.0


def test_what_is_forbidden_is_refused():
    env = jobshop.make(jobshop.Config(jobs=2, machines=2), Levels(1))
    assert env.reset([3])["mask"][0, 2] == 0
    with pytest.raises(UserError, match=r"JobShop-random-2x2: action 2 is not allowed there \(allowed: 0"):
        env.step(np.array([2]))


@pytest.mark.parametrize("agent", ["ga", "go_explore"])
def test_agents_that_heed_no_mask_are_refused(agent, tmp_path):
    more = ["env.levels=2"] if agent == "go_explore" else []
    with pytest.raises(UserError, match=f"agent={agent}: JobShop.*use agent=ppo, dqn or random"):
        run(compose([*SMALL, f"agent={agent}", f"results_dir={tmp_path}", *more]))


def test_masks_all_the_way(tmp_path):
    """Recurrent training, what is played and recorded of it, and learning from those records."""
    where = f"results_dir={tmp_path / 'results'}"
    prepared = compose([*SMALL, "agent=ppo", "agent.memory=gru", "agent.rollout_steps=16", where])
    assert run(prepared) == 0
    assert play(str(prepared.folder), episodes=1) == 0
    for name, source in (("own", str(prepared.folder)), ("random", "random")):
        what = Recording(source, episodes=6, keep="all", noise=0.5)
        assert record(SMALL[:3] if source == "random" else [], str(tmp_path / name), what) == 0
    shown = ["agent=dqn", f"agent.demos={tmp_path / 'random'}", "agent.margin_coef=1", "agent.demos_pretrain=5"]
    assert run(compose([*SMALL, *shown, "agent.batch_size=8", "agent.learning_starts=16", where])) == 0
