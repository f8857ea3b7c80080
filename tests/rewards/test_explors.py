"""ExploRS: the step of its rewards by hand, and a whole scheme against loops over single steps."""

import math
from collections import defaultdict

import numpy as np
import pytest
import torch
from made_up import case, rollouts, steps_of, what_is_seen

from rewardlab.errors import UserError
from rewardlab.maths.self_shaping import shaping_steps, visit_bonus
from rewardlab.parts.memories.key_table import KeyTable

GAMMA = 0.97  # of the made-up contexts


def test_a_step_moves_both_rewards_of_its_state():
    step = 0.01 * shaping_steps(np.array([[0.3, 0.7]]), np.array([0]), np.array([2.0]))
    np.testing.assert_allclose(step, [[0.0042, -0.0042]], atol=1e-12)


def test_the_bonus_begins_at_its_most_and_falls_with_the_root_of_visits():
    np.testing.assert_allclose(visit_bonus(np.array([0, 3]), 1.0, 1.0), [1.0, 0.5])
    assert visit_bonus(np.array(0), 2.0, 0.7) == pytest.approx(0.7)
    assert visit_bonus(np.array(10**6), 2.0, 0.7) == pytest.approx(2e-3, rel=1e-4)


@pytest.mark.parametrize("centred", [False, True])
def test_the_scheme_pays_and_learns_as_single_steps_say(centred):
    a_case = case("explors", learning_rate=0.05, value_rate=0.3, scale=0.8, most=0.5, centred=centred)
    scheme, _ = a_case.build()
    made = rollouts(a_case, 20, 7, 20)
    visits, rewards, values = defaultdict(int), defaultdict(lambda: np.zeros(7)), defaultdict(float)
    for number, rollout in enumerate(made):
        paid = scheme.compute(rollout).streams["intrinsic"]
        scheme.update(rollout)
        mine = [step[1:3] for step in steps_of(made) if step[0] == number]
        moved, errors = defaultdict(lambda: np.zeros(7)), defaultdict(list)
        for t, env in mine:
            here, there = what_is_seen(rollout.obs, t, env), what_is_seen(rollout.next_obs, t, env)
            action = int(rollout.action[t, env])
            same = sum(what_is_seen(rollout.next_obs, t, other) == there for other in range(4))
            if env == 0:
                before = dict(visits)
                for other in range(4):
                    visits[what_is_seen(rollout.next_obs, t, other)] += 1
            count = before.get(there, 0) + same - 1  # others of the same step count too
            new = 0.0 if rollout.terminated[t, env] else 0.8 / math.sqrt((0.8 / 0.5) ** 2 + count)
            policy = torch.softmax(rollout.dist["logits"][t, env].double(), 0).numpy()
            mean = float(policy @ rewards[here]) if centred else 0.0
            assert float(paid[t, env]) == pytest.approx(rewards[here][action] - mean + new, abs=1e-5)
            total, discount, at = 0.0, 1.0, t
            while True:
                total += discount * float(rollout.task_reward[at, env])
                discount *= GAMMA
                if rollout.terminated[at, env]:
                    break
                if rollout.truncated[at, env] or at == rollout.steps - 1:
                    total += discount * values[what_is_seen(rollout.next_obs, at, env)]
                    break
                at += 1
            error = total - values[here]
            errors[here].append(error)
            moved[here] += 0.05 * policy[action] * error * (np.eye(7)[action] - policy)
        for seen, step in moved.items():
            rewards[seen] = rewards[seen] + step
            values[seen] += 0.3 * float(np.mean(errors[seen]))
    assert max(np.abs(row).max() for row in rewards.values()) > 1e-3


def test_without_a_rate_or_a_scale_one_half_is_left():
    a_case = case("explors", learning_rate=0.0)
    scheme, _ = a_case.build()
    for rollout in rollouts(a_case, 20, 20):
        bonus = scheme.compute(rollout).streams["intrinsic"]
        assert bool(((bonus > 0) != rollout.terminated).all())
        scheme.update(rollout)
    a_case = case("explors", scale=0.0, clip=1e-3, learning_rate=10.0, centred=False)
    scheme, _ = a_case.build()
    first, second = rollouts(a_case, 20, 20)
    assert not scheme.compute(first).streams["intrinsic"].any()
    scheme.update(first)
    assert scheme.compute(second).streams["intrinsic"].abs().max() == pytest.approx(1e-3)


def test_numbers_of_keys_add_up():
    table = KeyTable(2)
    table.add(np.array([5, -3, 5]), np.array([[1.0, 2.0], [3.0, 4.0], [10.0, 20.0]]))
    table.add(np.array([7]), np.array([[1.0, 1.0]]))
    np.testing.assert_array_equal(table.look_up(np.array([[5, -3], [0, 7]])), [[[11, 22], [3, 4]], [[0, 0], [1, 1]]])


def test_boxes_are_refused():
    with pytest.raises(UserError, match="keeps a reward for each action"):
        case("explors", world="continuous", key="simhash").build()
