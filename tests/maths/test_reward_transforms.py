"""Transforms of rewards: numbers of the papers, and loops over episodes."""

import math

import numpy as np
import pytest
import torch

from rewardlab.maths import reward_transforms as maths


def some(steps: int = 23, num_envs: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rewards, first steps and last steps, [T, N]: episodes of all lengths, cut at both ends."""
    rng = np.random.default_rng(seed)
    rewards = torch.from_numpy(rng.normal(size=(steps, num_envs)).astype(np.float32))
    ends = torch.from_numpy(rng.random((steps, num_envs)) < 0.25)
    first = torch.cat([torch.tensor([[True, False, True]]), ends[:-1]])
    return rewards, first, ends


def episodes(ends: torch.Tensor) -> list[tuple[int, list[int]]]:
    """Environment and steps of each episode, or what of it there is."""
    found = []
    for env in range(ends.shape[1]):
        begun: list[int] = []
        for t in range(len(ends)):
            begun.append(t)
            if ends[t, env] or t == len(ends) - 1:
                found.append((env, begun))
                begun = []
    return found


def test_numbers_of_the_papers():
    one = torch.tensor([[0.5], [-0.1], [0.4]])
    end = torch.tensor([[False], [False], [True]])
    assert maths.min_form(one, end, 0.1).flatten().tolist() == pytest.approx([0.0012, -0.0991, 0.0027], abs=5e-5)
    par = float(maths.preference(torch.tensor(0.5), torch.tensor([0.0, 1.5])))
    assert par == pytest.approx((1 / (1 + math.exp(-0.5)) + 1 / (1 + math.exp(1.0))) / 2)  # 0.4457
    references = torch.tensor([1.0, 3.0])  # mean 2, std 1
    centred = float(maths.log_sigmoid_centred(torch.tensor(3.0364334), references))
    assert centred == pytest.approx(-math.log(2.0))
    assert maths.clipped(torch.tensor([0.2, 0.9]), 0.5).tolist() == pytest.approx([-0.3, 0.0])


def test_min_form_is_a_softmax_over_each_episode():
    rewards, _, ends = some()
    found = maths.min_form(rewards, ends, 0.3)
    for env, steps in episodes(ends):
        own = rewards[steps, env].double().numpy()
        share = np.exp(-own / 0.3) / np.exp(-own / 0.3).sum()
        np.testing.assert_allclose(found[steps, env], share * own, rtol=1e-4, atol=1e-7)
    extreme = maths.min_form(rewards * 1e4, ends, 0.1)
    assert torch.isfinite(extreme).all()


def test_what_is_still_to_come_after_delta_is_the_reward_itself():
    rewards, _, ends = some()
    found = maths.delta(rewards, ends)
    for env, steps in episodes(ends):
        to_go = found[steps, env].flip(0).cumsum(0).flip(0)
        torch.testing.assert_close(to_go, rewards[steps, env], atol=1e-5, rtol=0)


def test_milestones_pay_each_new_best_once_across_rollouts():
    rewards, first, _ = some(40)
    first[0] = True
    kept = (torch.zeros(3), torch.zeros(3))
    paid = []
    for rows in (slice(0, 11), slice(11, 12), slice(12, 40)):
        part, *kept = maths.milestones(rewards[rows], first[rows], *kept)
        paid.append(part)
    found = torch.cat(paid)
    for env in range(3):
        total = best = 0.0
        for t in range(40):
            if first[t, env]:
                total = best = 0.0
            total += float(rewards[t, env])
            assert float(found[t, env]) == pytest.approx(max(total - best, 0.0), abs=1e-5)
            best = max(best, total)
    assert (found >= 0).all()


def test_rewards_are_held_back_until_an_end_across_rollouts():
    rewards, first, ends = some(40)
    kept = (torch.zeros(3), torch.zeros(3))
    sums, counts = [], []
    for rows in (slice(0, 7), slice(7, 40)):
        paid, number, *kept = maths.paid_at(rewards[rows], first[rows], ends[rows], *kept)
        sums.append(paid)
        counts.append(number)
    found, counted = torch.cat(sums), torch.cat(counts)
    for env, steps in episodes(ends):
        last, ended = steps[-1], bool(ends[steps[-1], env])
        assert float(found[last, env]) == pytest.approx(float(rewards[steps, env].sum()) * ended, abs=1e-5)
        assert float(counted[last, env]) == len(steps) * ended
        assert not found[steps[:-1], env].any()


def test_nothing_that_is_held_back_outlasts_its_episode():
    """After an interruption an episode begins that followed no end."""
    rewards, first = torch.ones(3, 1), torch.tensor([[False], [True], [False]])
    ends = torch.tensor([[False], [False], [True]])
    sums, counts, *_ = maths.paid_at(rewards, first, ends, torch.full((1,), 9.0), torch.full((1,), 4.0))
    assert sums.flatten().tolist() == [0.0, 0.0, 2.0] and counts.flatten().tolist() == [0.0, 0.0, 2.0]


def test_the_share_of_steps_in_episodes_that_a_rollout_cuts():
    first = torch.tensor([[True, False], [False, False], [False, True], [True, False]])
    done = torch.tensor([[False, False], [False, True], [True, False], [False, True]])
    assert maths.cut_steps(first, done) == pytest.approx(3 / 8)  # the last of the one, the first two of the other
