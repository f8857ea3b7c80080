"""Functions to be optimised: rare improvements, places that say nothing, and a policy that scores what it is shown."""

import numpy as np
import pytest
import torch

from rewardlab.config.composition import compose
from rewardlab.envs.arrays import meta_bo
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.facts import IMPROVEMENTS
from rewardlab.maths.masks import nth_allowed
from rewardlab.networks.actor_critic import ActorCritic
from rewardlab.run import run


@pytest.mark.parametrize(("steps", "expected"), [(50, 4.499), (20, 3.598)])
def test_random_tries_improve_as_records_do(steps, expected):
    """H_T of them on average, whatever the functions; tried ones are forbidden, and pay is of the best so far."""
    count = 1500
    env = meta_bo.make(meta_bo.Config(steps=steps), Levels(count), (IMPROVEMENTS,))
    obs, rng = env.reset(range(count)), np.random.default_rng(0)
    for t in range(steps):
        assert (obs["mask"].sum(axis=1) == 64 - t).all()
        values = env.arrays["values"].copy()
        batch = env.step(nth_allowed(obs["mask"], rng.integers(2**40, size=count)))
        assert batch.task_reward.max() <= 0.0
        obs = batch.obs
    found = batch.privileged[IMPROVEMENTS]
    assert batch.terminated.all()
    assert found.mean() == pytest.approx(expected, abs=4 * found.std() / count**0.5)
    np.testing.assert_allclose(values.std(axis=1), 1.0)


def test_candidates_are_what_they_say():
    """The value that a try shows is that of the point whose place was shown."""
    env = meta_bo.make(meta_bo.Config(pays="log"), Levels(5))
    obs = env.reset(range(5))
    for t in range(3):
        action = nth_allowed(obs["mask"], np.full(5, 7 * t + 1))
        place = obs["candidates"][np.arange(5), action, 0]
        values = env.arrays["values"].copy()
        obs = env.step(action).obs
        np.testing.assert_allclose(obs["vector"][:, t], place)
        at = np.rint(place * 63).astype(int)
        np.testing.assert_allclose(obs["vector"][:, 20 + t], values[np.arange(5), at], rtol=1e-5)


def test_every_candidate_is_scored_by_the_same_weights(tmp_path):
    spec = meta_bo.make(meta_bo.Config(candidates=6, steps=3), Levels(4)).spec
    env = meta_bo.make(meta_bo.Config(candidates=6, steps=3), Levels(4))
    options = {"network": "mlp", "encoding": "raw", "shared": [], "hidden": [8]}
    network = ActorCritic(spec.obs, spec.action, 1, torch.Generator().manual_seed(0), **options)
    torch.nn.init.normal_(network.policy[-1].weight)
    obs = {name: torch.from_numpy(entry) for name, entry in env.reset(range(4)).items()}
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    logits = network(network.prepare(obs))[0]["logits"]
    moved = obs | {"candidates": obs["candidates"][:, order]}
    torch.testing.assert_close(network(network.prepare(moved))[0]["logits"], logits[:, order])
    small = ["env=meta_bo", "env.candidates=6", "env.steps=3", "num_envs=2", "eval.episodes=2", "frames=64"]
    assert run(compose([*small, "agent=ppo", "agent.rollout_steps=16", f"results_dir={tmp_path}"])) == 0
    with pytest.raises(UserError, match="observation entry candidates: agent=ppo alone reads it"):
        run(compose([*small, "agent=dqn", f"results_dir={tmp_path}"]))
