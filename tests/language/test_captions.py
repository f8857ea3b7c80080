"""Captions of what happens on a grid: what Farama's own objects say of it, and the same on both backends."""

import time

import gymnasium
import numpy as np
import pytest
from captioned_play import played

from rewardlab.gridworld.constants import COLOUR_NAMES, OBJECT_NAMES
from rewardlab.language.captions import Captions
from rewardlab.maths import captions

TASKS = ("doorkey_8x8", "keycorridor_s3r3", "obstructedmaze_full", "lavacrossing_s9n1")


def test_kinds_and_colours_have_the_engine_s_numbers() -> None:
    assert (captions.KINDS, captions.COLOURS) == (OBJECT_NAMES, COLOUR_NAMES)


@pytest.mark.parametrize("env", TASKS)
def test_captions_are_the_same_on_both_backends(env: str) -> None:
    fast, reference = (played(env, 60, 3, backend) for backend in ("fast", "reference"))
    for kind in ("event", "view", "both"):
        ours, theirs = (Captions(kind).of(each) for each in (fast, reference))
        np.testing.assert_array_equal(ours.keys, theirs.keys)
        np.testing.assert_array_equal(ours.begun, theirs.begun)
        said = [[each.text(at) for at in each.unseen(())] for each in (ours, theirs)]
        assert said[0] == said[1] and len(set(said[0])) == len(ours.distinct)  # as many words as keys


@pytest.mark.parametrize("env_id", ["MiniGrid-KeyCorridorS3R3-v0", "MiniGrid-ObstructedMaze-1Dlhb-v0"])
def test_events_are_what_farama_s_objects_say(env_id: str) -> None:
    env = gymnasium.make(env_id).unwrapped
    rng = np.random.default_rng(1)
    before, after, actions, expected = [], [], [], []
    for seed in range(60):
        env.reset(seed=seed)
        if rng.random() < 0.5:  # a key in its hands, so that locked doors open
            env.carrying = next((_key(door.color) for door in env.grid.grid if door and door.type == "door"), None)
        for _ in range(40):
            action = int(rng.choice(6, p=[0.1, 0.1, 0.35, 0.15, 0.1, 0.2]))
            front, carried, place = env.grid.get(*env.front_pos), env.carrying, tuple(env.agent_pos)
            was_open = getattr(front, "is_open", None)
            was_locked = getattr(front, "is_locked", None)
            before.append(_facts(env))
            over = env.step(action)[2]
            after.append(_facts(env))
            actions.append(action)
            expected.append(_event(env, action, front, carried, place, was_open, was_locked))
            if over:
                break
    codes = captions.events(_columns(before), np.array(actions), _columns(after))
    assert [captions.event_text(int(code)) for code in codes] == expected
    assert len(set(expected)) > 15
    assert any(text.startswith(("unlocked", "opened the green box", "opened the grey box")) for text in expected)


def _key(colour: str) -> object:
    from minigrid.core.world_object import Key

    return Key(colour)


def _columns(rows: list[tuple[object, ...]]) -> list[np.ndarray]:
    return [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]


def _facts(env: object) -> tuple[object, ...]:
    front = env.grid.get(*env.front_pos)
    ahead = (1, 0, 0) if front is None else front.encode()
    return ahead, (0, 0, 0) if env.carrying is None else env.carrying.encode(), tuple(env.agent_pos)


def _event(
    env: object,
    action: int,
    front: object,
    carried: object,
    place: object,
    was_open: bool | None,
    was_locked: bool | None,
) -> str:
    name = None if front is None else f"the {front.color} {front.type}"
    if action < 2:
        return "turned"
    if action == 2:
        if tuple(env.agent_pos) != place:
            return "moved" if front is None or front.type != "door" else f"moved through {name}"
        return "bumped into the wall" if front.type == "wall" else f"bumped into {name}"
    if action == 3 and env.carrying is not carried:
        return f"picked up {name}"
    if action == 4 and env.carrying is not carried:
        return f"dropped the {carried.color} {carried.type}"
    if action == 5 and front is not None and front.type == "box":
        return f"opened {name}"
    if action == 5 and front is not None and front.type == "door" and front.is_open != was_open:
        return ("closed" if was_open else "unlocked" if was_locked else "opened") + f" {name}"
    return "nothing happened"


def test_a_view_lists_what_is_in_sight_and_on_which_side() -> None:
    image = np.ones((3, 7, 7, 3), dtype=np.uint8) * np.array([1, 0, 0], dtype=np.uint8)
    image[0, 3, 4], image[0, 0, 2], image[0, 6, 6] = (4, 0, 2), (5, 4, 0), (4, 0, 0)
    image[0, 3, 6] = (5, 0, 0)  # carried: not in sight
    image[1, 3, 1], image[1, 2, 2] = (8, 1, 0), (9, 0, 0)
    image[2, 2, 2], image[2, 5, 2], image[2, 2, 5] = (
        (10, 0, 2),
        (6, 2, 0),
        (7, 5, 0),
    )  # seen from the agent, facing west
    said = [captions.view_text(row, kind, 0) for row, kind in zip(captions.views(image), (5, 0, 0), strict=True)]
    assert said == [
        "in sight: an open red door to the right, a locked red door ahead, a yellow key to the left;"
        " carrying: a red key",
        "in sight: a goal ahead, a lava to the left; carrying: nothing",
        "in sight: a blue ball behind, a grey box to the left; carrying: nothing",
    ]
    assert [captions.helpful_view(row, kind) for row, kind in zip(captions.views(image), (5, 0, 0), strict=True)] == [
        True,
        True,
        False,
    ]


def test_a_rollout_is_captioned_in_two_milliseconds() -> None:
    rollout = played("keycorridor_s3r3", 64, 32)
    maker = Captions("both")
    known = set(maker.of(rollout).distinct.tolist())
    taken = []
    for _ in range(30):
        rollout.distinct = rollout.distinct  # found once, as a learner does
        begun = time.process_time()
        assert not maker.of(rollout).unseen(known)
        taken.append(time.process_time() - begun)
    assert min(taken) < 0.002, f"{min(taken) * 1e3:.2f} ms"
