"""Texts as word tokens: the same everywhere, told apart, and never cut in silence."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Text, Tuple
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.envs.external import gym
from rewardlab.envs.external.texts import BUCKETS, MOST_WORDS, tokens
from rewardlab.envs.external.vector_view import View
from rewardlab.envs.levels import Levels

# What MiniGrid's and BabyAI's missions are made of.
WORDS = [
    "a",
    "after",
    "and",
    "at",
    "avoid",
    "ball",
    "behind",
    "blue",
    "box",
    "door",
    "end",
    "fetch",
    "find",
    "from",
    "front",
    "get",
    "go",
    "goal",
    "green",
    "grey",
    "hallway",
    "in",
    "key",
    "lava",
    "left",
    "matching",
    "must",
    "near",
    "next",
    "object",
    "of",
    "on",
    "open",
    "opening",
    "pick",
    "purple",
    "put",
    "reach",
    "red",
    "right",
    "room",
    "rooms",
    "square",
    "the",
    "then",
    "to",
    "traverse",
    "unlock",
    "up",
    "use",
    "yellow",
    "you",
    "your",
]


def test_the_words_of_known_missions_are_told_apart_and_never_change() -> None:
    assert len({int(tokens(word, 1)[0]) for word in WORDS}) == len(WORDS)
    assert tokens("go to the red ball, then stop", 8).tolist() == GO_TO


GO_TO = [273, 213, 38, 198, 370, 334, 155, 0]


@given(st.lists(st.sampled_from(WORDS), max_size=90), st.integers(1, 60))
def test_a_text_fills_its_places(words: list[str], places: int) -> None:
    found = tokens(" ".join(words), places)
    assert found.shape == (places,) and found.dtype == np.int64
    assert (found > 0).sum() == min(len(words), places) and found.max() <= BUCKETS
    marked = " , ".join(words).replace(" ,", ",") + "."
    assert (tokens(marked, places) == found).all() or not words or len(words) > places


def test_what_is_beyond_the_last_place_still_counts() -> None:
    long = ["go", "to"] * MOST_WORDS
    one, other = (tokens(" ".join([*long, last]), MOST_WORDS) for last in ("red", "blue"))
    assert (one[:-1] == other[:-1]).all() and one[-1] != other[-1]


def test_texts_are_a_mission_wherever_they_stand() -> None:
    space = Dict({"a": Tuple([Text(9), Discrete(3)]), "b": Text(200), "seen": Box(0, 255, (8, 8, 3), np.uint8)})
    view = View("X-v0", space)
    assert {name: entry.shape for name, entry in view.ours.spaces.items()} == {
        "mission": (5 + MOST_WORDS,),
        "image": (8, 8, 3),
        "vector": (3,),
    }
    seen = np.ones((8, 8, 3), np.uint8)
    one = view.one({"a": ("red box", 2), "b": "go on", "seen": seen})
    assert one["mission"][:2].tolist() == tokens("red box", 2).tolist()
    assert one["mission"][5:7].tolist() == tokens("go on", 2).tolist()
    assert one["vector"].tolist() == [0, 0, 1] and view.ours.contains(one)
    many = view.entries({"a": (["red box", "key"], np.array([2, 0])), "b": ["go on", ""], "seen": np.stack([seen] * 2)})
    assert all((many[name][0] == one[name]).all() for name in one)
    assert many["vector"][1].tolist() == [1, 0, 0]


def test_a_text_alone_is_all_there_is() -> None:
    view = View("X-v0", Text(7))
    assert list(view.ours.spaces) == ["mission"] and view.ours["mission"].shape == (4,)
    assert view.one("open")["mission"].tolist() == tokens("open", 4).tolist()


@pytest.mark.parametrize("env_id", ["BabyAI-GoToObj-v0", "BabyAI-GoTo-v0"])
def test_missions_that_are_made_up_as_it_goes(env_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    env = gym.make(gym.Config(id=env_id), Levels(4))
    assert {name: entry.shape for name, entry in env.spec.obs.items()} == {
        "image": (7, 7, 3),
        "vector": (4,),
        "mission": (MOST_WORDS,),
    }
    assert env.spec.obs["image"].high == 10  # as with env=minigrid, not the 255 of a byte
    obs = env.reset([3, 4, 5, 6])
    said = [world.unwrapped.mission for world in env._vector.envs]
    assert len(set(said)) > 1
    for row, mission in zip(obs["mission"], said, strict=True):
        assert row.tolist() == tokens(mission, MOST_WORDS).tolist()
