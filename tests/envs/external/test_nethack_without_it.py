"""What of NetHack needs no NetHack: its screen in numbers, and what is said where the extra is missing."""

import numpy as np
import pytest

from rewardlab import schemas
from rewardlab.envs import registry
from rewardlab.envs.external import gym, minihack
from rewardlab.envs.external.nethack import View
from rewardlab.envs.external.shared import new_file, shared_arrays
from rewardlab.errors import UserError
from rewardlab.maths.nethack import BLANK, BLSTATS, MAP, MESSAGE, around, status


def test_the_square_around_the_hero_is_that_of_a_padded_map() -> None:
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 5976, size=(6, *MAP)).astype(np.int16)
    column, row = np.array([0, 78, 40, 3, 75, 0]), np.array([0, 20, 10, 18, 2, 20])
    padded = np.pad(maps, ((0, 0), (4, 4), (4, 4)), constant_values=BLANK)
    found = around(maps, column, row, 9)
    for i, (x, y) in enumerate(zip(column, row, strict=True)):
        assert np.array_equal(found[i], padded[i, y : y + 9, x : x + 9])
        assert found[i, 4, 4] == maps[i, y, x]


def test_the_bottom_lines_are_small_numbers_with_each_condition_apart() -> None:
    told = np.zeros((2, BLSTATS), dtype=np.int64)
    told[1, [0, 1, 9, 16, 25, 26]] = [78, 10, 1_000_000, -5, 0b1_0000_0000_0010, 1]
    found = status(told)
    assert found.shape == (2, 39) and found.dtype == np.float32 and not found[0].any()
    assert found[1, 0] == 1.0 and found[1, 1] == 0.5
    assert found[1, 9] == pytest.approx(np.log(1_000_001) / 5) and found[1, 16] == pytest.approx(-np.log(6) / 5)
    assert found[1, 25] == pytest.approx(np.log(2) / 5), "alignment moves up"
    assert np.flatnonzero(found[1, 26:]).tolist() == [1, 12]


@pytest.mark.parametrize(("view", "shown"), [("both", ["glyphs", "crop"]), ("map", ["glyphs"]), ("crop", ["crop"])])
def test_a_view_shows_what_its_space_says(view: str, shown: list[str]) -> None:
    seen = View(view)
    frames = {
        "glyphs": np.full((3, *MAP), BLANK, np.int16),
        "blstats": np.ones((3, BLSTATS), np.int64),
        "message": np.zeros((3, MESSAGE), np.uint8),
    }
    found = seen(frames)
    assert list(found) == list(seen.ours.spaces) == [*shown, "vector", "message"]
    for name, space in seen.ours.spaces.items():
        assert found[name][0] in space and not np.shares_memory(found[name], frames.get(name, np.zeros(1)))


def test_processes_see_the_same_arrays_and_a_file_only_grows() -> None:
    file = new_file()
    shapes = {"vector": ((3,), "float32"), "done": ((), "bool")}
    ours, theirs = shared_arrays(file, shapes, 5), shared_arrays(file, shapes, 5)
    ours["vector"][4], ours["done"][:] = 7.0, True
    assert (theirs["vector"][4] == 7.0).all() and theirs["done"].all() and not theirs["vector"][:4].any()
    shared_arrays(file, {"image": ((84, 84, 3), "uint8")}, 64)
    theirs["vector"][0] = 1.0
    shared_arrays(file, shapes, 1)
    assert (ours["vector"][0] == 1.0).all()


def test_a_missing_extra_is_one_line_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "add_minihack", lambda: False)
    for name, env_id in (("minihack", ""), ("minihack_river", "MiniHack-River-v0")):
        install = r"needs the packages nle and minihack; pip install 'rewardlab\[minihack\]'"
        with pytest.raises(UserError, match=f"^env={name}: {install}$"):
            schemas.check(minihack.Config(name=name, id=env_id), "env.")


def test_a_gym_of_glyph_numbers_is_refused() -> None:
    with pytest.raises(UserError, match=r"use env=minihack env\.id=MiniHack-River-v0$"):
        schemas.check(gym.Config(id="minihack:MiniHack-River-v0"), "env.")
