"""The evaluation protocol: preset whole episodes on one list of levels, apart from training."""

from collections import Counter

import numpy as np
import pytest
import torch

from rewardlab import seeding
from rewardlab.config.composition import compose
from rewardlab.schemas import RootConfig
from rewardlab.training.build import build
from rewardlab.training.environments import evaluation_levels
from rewardlab.training.evaluate import Evaluator
from rewardlab.types import ActOutput


def config(*overrides: str) -> RootConfig:
    return compose(["env=empty_5x5", "num_envs=2", "frames=1000", *overrides]).config


def test_each_environment_plays_its_own_share_of_one_list() -> None:
    lists = evaluation_levels(config("eval.episodes=120"))
    assert Counter(map(len, lists)) == {2: 20, 1: 80}  # 120 episodes over 100 environments
    assert sorted(level for levels in lists for level in levels) == sorted(seeding.evaluation_seeds(120))
    assert evaluation_levels(config("eval.episodes=120", "seed=7")) == lists  # the same for every run seed


def test_whole_episodes_are_counted_and_none_twice() -> None:
    settings = config("eval.episodes=7", "agent=random")
    parts = build(settings)
    evaluation = Evaluator(settings, parts.env.spec).evaluate(parts.agent, 0, lambda: False)
    assert evaluation is not None
    assert len(evaluation.returns) == len(evaluation.lengths) == 7
    limit = parts.env.spec.max_steps
    np.testing.assert_allclose(
        evaluation.returns, np.where(evaluation.successes, 1 - 0.9 * evaluation.lengths / limit, 0), rtol=1e-6
    )
    assert (evaluation.lengths[~evaluation.successes] == limit).all()


def test_it_repeats_itself_and_leaves_training_streams_alone() -> None:
    settings = config("eval.episodes=5")
    parts = build(settings)
    before = parts.generators.state_dict()
    evaluator = Evaluator(settings, parts.env.spec)
    first = evaluator.evaluate(parts.agent, 64, lambda: False)
    again = evaluator.evaluate(parts.agent, 64, lambda: False)
    np.testing.assert_array_equal(first.returns, again.returns)
    np.testing.assert_array_equal(first.lengths, again.lengths)
    for name, state in parts.generators.state_dict()["torch"].items():
        assert torch.equal(state, before["torch"][name])


def test_a_task_without_a_definition_of_success_has_none() -> None:
    settings = compose(["env=gym", "env.id=CartPole-v1", "frames=1000", "eval.episodes=3"]).config
    parts = build(settings)
    evaluation = Evaluator(settings, parts.env.spec).evaluate(parts.agent, 0, lambda: False)
    assert evaluation.row()["cells_mean"] is None
    assert evaluation.row()["success_rate"] is None
    np.testing.assert_array_equal(evaluation.returns, evaluation.lengths)  # CartPole pays 1 a step


class Walker:
    """Goes forward for ever: from the corner of the 3 x 3 room along a wall."""

    row_policy = None

    def initial_state(self, num_envs):
        return None

    def act(self, obs, state, first, mode, rng):
        return ActOutput(torch.full((len(first),), 2), None)


@pytest.mark.parametrize("backend", ["fast", "reference"])
@pytest.mark.parametrize("noise", ["none", "colours"])
def test_cells_are_counted_anew_in_each_episode_whatever_is_in_view(backend, noise) -> None:
    options = [f"env.noise={noise}"] if backend == "fast" else []
    settings = config("eval.episodes=103", f"env.backend={backend}", *options)
    evaluation = Evaluator(settings, build(settings).env.spec).evaluate(Walker(), 0, lambda: False)
    assert evaluation.cells.tolist() == [3] * 103


def test_a_signal_ends_it_without_a_row() -> None:
    settings = config()
    parts = build(settings)
    assert Evaluator(settings, parts.env.spec).evaluate(parts.agent, 0, lambda: True) is None


def test_run_seeds_share_no_level_with_one_another_or_with_evaluation() -> None:
    streams = ("train_envs", "warmup_envs", "levels", "train_envs/2048")
    every = [seed for run in range(10) for stream in streams for seed in seeding.env_seeds(run, stream, 16)]
    every += seeding.evaluation_seeds(100)
    assert len(every) == len(set(every))


def test_neighbouring_seeds_differ_in_every_stream() -> None:
    draws = {
        (seed, name): seeding.torch_rng(seed, name).initial_seed() for seed in range(10) for name in ("act", "agent")
    }
    assert len(set(draws.values())) == len(draws)
    with pytest.raises(ValueError, match="negative"):
        seeding.sequence(-1, "act")
