"""Terms: what each name stands for, by hand, in rollouts and in replayed steps."""

import numpy as np
import pytest
import torch
from made_up import case, rollouts, steps_of

from rewardlab.config.composition import compose
from rewardlab.contracts.replay_laws import _steps
from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import worlds
from rewardlab.errors import UserError
from rewardlab.rewards import terms
from rewardlab.schemas import check
from rewardlab.training.build import build

GAMMA = 0.97  # of the made-up contexts


def test_each_term_is_a_stream_with_a_weight():
    a_case = case("terms", terms={"near": "-distance", "cost": "-1"}, weights={"cost": 0.1}, gamma=0.5, task_coef=2.0)
    scheme, _ = a_case.build()
    assert [(spec.name, spec.gamma, spec.coef) for spec in scheme.streams] == [
        ("task", GAMMA, 2.0), ("near", 0.5, 1.0), ("cost", 0.5, 0.1),
    ]  # fmt: skip
    assert scheme.assumes == {"privileged"} and scheme.privileged == ("distance",)
    rollout = rollouts(a_case, 9)[0]
    streams = scheme.compute(rollout).streams
    assert torch.equal(streams["near"], -rollout.privileged["distance"].float())
    assert (streams["cost"] == -1).all()


def test_names_stand_for_what_is_reached_what_was_and_what_the_episode_began_with():
    text = "distance - 2 * was_distance + 3 * start_distance + 100 * start_agent_pos[1] + 10 * task + 5 * terminated"
    a_case = case("terms", terms={"x": text + " - 7 * success + 0.5 * action"})
    scheme, _ = a_case.build()
    made = rollouts(a_case, 20, 1, 15)
    paid = [scheme.compute(rollout).streams["x"] for rollout in made]
    began = {}
    for number, t, env, episode, begins in steps_of(made):
        rollout = made[number]
        before, after = rollout.current_privileged, rollout.privileged
        if begins:
            began[episode] = (float(before["distance"][t, env]), float(before["agent_pos"][t, env, 1]))
        distance, row = began[episode]
        expected = float(after["distance"][t, env]) - 2 * float(before["distance"][t, env]) + 3 * distance + 100 * row
        expected += 10 * float(rollout.task_reward[t, env]) + 5 * float(rollout.terminated[t, env])
        expected += -7 * float(rollout.success[t, env]) + 0.5 * float(rollout.action[t, env])
        assert float(paid[number][t, env]) == pytest.approx(expected, abs=1e-3)


def test_lucys_distance_term_and_an_actions_cost():
    """exp(-.5 d / (c w_dis))^(1 / w_den) with d = |vector[0]|, and an action that reaches beyond its bounds."""
    options = {"near": "exp(-0.5 * abs(vector[0]) / (2 * 1.5)) ** (1 / 0.7)", "effort": "-(action[0] ** 2)"}
    a_case = case("terms", world="continuous", terms=options)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, 12)[0]
    rollout.action[0, 0, 0] = 40.0
    streams = scheme.compute(rollout).streams
    distance = rollout.next_obs["vector"][..., 0].abs().double().numpy()
    np.testing.assert_allclose(streams["near"], np.exp(-0.5 * distance / 3.0) ** (1 / 0.7), rtol=1e-5)
    assert float(streams["effort"][0, 0]) == -1.0


def test_a_segment_is_paid_where_it_ends():
    a_case = case("terms", terms={"x": "distance"}, ends={"x": "agent_pos[0] == 0"})
    scheme, _ = a_case.build()
    assert not scheme.pays_anew
    made = rollouts(a_case, 20, 1, 15)
    paid, held, ended = [scheme.compute(rollout).streams["x"] for rollout in made], {}, 0
    for number, t, env, episode, _ in steps_of(made):
        facts = made[number].privileged
        held[episode] = held.get(episode, 0.0) + float(facts["distance"][t, env])
        ends = float(facts["agent_pos"][t, env, 0]) == 0 or bool(made[number].done[t, env])
        ended += ends
        assert float(paid[number][t, env]) == pytest.approx(held[episode] if ends else 0.0, abs=1e-3)
        if ends:
            held[episode] = 0.0
    assert ended > 10


@pytest.mark.parametrize(
    ("options", "anew"),
    [
        ({"x": "distance - task + action"}, True),
        ({"x": "was_distance"}, False),
        ({"x": "start_distance"}, False),
        ({"x": "distance", "y": "success"}, False),
        ({"x": "terminated"}, False),
    ],
)
def test_a_replayed_step_is_paid_anew_what_it_was_paid_or_not_at_all(options, anew):
    a_case = case("terms", terms=options)
    scheme, _ = a_case.build()
    assert scheme.pays_anew is anew
    if anew:
        rollout = rollouts(a_case, 14)[0]
        again, first = scheme.rewards_of(_steps(rollout)), scheme.compute(rollout).streams
        for name in options:
            assert torch.equal(again[name], first[name].flatten())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"terms": {}}, r"terms=\{\}: needs at least one"),
        ({"terms": {"task": "1"}}, "terms.task: must be a word, other than task"),
        ({"terms": {"a.b": "1"}}, r"terms.a.b: must be a word"),
        ({"terms": {"x": "open('f')"}}, "no function open"),
        ({"terms": {"x": "was_task"}}, "terms.x=was_task: was_task is not known"),
        ({"terms": {"x": "1"}, "weights": {"y": 2.0}}, r"weights.y: no such term \(allowed: x\)"),
        ({"terms": {"x": "1"}, "ends": {"x": "1 +"}}, r"ends.x=1 \+: '1 \+' is no expression"),
    ],
)
def test_what_is_no_term_is_refused_in_one_line(options, message):
    with pytest.raises(UserError, match=message) as refusal:
        check(terms.Config(plugin="terms", **options), "reward.")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("world", "text", "message"),
    [
        ("grid", "agent_pos", r"reward.terms.x: gives numbers of shape \(2,\)"),
        ("vector", "was_vector[9]", "reward.terms.x: can't be computed on made-up vector"),
        ("grid", "start_vector[0]", "reads the vector, and made-up grid shows image"),
    ],
)
def test_a_term_that_gives_no_number_is_refused_before_a_run(world, text, message):
    with pytest.raises(UserError, match=message):
        case("terms", world=world, terms={"x": text}).build()


def test_a_term_of_a_preset_is_left_out_by_null():
    composed = compose(["env=empty_5x5", "reward=terms", "reward.terms.near=-distance", "reward.terms.progress=null"])
    parts = build(composed.config)
    parts.env.close()
    assert [spec.name for spec in parts.scheme.streams] == ["task", "near"]


def test_a_world_without_the_fact_is_refused():
    config = terms.Config(plugin="terms", terms={"x": "was_fuel"})
    with pytest.raises(UserError, match="reads the full-state fact fuel, which made-up grid does not give"):
        terms.Scheme(config, new_context(worlds()["grid"]))
