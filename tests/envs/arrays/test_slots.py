"""Slots: its rules by hand, and what random play returns, by trying every sequence of actions."""

import itertools

import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.envs.arrays import slots
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError


def make(**options):
    return slots.make(slots.Config(**options), Levels(2), ("given", "wanted", "right", "picture"))


def test_only_the_whole_answer_pays():
    env = make(n=3, k=4, target=5)
    env.reset([0, 1])
    right = env.wanted - 1
    for slot in (2, 0, 1):
        batch = env.step(np.array([slot * 4 + right[slot], slot * 4]))
        assert not batch.task_reward.any() and not batch.terminated.any()
    assert batch.privileged["right"].tolist() == [3, int((env.wanted == 1).sum())]
    assert batch.privileged["given"][1].tolist() == [1, 1, 1]
    shown = batch.next_obs["vector"].reshape(2, 3, 5)
    assert shown.argmax(axis=2).tolist() == batch.privileged["given"].tolist() and (shown.sum(axis=2) == 1).all()
    batch = env.step(np.array([12, 12]))
    assert batch.task_reward.tolist() == [1.0, 0.0] and batch.success.tolist() == [True, False]
    assert batch.terminated.all() and not env.privileged()["given"].any()
    assert (batch.privileged["wanted"] == env.wanted).all()


def test_time_is_up_after_three_times_the_slots():
    env = make(n=2, k=2)
    env.reset([0, 1])
    ends = [env.step(np.zeros(2, dtype=np.int64)) for _ in range(6)]
    assert [bool(batch.truncated.all()) for batch in ends] == [False] * 5 + [True] and not ends[-1].success.any()


def test_random_play_returns_what_is_said():
    n, k, limit = 2, 2, 5
    env = slots.make(slots.Config(n=n, k=k, steps=limit), Levels(1))
    won = 0
    for actions in itertools.product(range(n * k + 1), repeat=limit):
        env.reset([0])
        for action in actions:
            batch = env.step(np.array([action]))
            if batch.terminated[0]:
                break
        won += int(batch.success[0])
    assert slots.random_return(n, k, limit) == pytest.approx(won / (n * k + 1) ** limit, abs=1e-12)
    assert env.spec.task.random_return == slots.random_return(n, k, limit)


def test_the_picture_shows_what_is_right():
    env = make(n=2, k=3)
    env.reset([0, 1])
    env.step(np.array([env.wanted[0] - 1, env.wanted[0] % 3]))
    picture = env.privileged()["picture"]
    assert picture.shape == (2, 32, 64, 3)
    assert picture[:, 16, 16].tolist() == [[70, 160, 90], [190, 70, 60]] and picture[0, 16, 48].tolist() == [90] * 3


def test_too_few_steps_are_refused():
    with pytest.raises(UserError, match=r"env.steps=6: filling 6 slots and handing in takes 7"):
        compose(["env=slots", "env.steps=6"])
