"""Orders of jobs: decisions last while time stands still, and completed schedules are learned from."""

import numpy as np
import pytest
import torch

from rewardlab.agents.on_policy import job_orders
from rewardlab.config.composition import compose
from rewardlab.contracts.state_laws import new_context
from rewardlab.envs.arrays import jobshop
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.run import run
from rewardlab.seeding import torch_rng
from rewardlab.types import StreamSpec

TASK = (StreamSpec("task", 1.0),)


@pytest.mark.parametrize("show", ["vector", "candidates"])
def test_a_decision_lasts_while_time_stands_still(show):
    env = jobshop.make(jobshop.Config(jobs=5, machines=3, show=show), Levels(8))
    agent = job_orders.Agent(job_orders.Config(name="job_orders"), new_context(env.spec, 3), TASK)
    obs, rng, first = env.reset(range(8)), torch_rng(0, "act"), np.ones(8, dtype=bool)
    state, before, held = agent.initial_state(8), np.full(8, -1), 0
    for _ in range(60):
        now = env.arrays["now"].copy()
        given = {name: torch.from_numpy(entry) for name, entry in obs.items()}
        found = agent.act(given, state, torch.from_numpy(first), "explore", rng)
        same = (found.state[:, :6] == state[:, :6]).all(dim=1).numpy()
        stands = (now == before) & ~first
        np.testing.assert_array_equal(same, stands)
        held, before, state = held + int(stands.sum()), now, found.state
        batch = env.step(found.action.numpy())
        obs, first = batch.obs, batch.terminated
    assert held > 50


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["env=empty_5x5"], "asked for by agent=job_orders"),
        (["env.jobs=7", "env.machines=6"], "takes long with 42 operations; at most 36"),
        (["agent.rollout_steps=8"], "may take 12 steps; use more"),
        (["reward=rnd"], "learns from makespans alone"),
    ],
)
def test_what_cannot_be_learned_is_refused(more, message, tmp_path):
    given = ["env=jobshop", "agent=job_orders", f"results_dir={tmp_path}", "frames=64"]
    sizes = [] if "env=empty_5x5" in more or "env.jobs=7" in more else ["env.jobs=3", "env.machines=2"]
    with pytest.raises(UserError, match=message):
        run(compose([*given, *sizes, *more]))


def test_it_learns_to_schedule_one_shop(tmp_path):
    """Its best schedule, which the first policy does not play."""
    given = ["env=jobshop", "env.jobs=3", "env.machines=3", "env.levels=1", "eval.levels=train", "agent=job_orders"]
    size = ["num_envs=16", "frames=8_000", "eval.every=8_000", "agent.rollout_steps=64", "eval.episodes=1"]
    prepared = compose([*given, *size, "agent.learning_rate=2e-3", "eval.policy=greedy", f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    rows = [line.split(",") for line in (prepared.folder / "eval.csv").read_text().splitlines()]
    over = rows[0].index("over_optimum_mean")
    assert float(rows[-1][over]) == pytest.approx(1.0) and float(rows[1][over]) > 1.0
