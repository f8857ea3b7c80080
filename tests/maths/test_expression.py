"""Expressions: what they compute, and what they refuse before anything runs."""

import math

import pytest
import torch

from rewardlab.maths.expression import Expression

VALUES = {
    "distance": torch.tensor([[3, 4], [0, 5]]),
    "agent_pos": torch.tensor([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
    "vector": torch.tensor([[[0.5, -2.0], [1.5, 0.0]], [[-1.0, 4.0], [0.25, 1.0]]]),
}


@pytest.mark.parametrize(
    ("text", "by_hand"),
    [
        ("-distance", [[-3, -4], [0, -5]]),
        ("2 * distance - 1 / 4", [[5.75, 7.75], [-0.25, 9.75]]),
        ("agent_pos[0] + agent_pos[-1]", [[3, 7], [11, 15]]),
        ("abs(vector[1]) ** 2", [[4, 0], [16, 1]]),
        ("min(distance, 4, agent_pos[0])", [[1, 3], [0, 5 - 1]]),
        ("max(distance, agent_pos[0])", [[3, 4], [5, 7]]),
        ("where(distance <= 3, exp(0), sqrt(distance))", [[1, 2], [1, math.sqrt(5)]]),
        ("(distance == 0) + (distance != 0) * 2", [[2, 2], [1, 2]]),
        ("log(1 + distance)", [[math.log(4), math.log(5)], [0, math.log(6)]]),
    ],
)
def test_it_computes_what_a_hand_would(text, by_hand):
    found = Expression(text)(VALUES)
    assert found.dtype == torch.float32
    assert torch.allclose(found, torch.tensor(by_hand, dtype=torch.float32))


def test_names_are_listed_once_in_order():
    assert Expression("agent_pos[1] + distance * agent_pos[0]").names == ("agent_pos", "distance")
    assert Expression("1 + 2").names == ()


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "distance.numpy()",
        "distance.__class__",
        "(lambda: 1)()",
        "[x for x in distance]",
        "'text'",
        "True",
        "1j",
        "distance[0:1]",
        "vector[distance]",
        "agent_pos[0][1]",
        "f'{distance}'",
        "open(distance)",
        "abs(distance, 2)",
        "min(distance)",
        "abs(*vector)",
        "where(distance, 1, no=2)",
        "distance @ vector",
        "1 < distance < 3",
        "distance = 3",
        "",
        "1 +",
        "distance\x00",
        "-" * 1000 + "1",
        "(" * 400 + "1" + ")" * 90,
    ],
)
def test_everything_else_is_refused_in_one_line(text):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        Expression(text)
    assert "\n" not in str(refusal.value)


def test_a_tower_of_powers_ends_at_once():
    assert Expression("9 ** 9 ** 9 ** 9")({}) == math.inf
