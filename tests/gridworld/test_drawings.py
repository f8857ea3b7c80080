"""Levels as text: read, played, written back, refused."""

import numpy as np
import pytest

from rewardlab.errors import UserError
from rewardlab.gridworld import make_vec
from rewardlab.gridworld.drawings import write_drawing

DOORKEY = """
    ############
    ##>>Ky##..##
    ##....Ly..##
    ##....##..##
    ##....##GG##
    ############
"""
FORWARD, PICKUP, TOGGLE, RIGHT, LEFT = 2, 3, 5, 1, 0


def _drawn(env_id: str, drawing: str, **options):
    envs = make_vec(env_id, 2)
    envs.reset(seed=0)
    envs.set_drawing(drawing, **options)
    return envs


def test_a_drawn_level_is_played_by_the_rules() -> None:
    envs = _drawn("MiniGrid-DoorKey-6x6-v0", DOORKEY)
    way = [PICKUP, RIGHT, FORWARD, LEFT, FORWARD, TOGGLE, FORWARD, FORWARD, RIGHT, FORWARD, FORWARD]
    for action in way[:-1]:
        _, rewards, terminated, _, _ = envs.step([action, 6])
        assert not terminated.any()
    _, rewards, terminated, _, _ = envs.step([way[-1], 6])
    assert terminated.tolist() == [True, False] and rewards[0] == 1 - 0.9 * (len(way) / 360)


@pytest.mark.parametrize("env_id", ["MiniGrid-DoorKey-8x8-v0", "MiniGrid-KeyCorridorS4R3-v0", "MiniGrid-FourRooms-v0"])
def test_drawings_of_drawn_levels_are_the_same(env_id: str) -> None:
    envs = make_vec(env_id, 5)
    envs.reset(seed=3)
    state = envs.get_state()
    other = make_vec(env_id, 5)
    other.reset(seed=9)
    for i in range(5):
        other.set_drawing(write_drawing(state, i), [i])
    again = other.get_state()
    for name in ("cells", "agent", "carried", "steps", "mission", "registers", "visited"):
        assert np.array_equal(state[name], again[name]), name


def test_boxes_hide_what_is_said() -> None:
    drawing = "\n".join(
        [
            "######################",
            "##>>Be....##......Ab##",
            "##........Lr........##",
            "##........##........##",
            "##........##........##",
            "######################",
        ]
    )
    envs = _drawn("MiniGrid-ObstructedMaze-1Dlh-v0", drawing, contents={(2, 1): "Kr"})
    assert envs.observe()["mission"][0] == "pick up the blue ball"
    envs.step([TOGGLE, TOGGLE])
    envs.step([PICKUP, PICKUP])
    assert envs.get_state()["carried"][:, :2].tolist() == [[5, 0], [5, 0]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (">>", "..", "0 agents"),
        ("Ky", "<<", "2 agents"),
        ("GG", "..", "0 cells with a goal"),
        ("Ky", "GG", "2 cells with a goal"),
        ("Ky", "K?", "unknown symbol 'K\\?' at x=2 y=1"),
        ("##>>", "..>>", "left border"),
        ("    ##....##GG##\n", "", "6 x 5 cells"),
    ],
)
def test_drawings_that_break_the_rules_are_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        _drawn("MiniGrid-DoorKey-6x6-v0", DOORKEY.replace(old, new, 1))


def test_contents_need_a_box_and_an_object() -> None:
    with pytest.raises(UserError, match="no box"):
        _drawn("MiniGrid-DoorKey-6x6-v0", DOORKEY, contents={(2, 1): "Kr"})
    with pytest.raises(UserError, match="mission"):
        _drawn("MiniGrid-Fetch-5x5-N2-v0", "\n".join(["#" * 10, *["##>>....##"], *["##......##"] * 2, "#" * 10]))
