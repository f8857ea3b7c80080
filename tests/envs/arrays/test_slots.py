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


@pytest.mark.parametrize("sources", [1, 2])
def test_random_play_beside_sources_returns_what_is_said(sources):
    n, k, limit, won = 2, 2, 4, 0
    env = slots.make(slots.Config(n=n, k=k, steps=limit, distractors=sources - 1), Levels(1))
    for actions in itertools.product(range(n * k + 1 + sources), repeat=limit):
        env.reset([3])
        for action in actions:
            batch = env.step(np.array([action]))
            if batch.terminated[0]:
                break
        won += int(batch.success[0])
    found = slots.random_return(n, k, limit, sources)
    assert found == pytest.approx(won / (n * k + 1 + sources) ** limit, abs=1e-12) and found > 0
    assert env.spec.task.random_return == found


def test_the_source_that_is_asked_for_tells_what_is_right():
    facts = ("given", "wanted", "right", "evidence", "picture", "state_hash")
    env = slots.make(slots.Config(n=3, k=4, distractors=2), Levels(2), facts)
    seen = env.reset([0, 1])["vector"]
    asked = seen[:, -3:].argmax(axis=1)
    assert (seen[:, -3:].sum(axis=1) == 1).all() and not seen[:, 15:30].reshape(2, 3, 5)[..., 1:].any()
    questions = {int(env.reset([i, i])["vector"][0, -3:].argmax()) for i in range(20)}
    assert questions == {0, 1, 2}, "each episode asks anew"
    env.reset([0, 1])
    look, other = 13 + asked, 13 + (asked + 1) % 3
    batch = env.step(np.where([True, False], look, other))  # the second one is distracted
    assert batch.privileged["evidence"].tolist() == [1, 0]
    told = batch.next_obs["vector"][:, 15:30].reshape(2, 3, 5).argmax(axis=2)
    assert told[0].tolist() == batch.privileged["wanted"][0].tolist() != batch.privileged["wanted"][1].tolist()
    assert (told > 0).all() and told[1].tolist() != batch.privileged["wanted"][1].tolist()
    state = env.get_state()
    for slot in range(3):
        batch = env.step(slot * 4 + told[:, slot] - 1)
        assert batch.next_obs["vector"][:, 15:30].reshape(2, 3, 5).argmax(axis=2).tolist() == told.tolist()
    batch = env.step(np.array([12, look[1]]))
    assert batch.task_reward.tolist() == [1.0, 0.0] and batch.success.tolist() == [True, False]
    assert batch.privileged["evidence"].tolist() == [1, 0], "looked into when the answer was begun already: too late"
    assert env.privileged()["evidence"].tolist() == [0, 0], "a new episode has a new question"
    env.set_state(state)
    assert env.privileged()["wanted"][0].tolist() == told[0].tolist()
    assert env.privileged()["evidence"].tolist() == [1, 0]


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
    with pytest.raises(UserError, match=r"env.steps=7: with distractors, looking, filling and handing in takes 8"):
        compose(["env=slots", "env.steps=7", "env.distractors=0"])
