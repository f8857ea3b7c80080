"""Partial credit: numbers of the papers, ranges, and that nothing beats the right answer."""

import itertools
import math

import numpy as np
import pytest
import torch

from rewardlab.maths import partial_credit as maths

SYMBOLS = 3
TARGET = torch.tensor([2, 1, 3])
EVERY = torch.tensor(list(itertools.product(range(SYMBOLS + 1), repeat=3)))
TRUE = (EVERY == TARGET).all(dim=1)


def of_all(method: str) -> torch.Tensor:
    wanted = TARGET.expand_as(EVERY)
    if method == "set_match":
        return maths.set_match(EVERY, wanted)
    if method == "component_set":
        return maths.component_set(EVERY, wanted, SYMBOLS)
    if method == "tiered":
        return maths.tiered((wanted != EVERY).float().mean(dim=1), [0.7, 0.4, 0.0])
    if method == "evidence":  # whether it was found, as it is worst for telling right from wrong
        return maths.evidence(EVERY, wanted, ~TRUE, 0.25)
    passed = wanted == EVERY
    return maths.weighted_tests(passed, maths.failing_weights(torch.tensor([0.9, 0.1, 0.5])))


@pytest.mark.parametrize(
    ("method", "least"),
    [("set_match", -0.25), ("component_set", 0.0), ("tiered", 0.0), ("weighted_tests", 0.0), ("evidence", 0.0)],
)
def test_credit_is_within_its_range_and_greatest_only_for_the_right_answer(method, least):
    credit = of_all(method)
    assert float(credit.min()) == pytest.approx(least, abs=1e-6)
    assert float(credit[TRUE]) == pytest.approx(1.0) and (credit[~TRUE] < 1 - 1e-3).all()


@pytest.mark.parametrize("method", ["set_match", "tiered", "weighted_tests", "evidence"])
def test_slots_are_interchangeable(method):
    order = [2, 0, 1]

    def credit(given, wanted):
        if method == "set_match":
            return maths.set_match(given, wanted)
        if method == "evidence":
            return maths.evidence(given, wanted, given[:, :1].sum(dim=1) >= 0, 0.25)
        if method == "weighted_tests":
            return maths.weighted_tests(given == wanted, maths.failing_weights(torch.full((3,), 0.3)))
        return maths.tiered((given != wanted).float().mean(dim=1), [0.7, 0.4, 0.0])

    wanted = TARGET.expand_as(EVERY)
    assert torch.equal(credit(EVERY, wanted), credit(EVERY[:, order], wanted[:, order]))


def test_evidence_counts_for_an_answer_only():
    given = torch.tensor([[2, 1, 3], [2, 1, 3], [1, 1, 1], [1, 0, 0], [0, 0, 0]])
    found = torch.tensor([True, False, True, True, True])
    credit = maths.evidence(given, TARGET.expand_as(given), found, 0.25)
    assert credit.tolist() == [1.25, 1.0, 0.25, 0.25, 0.0]


SOME = EVERY.repeat_interleave(4, dim=0)  # every answer, its fourth slot filled in all ways


@pytest.mark.parametrize("method", ["gaussian", "box_size", "tool_match"])
def test_other_credit_is_within_its_range_and_greatest_only_for_the_right_answer(method):
    given = torch.cat([SOME, torch.arange(SYMBOLS + 1).repeat(len(EVERY))[:, None]], dim=1)
    wanted = torch.tensor([2, 1, 3, 2])
    least, most = {"gaussian": (0.0, 1.0), "box_size": (0.0, 1.375), "tool_match": (-3.0, 3.0)}[method]
    if method == "tool_match":
        calls = [[(int(s[i]), {0: int(s[i + 1])} if s[i + 1] else {}) for i in (0, 2) if s[i]] for s in given]
        goal = [(2, {0: 1}), (3, {0: 2})]
        credit = torch.tensor([maths.tool_match(each, goal) for each in calls])
        assert [maths.tool_match(each[::-1], goal) for each in calls] == pytest.approx(credit.tolist())
        best = torch.tensor([sorted(map(str, each)) == sorted(map(str, goal)) for each in calls])
    else:
        given = given[(given > 0).all(dim=1)]
        best = (given == wanted).all(dim=1)
        boxes = given.float(), wanted.float().expand(len(given), 4)
        credit = torch.stack(maths.gaussian(*boxes)).mean(dim=0) if method == "gaussian" else maths.box_size(*boxes, 3)
        turned = [box[:, [1, 0, 3, 2]] for box in boxes]  # x and y in each other's place
        again = torch.stack(maths.gaussian(*turned)).mean(dim=0) if method == "gaussian" else maths.box_size(*turned, 3)
        assert torch.allclose(credit, again)
    assert credit.min() >= least and credit[best].tolist() == pytest.approx([most] * int(best.sum()))
    assert best.any() and (credit[~best] < most - 1e-3).all()


def test_a_box_of_20_that_is_2_aside():
    box, aside = torch.tensor([50.0, 50, 20, 20]), torch.tensor([52.0, 50, 20, 20])
    point, coverage = maths.gaussian(aside, box)
    assert (float(point), float(coverage)) == (pytest.approx(0.9802, abs=5e-5), pytest.approx(0.9950, abs=5e-5))
    assert [float(part) for part in maths.gaussian(box, box)] == [1.0, 1.0]
    larger = torch.tensor([50.0, 50, 40, 20])  # two deviations of 20 and 10: the integral of the root of both densities
    x = np.linspace(-200, 200, 200_001)
    root = np.sqrt(np.exp(-0.5 * (x / 20) ** 2) / 20 * np.exp(-0.5 * (x / 10) ** 2) / 10 / (2 * math.pi))
    assert float(maths.gaussian(larger, box)[1]) == pytest.approx(root.sum() * (x[1] - x[0]), rel=1e-4)


def test_the_size_of_a_box_counts():
    box, larger = torch.tensor([5.0, 5, 4, 2]), torch.tensor([5.0, 5, 8, 2])
    assert float(maths.box_size(box, box, 10.0)) == pytest.approx(1.375)
    edges = 4 / (1 / 0.8 + 1 / 1.0 + 1 / 0.8 + 1 / 1.0)
    assert float(maths.box_size(larger, box, 10.0)) == pytest.approx(1 + 0.25 * 0.5 + 0.125 * edges)
    outside = torch.tensor([9.0, 5, 2, 2])
    assert float(maths.box_size(outside, box, 10.0)) == pytest.approx(0.125 * 4 / (1 / 0.5 + 1 + 1 / 0.7 + 1))


def test_calls_of_tools():
    wanted = [(7, {1: 4, 2: 5})]
    assert maths.tool_match([(7, {1: 4, 2: 9})], wanted) == pytest.approx(1.5)  # 3 of 4
    assert maths.tool_match(wanted, wanted) == 3.0 and maths.tool_match([], wanted) == -3.0
    assert maths.tool_match([(8, {1: 4, 2: 5})], wanted) == -3.0
    # Half of the names alike; of the two calls of 7 the better one serves, and no call serves twice.
    given, two = [(7, {1: 9}), (7, {1: 4})], [(7, {1: 4}), (6, {1: 1})]
    assert maths.tool_match(given, two) == pytest.approx(6 * (1 / 3 + 2) / 5 - 3)
    assert maths.tool_match(given[::-1], two) == maths.tool_match(given, two)
    assert maths.tool_match([(7, {1: 4})], [(7, {1: 4}), (7, {1: 4})]) == pytest.approx(6 * (1 / 2 + 2) / 5 - 3)


def test_tests_that_fail_weigh_more():
    weights = maths.failing_weights(torch.tensor([0.75, 0.25, 0.0]))
    assert weights.tolist() == pytest.approx([0.125, 0.375, 0.5])
    assert maths.failing_weights(torch.ones(4)).tolist() == [0.25] * 4
    passed = torch.tensor([True, True, False])
    assert float(maths.weighted_tests(passed, weights)) == pytest.approx(0.25)


def test_nearer_tiers_weigh_more():
    found = maths.tiered(torch.tensor([0.8, 0.5, 0.25, 0.0]), [0.5, 0.25, 0.0])
    assert found.tolist() == pytest.approx([0.0, 1 / 6, 3 / 6, 1.0])
    for left in (1.0, 0.5, 0.0):  # as tiers shrink over the budget
        found = maths.tiered(torch.tensor([0.25, 1e-3, 0.0]), [0.5 * left, 0.25 * left, 0.0])
        assert found[2] == pytest.approx(1.0) and (found[:2] < 0.999).all() and (found >= 0).all()
