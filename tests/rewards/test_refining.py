"""Weights that are refitted on verified episodes: the regression by hand, and what schemes pay with it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up import case, rollouts

from rewardlab.contracts.replay_laws import _steps
from rewardlab.errors import UserError
from rewardlab.maths.refit import refitted
from rewardlab.rewards import mix, terms
from rewardlab.schemas import check
from rewardlab.types import TaskFacts


def test_what_goes_with_the_outcome_counts_and_what_does_not_counts_nothing() -> None:
    good, hacked = np.tile([-1.0, 1.0], 20), np.repeat([-3.0, 3.0], 20)  # apart from one another
    factors = refitted(torch.tensor(np.stack([good, hacked], axis=1)), torch.tensor(2.0 * good + 7.0))
    assert factors is not None and factors.tolist() == pytest.approx([4.0, 0.0])  # (1 + 3) / 1: all that both varied by
    against = refitted(torch.tensor(np.stack([good, -good], axis=1)), torch.tensor(good))
    assert against is not None and against.tolist() == pytest.approx([2.0, 0.0])
    still = refitted(torch.tensor(np.stack([good, 0 * good + 3], axis=1)), torch.tensor(good))
    assert still is not None and still.tolist() == pytest.approx([1.0, 1.0])


def test_factors_are_those_of_a_ridge_regression() -> None:
    rng = np.random.default_rng(3)
    sums = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 3)) + 2
    outcome = sums @ np.array([1.0, 0.5, 0.7]) + rng.normal(size=50)
    inputs = (sums - sums.mean(axis=0)) / sums.std(axis=0)
    wanted = (outcome - outcome.mean()) / outcome.std()
    root = np.sqrt(0.1 * 50)  # a ridge is as many rows more
    found = np.linalg.lstsq(np.vstack([inputs, root * np.eye(3)]), np.r_[wanted, 0, 0, 0], rcond=None)[0].clip(0)
    expected = (found / found.sum() * sums.std(axis=0).sum() / sums.std(axis=0)).clip(max=10)
    factors = refitted(torch.tensor(sums), torch.tensor(outcome))
    assert factors is not None and factors.numpy() == pytest.approx(expected, rel=1e-5)


def test_episodes_that_tell_nothing_change_nothing() -> None:
    same, varied = torch.ones(10, 2), torch.arange(20.0).view(10, 2)
    assert refitted(same, torch.arange(10.0)) is None and refitted(varied, torch.ones(10)) is None
    assert refitted(varied, -torch.arange(10.0)) is None, "all speak against it"


@pytest.mark.parametrize("name", ["terms", "mix"])
def test_streams_are_paid_by_factors_of_sums_over_whole_episodes(name: str) -> None:
    options = {"terms": {"good": "task", "hack": "distance - 25"}, "weights": {"hack": -0.5}}
    if name == "mix":
        options = {"schemes": {"two": terms.Config(plugin="terms", **options)}}
    a_case = case(name, refine_every=2, **options)
    a_case = replace(a_case, spec=replace(a_case.spec, task=TaskFacts()))  # no success: returns tell
    scheme, _ = a_case.build()
    good, hack = [spec.name for spec in scheme.streams[1:]]
    rows, open_, known = [], np.zeros((4, 2)), torch.ones(2)
    for number, rollout in enumerate(rollouts(a_case, 40, 30, 30, 30)):
        streams = scheme.compute(rollout).streams
        distance = rollout.privileged["distance"].float() - 25
        assert torch.allclose(streams[good], known[0] * rollout.task_reward)
        assert torch.allclose(streams[hack], known[1] * distance, atol=1e-4)
        for t in range(rollout.steps):
            open_[rollout.first[t].numpy()] = 0
            open_ += np.stack([rollout.task_reward[t], -0.5 * distance[t]], axis=1)
            for env in rollout.done[t].nonzero().flatten().tolist():
                rows.append([*open_[env], float(rollout.task_reward[t, env])])
        told = scheme.update(rollout)
        if number % 2:
            table = torch.tensor(rows[-200:])
            refound = refitted(table[:, :2], table[:, 2])
            assert refound is not None
            known = refound
        assert [told[key] for key in scheme.metrics] == pytest.approx(known.tolist(), rel=1e-4)
    assert known[0] != 1 and known[1] < known[0]
    assert not scheme.clears(good)
    if scheme.pays_anew:
        anew, last = scheme.rewards_of(_steps(rollout)), scheme.compute(rollout).streams
        assert torch.allclose(anew[hack].view(last[hack].shape), last[hack])


def test_it_needs_streams_that_stay_apart() -> None:
    schemes = {"a": terms.Config(plugin="terms", terms={"x": "task"})}
    with pytest.raises(UserError, match="refine_every=3: only with combine=sum"):
        check(mix.Config(plugin="mix", schemes=schemes, refine_every=3, combine="kinesthetic"))
