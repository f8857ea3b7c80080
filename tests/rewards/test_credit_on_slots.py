"""Partial credit on slots: what is paid when, through the scheme; the functions themselves stand in maths."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up import case, rollouts, steps_of

from rewardlab.config.composition import compose
from rewardlab.contracts import reward_laws
from rewardlab.errors import UserError
from rewardlab.maths import partial_credit as maths
from rewardlab.rewards.shaping.partial_credit import METHODS
from rewardlab.training.build import build


@pytest.mark.parametrize("method", METHODS)
def test_laws_hold_for_every_method(method):
    a_case = case("partial_credit", method=method)
    for law in reward_laws.LAWS:
        shared = method == "weighted_tests" and law is reward_laws.episode_ends_touch_one_environment
        if not shared:  # how often others pass is what weighs a test
            law(a_case)


@pytest.mark.parametrize(
    "method", ["set_match", "component_set", "tiered", "progressive", "tool_match", "gaussian", "evidence"]
)
def test_an_answer_is_paid_when_it_is_handed_in(method):
    a_case = case("partial_credit", method=method)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, 40)[0]
    rollout.progress = 0.5
    paid, ended = scheme.compute(rollout).streams["intrinsic"], 0
    for t in range(40):
        for env in range(4):
            given, wanted = rollout.privileged["given"][t, env], rollout.privileged["wanted"][t, env]
            expected = 0.0
            if rollout.done[t, env]:
                ended += 1
                answer = given if rollout.terminated[t, env] else torch.zeros_like(given)
                expected = by_hand(method, answer, wanted)
                if method == "evidence":
                    found = bool(rollout.privileged["evidence"][t, env] == 1) and bool(answer.any())
                    expected = float(torch.equal(answer, wanted)) + 0.25 * found
            assert float(paid[t, env]) == pytest.approx(expected, abs=1e-6)
    assert ended > 10


def by_hand(method, given, wanted):
    wrong = float((given != wanted).float().mean())
    if method == "set_match":
        return float(maths.set_match(given, wanted))
    if method == "component_set":
        return float(maths.component_set(given, wanted, 9))
    if method in ("tiered", "progressive"):
        scale = 0.5 if method == "progressive" else 1.0
        return sum(w / 6 for w, tier in ((1, 0.5), (2, 0.25), (3, 0.0)) if wrong <= scale * tier)
    if method == "evidence":
        return 0.0
    if method == "gaussian":
        return float(sum(maths.gaussian(given.float(), wanted.float())) / 2) if (given > 0).all() else 0.0
    calls = [[(int(s[i]), {0: int(s[i + 1])} if s[i + 1] else {}) for i in (0, 2) if s[i]] for s in (given, wanted)]
    return maths.tool_match(*calls)


@pytest.mark.parametrize("assign", ["turn", "step"])
def test_a_checklist_is_ticked_across_rollouts(assign):
    a_case = case("partial_credit", method="checklist", assign=assign)
    scheme, _ = a_case.build()
    made, met, total = rollouts(a_case, 13, 1, 20), {}, {}
    paid = [scheme.compute(rollout).streams["intrinsic"] for rollout in made]
    for number, t, env, episode, _ in steps_of(made):
        rollout = made[number]
        right = (rollout.privileged["given"][t, env] == rollout.privileged["wanted"][t, env]).tolist()
        ticked, fresh = met.setdefault(episode, [False] * 4), 0
        for k in range(4):
            if right[k] and not ticked[k] and (assign == "turn" or all(ticked[:k])):
                ticked[k], fresh = True, fresh + 1
        found = float(paid[number][t, env])
        total[episode] = total.get(episode, 0.0) + found
        expected = fresh / 4 if assign == "step" else sum(ticked) / 4 * bool(rollout.done[t, env])
        assert found == pytest.approx(expected)
    assert max(total.values()) <= 1.0 and sum(total.values()) > 1.0
    if assign == "step":
        assert all((total[episode] > 0.999) == all(ticks) for episode, ticks in met.items())


ALIKE = ["set_match", "tiered", "progressive", "weighted_tests", "checklist", "milestone", "evidence"]


@pytest.mark.parametrize("method", ALIKE)
def test_the_order_of_the_slots_does_not_matter(method):
    a_case, order = case("partial_credit", method=method), [2, 0, 3, 1]
    (one, _), (other, _) = a_case.build(), a_case.build()
    for rollout in rollouts(a_case, 40, 30):
        given, wanted = (rollout.privileged[name].clone() for name in ("given", "wanted"))
        wanted[..., 0] = 7  # slots that differ
        moved = {"given": given[..., order], "wanted": wanted[..., order]}
        rollout.privileged |= {"given": given, "wanted": wanted}
        turned = replace(rollout, privileged=rollout.privileged | moved)
        assert torch.allclose(one.compute(rollout).streams["intrinsic"], other.compute(turned).streams["intrinsic"])


def test_tests_that_all_pass_weigh_less_and_less():
    a_case = case("partial_credit", method="weighted_tests")
    scheme, _ = a_case.build()
    rates, rollout = np.zeros(4), rollouts(a_case, 60)[0]
    rollout.privileged["given"][..., 0] = rollout.privileged["wanted"][..., 0]  # the first test always passes
    paid = scheme.compute(rollout).streams["intrinsic"]
    for t in range(60):
        weights, done = (1 - rates) / (1 - rates).sum(), rollout.done[t].nonzero().flatten().tolist()
        passes = []
        for env in done:
            given = rollout.privileged["given"][t, env] * bool(rollout.terminated[t, env])
            passes.append((given == rollout.privileged["wanted"][t, env]).numpy())
            expected = 0.5 * float((passes[-1] * weights).sum()) + 0.5 * passes[-1].all()
            assert float(paid[t, env]) == pytest.approx(expected, abs=1e-5)
        if done:
            rates += (1 - 0.99 ** len(done)) * (np.mean(passes, axis=0) - rates)
    assert rates[0] > rates[1:].max()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["reward.method=gaussian", "env.n=3"], "a box has four slots, and Slots-3x8 has 3"),
        (["reward.method=tool_match", "reward.call_size=4"], "call_size=4: Slots-6x8 has 6 slots, which are no whole"),
        (["reward.tiers=[0.5,0.2]"], r"tiers=\[0.5, 0.2\]: must be shares that fall to 0"),
        (["reward.method=evidence"], "reads the full-state fact evidence|cannot give evidence"),
        (["env=bitflip"], "reads the full-state fact given|cannot give given"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(overrides, message):
    with pytest.raises(UserError, match=message) as refusal:
        build(compose(["env=slots", "reward=partial_credit", "num_envs=4", "frames=1000", *overrides]).config)
    assert "\n" not in str(refusal.value)
