"""What is kept of lives, and their descriptors, recomputed."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import relu, selu

from rewardlab.contracts.state_laws import new_context
from rewardlab.errors import UserError
from rewardlab.facts import GRID, POSITION, SIGHT
from rewardlab.maths.signature import log_signature, signature
from rewardlab.parts.archives.descriptors import END, Last, Signatures, numbers
from rewardlab.parts.archives.learned_descriptor import Codes
from rewardlab.parts.archives.lessons import Lessons
from rewardlab.parts.models.autoencoder import Autoencoder
from rewardlab.types import ActionSpec, EnvSpec, Lives, ObsSpec

OPTIONS = SimpleNamespace(name="ns", samples=1, code=4, units=16, epochs=30, patience=4, lesson=10, rarer=True)


def spec_of(*facts: str, **obs: ObsSpec) -> EnvSpec:
    return EnvSpec("x", obs, ActionSpec(n=2), 4, privileged=facts, place=((0.0, 0.0), (2.0, 4.0)))


def lives_of(outcome: dict[str, np.ndarray], lengths: list[list[int]]) -> Lives:
    length = np.array(lengths)
    return Lives(np.zeros(length.shape), length, np.zeros(length.shape, dtype=bool), outcome)


def test_signatures_are_of_scaled_ways_whose_time_stops_with_them() -> None:
    way = np.array([[0, 0], [1, 0], [2, 2], [2, 2], [2, 2]], dtype=float)  # ended with step 2 of 4
    other = np.array([[0, 0], [0, 4], [2, 4], [0, 4], [0, 0]], dtype=float)
    lives = lives_of({"places": np.stack([way, other])[None]}, [[2, 4]])  # one individual on two levels
    scaled = [path / [2.0, 4.0] for path in (way, other)]
    clocks = [[0, 0.25, 0.5, 0.5, 0.5], [0, 0.25, 0.5, 0.75, 1]]
    timed = [np.column_stack(pair) for pair in zip(scaled, clocks, strict=True)]
    for order, log, time, paths in ((2, False, False, scaled), (3, False, True, timed), (2, True, True, timed)):
        made = Signatures(spec_of(POSITION), "ns", order, log, time)
        assert made.moments.tolist() == [0, 1, 2, 3, 4]
        kept = made.kept(lives)
        expected = [log_signature(path[None])[0] if log else signature(path[None], order)[0] for path in paths]
        assert made.describe(kept)[0] == pytest.approx(np.concatenate(expected))
        assert made.size == len(expected[0]) and set(kept) == {"signatures"}  # not whole ways
    with pytest.raises(UserError, match="signature_order=3: the logarithm is that of order 2"):
        Signatures(spec_of(POSITION), "ns", 3, log=True)


def test_what_is_seen_last_is_scaled_by_its_bounds() -> None:
    vector = ObsSpec((2,), "float32", bounds=((-1.0, 0.0), (1.0, 4.0)))
    spec = spec_of(vector=vector, mission=ObsSpec((3,), "int64", 9), image=ObsSpec((1, 2), "uint8", 10))
    last = Last(spec, "ns")
    seen = {"vector": np.array([[0.5, 1.0]], np.float32), "mission": np.zeros((1, 3)), "image": np.array([[[10, 5]]])}
    row = numbers(seen)
    assert row.tolist() == [[0.5, 1.0, 10, 5]] and last.sight_shape == (4,)
    lives = lives_of({"sights": np.stack([row, row])[None]}, [[4, 4]])
    assert last.describe(last.kept(lives)).tolist() == [[0.75, 0.25, 1, 0.5] * 2]
    with pytest.raises(UserError, match="what x shows has no bounds"):
        Last(spec_of(vector=ObsSpec((2,), "float32")), "ns")
    with pytest.raises(UserError, match="x shows no amounts"):
        Last(spec_of(mission=ObsSpec((3,), "int64", 9)), "ns")


def codes_of(*facts: str, **changed: Any) -> Codes:
    options = SimpleNamespace(**{**vars(OPTIONS), **changed})
    return Codes(options, new_context(spec_of(*facts), 3))


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """One bright square each, [P, 1, 1, 32, 32, 3]."""
    found = np.full((count, 1, 1, 32, 32, 3), 240, dtype=np.uint8)
    for picture, at in zip(found[:, 0, 0], np.random.default_rng(seed).integers(28, size=(count, 2)), strict=True):
        picture[at[0] : at[0] + 4, at[1] : at[1] + 4] = (200, 40, 40)
    return found


def test_codes_and_errors_are_those_of_the_layers() -> None:
    codes = codes_of(POSITION, SIGHT, samples=2)
    assert codes.watched == SIGHT and codes.moments.tolist() == [2, 3, END] and codes.size == 8
    sights = pictures(12).reshape(3, 2, 2, 32, 32, 3)  # 3 individuals, 2 levels, 2 moments
    kept = codes.kept(lives_of({"sights": sights, "places": np.zeros((3, 2, 2, 2))}, [[4, 4]] * 3))
    assert set(kept) == {"sights", "codes", "errors"}
    state = codes.state_dict()["model"]
    one, two = state["encoder"], state["decoder"]
    flat = torch.from_numpy(sights.reshape(12, -1) / 255.0).float()
    code = selu(selu(flat @ one["0.weight"].T + one["0.bias"]) @ one["2.weight"].T + one["2.bias"])
    rebuilt = relu(selu(code @ two["0.weight"].T + two["0.bias"]) @ two["2.weight"].T + two["2.bias"])
    assert codes.describe(kept) == pytest.approx(code.reshape(3, -1).numpy(), abs=1e-5)
    errors = (rebuilt - flat).square().mean(dim=1).reshape(3, 4).sum(dim=1)
    assert codes.surprise(kept) == pytest.approx(errors.numpy(), rel=1e-5)


def test_numbers_of_a_grid_are_told_apart() -> None:
    codes = codes_of(GRID)
    cells = np.array([[[10, 0, 3], [4, 5, 1]]], dtype=np.uint8)
    shown = codes._pictures(cells[None])[0].reshape(2, 21)
    assert [row.nonzero().flatten().tolist() for row in shown] == [[0 + 10, 11 + 0, 17 + 3], [4, 11 + 5, 17 + 1]]
    with pytest.raises(UserError, match="reads small pictures or a grid, and x gives neither"):
        codes_of(POSITION)


def test_a_lesson_lowers_errors_and_ends_when_they_rise(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = codes_of(SIGHT)
    kept = codes.renewed({"sights": pictures(100), "returns": np.arange(100.0)})
    before = codes.surprise(kept).mean()
    told = codes.fit(kept, np.random.default_rng(0))
    after = codes.renewed(kept)
    assert codes.surprise(after).mean() < before / 3 and np.array_equal(after["returns"], np.arange(100.0))
    assert not np.allclose(codes.describe(after), codes.describe(kept))
    assert told["loss/encoder"] == pytest.approx(codes.surprise(after).mean(), rel=0.5)
    steps: list[int] = []
    monkeypatch.setattr(Autoencoder, "learn", lambda self, batch: steps.append(len(batch)))
    errors = iter([9.0, 5.0, 6.0, 7.0, 4.0, 8.0, 8.0, 4.5, 4.5, 1.0])  # validations from the second epoch on
    coded = codes._coded
    monkeypatch.setattr(codes, "_coded", lambda flat: (None, np.array([next(errors)])))
    told = codes.fit(kept, np.random.default_rng(0))
    assert steps == [80] * 10 and told == {"loss/encoder": 4.5}  # four in a row above the least, 4
    monkeypatch.setattr(codes, "_coded", coded)
    codes._options.patience = 0
    steps.clear()
    codes.fit(codes.renewed({"sights": pictures(300)}), np.random.default_rng(0))
    assert steps == [128, 128, 44] * 30  # nothing held out


def test_saved_codes_go_on_alike() -> None:
    one, other = codes_of(SIGHT), codes_of(SIGHT)
    kept = one.renewed({"sights": pictures(40)})
    one.fit(kept, np.random.default_rng(0))
    other.load_state_dict(one.state_dict())
    for codes in (one, other):
        codes.fit(kept, np.random.default_rng(1))
    assert np.array_equal(one.renewed(kept)["codes"], other.renewed(kept)["codes"])
    assert one.renewed({"sights": pictures(0)})["codes"].shape == (0, 1, 1, 4)


def test_lessons_become_rarer() -> None:
    lessons = Lessons(OPTIONS)  # chunks of ten, in generations of six
    due = [generation for generation in range(1, 31) if lessons.lived(6)]
    assert due == [2, 6, 12, 20, 30]
    even = Lessons(SimpleNamespace(**{**vars(OPTIONS), "rarer": False}))
    assert [generation for generation in range(1, 9) if even.lived(6)] == [2, 4, 6, 8]
    assert codes_of(SIGHT).moments.tolist() == [END]
