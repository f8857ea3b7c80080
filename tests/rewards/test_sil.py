"""Self-imitation: what is remembered, and the loss by hand."""

import numpy as np
import pytest
import torch
from made_up import case, rollouts

from rewardlab.types import Judgement, Transitions

GAMMA = 0.97  # of the made-up contexts


def test_only_episodes_that_were_paid_are_kept_with_their_discounted_returns():
    a_case = case("sil", batch_size=3000)
    scheme, _ = a_case.build()
    begun, expected = [[] for _ in range(4)], []
    for rollout in rollouts(a_case, 9, 30, 4, 25):
        scheme.compute(rollout)
        for t in range(rollout.steps):
            for env in range(4):
                begun[env] = [] if rollout.first[t, env] else begun[env]
                view = rollout.obs["image"][t, env].numpy().tobytes()
                begun[env].append((view, int(rollout.action[t, env]), float(rollout.task_reward[t, env])))
                if rollout.done[t, env]:
                    later, steps = 0.0, []
                    for view, action, paid in reversed(begun[env]):
                        later = paid + GAMMA * later
                        steps.append((view, action, round(later, 4)))
                    expected += steps if later > 0 else []
                    begun[env] = []
        assert scheme.update(rollout)["explore/sil_steps"] == len(expected)
    batch = next(iter(scheme.aux_losses()[0].batches()))
    drawn = {
        (obs.numpy().tobytes(), int(action), round(float(paid), 4))
        for obs, action, paid in zip(batch.obs["image"], batch.action, batch.extra["return"], strict=True)
    }
    assert drawn == set(expected)


def batch_of(returns, weights):
    count = len(returns)
    extra = {"return": torch.tensor(returns), "weight": torch.tensor(weights), "place": torch.arange(count)}
    return Transitions({"image": torch.zeros(count, 7, 7, 3)}, torch.zeros(count, dtype=torch.int64), extra)


def test_the_loss_and_its_gradients_by_hand():
    a_case = case("sil", coef=0.1, value_coef=0.5, entropy_coef=0.2, clip=1.0)
    scheme, _ = a_case.build()
    log_prob = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)
    entropy = torch.tensor([0.5, 0.6, 0.7], requires_grad=True)
    value = torch.tensor([0.4, 0.9, -0.8], requires_grad=True)
    returns, weights = [0.7, 0.2, 0.9], [1.0, 0.5, 0.25]
    loss = scheme.loss(batch_of(returns, weights), Judgement(log_prob, entropy, value))
    gaps = [0.3, 0.0, 1.0]  # the second value is above its return; the third gap of 1.7 is cut
    expected = 0.0
    for index in (0, 2):
        policy = -log_prob[index].item() * gaps[index]
        expected += weights[index] * (policy + 0.25 * gaps[index] ** 2 - 0.2 * entropy[index].item())
    assert loss.item() == pytest.approx(0.1 * expected / 64, rel=1e-5)
    loss.backward()
    scale = 0.1 / 64
    assert log_prob.grad.tolist() == pytest.approx([-scale * 0.3, 0.0, -scale * 0.25], rel=1e-5)
    assert value.grad.tolist() == pytest.approx([-scale * 0.5 * 0.3, 0.0, 0.0], rel=1e-5)  # no policy term in it
    assert entropy.grad.tolist() == pytest.approx([-scale * 0.2, 0.0, -scale * 0.2 * 0.25], rel=1e-5)


def test_many_steps_above_their_value_are_averaged():
    scheme, _ = case("sil", coef=1.0, value_coef=0.0).build()
    log_prob = torch.full((200,), -2.0, requires_grad=True)
    value = torch.cat([torch.zeros(100), torch.ones(100)])
    loss = scheme.loss(batch_of([0.5] * 200, [1.0] * 200), Judgement(log_prob, log_prob, value))
    assert float(loss) == pytest.approx(2.0 * 0.5)


def test_priorities_are_the_gaps():
    a_case = case("sil", batch_size=64, updates=1, alpha=1.0)
    scheme, _ = a_case.build()
    scheme.compute(rollouts(a_case, 40)[0])
    (loss,) = scheme.aux_losses()
    for batch in loss.batches():
        far = batch.extra["place"] == 0
        value = torch.where(far, batch.extra["return"] - 0.9, batch.extra["return"] + 1.0).requires_grad_()
        loss.loss(batch, Judgement(value, value, value))
    kept = scheme.replay.state_dict()["priorities"].numpy()
    drawn = np.unique(batch.extra["place"].numpy())
    for place in drawn:
        assert kept[place] == pytest.approx(0.9 if place == 0 else 1e-6, abs=1e-6)
    assert scheme.update(rollouts(a_case, 40)[0])["explore/sil_above_value"] == pytest.approx(float(far.float().mean()))
