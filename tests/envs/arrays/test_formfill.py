"""FormFill: its rules by hand, and what random play returns, by trying every sequence of actions."""

import math

import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.envs.arrays import formfill
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError

CLICK, TYPE = 0, 1


def make(num_envs: int = 1, lists=None, **options):
    facts = ("matched", "state_hash", "picture")
    return formfill.make(formfill.Config(**options), Levels(num_envs, lists=lists), facts)


def told(env) -> list[int]:
    """Which field each pair names, of the first environment: read off what is seen."""
    pairs, fields = env.arrays["field"].shape[1], env.arrays["text"].shape[1]
    named = env.observe()["vector"].reshape(-1, 2, pairs, fields)[0, 0]
    assert (named.sum(axis=1) == 1).all()
    return named.argmax(axis=1).tolist()


def act(env, kind: int, pair: int, element: int):
    pairs, elements = env.arrays["field"].shape[1], env.arrays["text"].shape[1] + 1
    return env.step(np.full(env.num_envs, kind * elements * pairs + pair * elements + element))


def test_only_the_whole_form_pays_and_a_field_filled_twice_holds_the_last():
    env = make(fields=2, distractors=1)
    env.reset([3])
    field, submit = told(env), 3
    shares = []
    for kind, pair, element in [
        (TYPE, 1, field[0]),  # the other pair's value
        (CLICK, 1, field[0]),  # clicks elsewhere do nothing
        (TYPE, 0, submit),  # and neither does text in the button
        (TYPE, 0, field[0]),
        (TYPE, 1, field[1]),
    ]:
        batch = act(env, kind, pair, element)
        assert not batch.task_reward.any() and not batch.terminated.any()
        shares.append(float(batch.privileged["matched"][0]))
    assert shares == [0.0, 0.0, 0.0, 0.5, 1.0]
    batch = act(env, CLICK, 1, submit)
    assert batch.task_reward.tolist() == [1.0] and batch.success.all() and batch.terminated.all()
    assert batch.privileged["matched"].tolist() == [1.0] and env.privileged()["matched"].tolist() == [0.0]


def test_what_is_missing_and_what_is_too_much_cost():
    for spoil in (False, True):
        env = make(fields=2, distractors=1)
        env.reset([3])
        field = told(env)
        act(env, TYPE, 0, field[0])
        if spoil:
            act(env, TYPE, 1, field[1])
            batch = act(env, TYPE, 0, ({0, 1, 2} - set(field)).pop())
            assert batch.privileged["matched"].tolist() == [1.0], "the share is of the fields that are asked for"
        batch = act(env, CLICK, 0, 3)
        assert batch.task_reward.tolist() == [-1.0] and batch.terminated.all() and not batch.success.any()


def test_time_up_costs_and_ends_the_task_and_the_last_step_may_submit():
    env = make(fields=1, distractors=0)
    env.reset([0])
    ends = [act(env, TYPE, 0, 0) for _ in range(6)]
    assert [float(batch.task_reward[0]) for batch in ends] == [0.0] * 5 + [-1.0]
    assert ends[-1].terminated.all() and ends[-1].truncated.all() and not ends[-1].success.any()
    for _ in range(5):
        act(env, TYPE, 0, 0)
    last = act(env, CLICK, 0, 1)
    assert last.task_reward.tolist() == [1.0] and last.success.all() and last.truncated.all()


def test_what_is_seen_is_whose_value_each_field_holds():
    env = make(fields=3, distractors=2)
    env.reset([5])
    act(env, TYPE, 2, 4)
    act(env, TYPE, 0, 1)
    batch = act(env, TYPE, 2, 0)
    held = batch.next_obs["vector"].reshape(2, 3, 5)[1]
    assert np.argwhere(held).tolist() == [[0, 1], [2, 0], [2, 4]]
    lower = batch.privileged["picture"][0].reshape(2, 32, 5, 32, 3)[1, 16, :, 16].tolist()
    empty = [lower[field] == [90, 90, 90] for field in range(5)]
    assert empty == [False, False, True, True, False]


@pytest.mark.parametrize(("fields", "distractors", "limit"), [(1, 0, 6), (1, 1, 4), (1, 2, 4), (2, 0, 3), (2, 1, 3)])
def test_random_play_returns_what_is_said(fields: int, distractors: int, limit: int):
    """A Markov chain over whole pages, of which each step is played from each page once."""
    env = make(fields=fields, distractors=distractors, steps=limit)
    count, first, where = env.spec.action.n, env.reset([7]), np.zeros(1, dtype=int)
    begun = env.take_places(where)
    chance, expected = {bytes(first["vector"]): (1.0, begun)}, 0.0
    for _ in range(limit):
        after: dict = {}
        for p, places in chance.values():
            for action in range(count):
                env.put_places(where, places)
                batch = env.step(np.array([action]))
                expected += p / count * float(batch.task_reward[0])
                if not batch.terminated[0]:
                    key = bytes(batch.next_obs["vector"])
                    before = after.get(key, (0.0, None))[0]
                    after[key] = (before + p / count, env.take_places(where))
        chance = after
    assert not chance, "time is up"
    assert formfill.random_return(fields, distractors, limit) == pytest.approx(expected, abs=1e-12)
    assert env.spec.task.random_return == formfill.random_return(fields, distractors, limit)
    assert expected > -1.0


def test_one_field_by_hand():
    """Empty, it is filled with 1/4 and submitted with 1/4; filled, it is submitted with 1/4 and else stays so."""
    two = 1 / 4 * 1 / 4
    three = two + 1 / 4 * 3 / 4 * 1 / 4 + 1 / 2 * 1 / 4 * 1 / 4
    assert formfill.random_return(1, 0, 2) == pytest.approx(2 * two - 1)
    assert formfill.random_return(1, 0, 3) == pytest.approx(2 * three - 1)


def test_levels_are_instructions():
    config, seeds = formfill.Config(fields=2, distractors=1), range(200)
    keys = config.level_keys(seeds)
    assert len(set(keys)) == math.perm(3, 2) == make(fields=2, distractors=1).spec.task.distinct_levels
    env = make(len(seeds), lists=[[seed] for seed in seeds], fields=2, distractors=1)
    seen = env.reset([0] * len(seeds))["vector"]
    for i in range(len(seeds)):
        for j in range(i):
            assert (keys[i] == keys[j]) == np.array_equal(seen[i], seen[j])


@pytest.mark.parametrize(("fields", "distractors"), [(2, 2), (4, 14), (5, 15)])
def test_how_many_levels_training_meets(fields: int, distractors: int):
    levels = math.perm(fields + distractors, fields)
    found = make(fields=fields, distractors=distractors).spec.task.seen_in_training
    assert found == pytest.approx(1 - (1 - 1 / levels) ** 40_000, rel=1e-6)


def test_places_are_put_back_with_their_time():
    env = make(2, fields=2, distractors=1)
    env.reset([1, 2])
    act(env, TYPE, 0, 0)
    places, seen, facts = env.take_places(np.array([1])), env.observe()["vector"], env.privileged()
    act(env, TYPE, 1, 2)
    assert not np.array_equal(env.observe()["vector"][1], seen[1])
    shown = env.put_places(np.array([1]), places)["vector"]
    assert np.array_equal(shown[1], seen[1]) and env.steps.tolist() == [2, 1]
    assert env.privileged()["state_hash"][1] == facts["state_hash"][1]
    assert env.privileged()["state_hash"][0] != facts["state_hash"][0]


def test_bad_input_is_one_line():
    with pytest.raises(UserError, match=r"^env.steps=3: filling 3 fields and submitting takes 4$"):
        compose(["env=formfill", "env.fields=3", "env.steps=3"])
    with pytest.raises(UserError, match=r"^env.fields=0: must be at least 1$"):
        compose(["env=formfill", "env.fields=0"])
