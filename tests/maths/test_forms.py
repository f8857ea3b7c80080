"""Instructions and pages against plain loops."""

import numpy as np
import pytest

from rewardlab.maths import forms


@pytest.fixture
def places():
    """Pages of 6 fields, 4 pairs each; the last pair of the first is not there."""
    rng = np.random.default_rng(0)
    field = np.stack([rng.permutation(6)[:4] for _ in range(5)])
    value = np.tile(np.arange(1, 5), (5, 1))
    value[0, 3] = 0
    wanted = np.zeros((5, 6), dtype=np.int64)
    for b in range(5):
        for pair in range(4):
            if value[b, pair]:
                wanted[b, field[b, pair]] = value[b, pair]
    return {"field": field, "value": value, "wanted": wanted, "text": np.zeros_like(wanted), "steps": np.arange(5)}


def test_what_an_instruction_says(places):
    assert np.array_equal(forms.as_told(places["field"], places["value"], 6), places["wanted"])


def test_done_beforehand(places):
    chosen = np.random.default_rng(1).random((5, 4)) < 0.5
    made = forms.prefilled(places, chosen)
    for b in range(5):
        expected = [0] * 6
        for pair in range(4):
            if chosen[b, pair] and places["value"][b, pair]:
                expected[places["field"][b, pair]] = places["value"][b, pair]
        assert made["text"][b].tolist() == expected
    assert not places["text"].any() and all(made[name] is places[name] for name in ("field", "value", "wanted"))
    share = [
        np.mean([made["text"][b, f] == w for f, w in enumerate(places["wanted"][b]) if w > 0]).item() for b in range(5)
    ]
    np.testing.assert_allclose(forms.matched(made["wanted"], made["text"]), share, rtol=1e-6)


def test_too_much_and_nothing_to_do():
    """What stands where nothing is wanted does not count; nothing to do is done."""
    wanted, text = np.array([[1, 0, 2], [0, 0, 0]]), np.array([[1, 2, 1], [0, 3, 0]])
    assert forms.matched(wanted, text).tolist() == [0.5, 1.0]


def test_cut(places):
    kept = np.array([[True, False, True, True]] * 5)
    made = forms.cut(places, kept)
    assert not made["value"][:, 1].any() and np.array_equal(made["value"][:, 0], places["value"][:, 0])
    for b in range(5):
        left = {int(places["field"][b, pair]) for pair in (0, 2, 3) if places["value"][b, pair]}
        assert set(np.flatnonzero(made["wanted"][b])) == left
    assert places["value"][1].tolist() == [1, 2, 3, 4]


def test_a_page_read_back_and_filled_in_is_the_page():
    rng = np.random.default_rng(2)
    text = rng.integers(5, size=(300, 6)) * (rng.permuted(np.tile(np.arange(6), (300, 1)), axis=1) < 4)
    field, value = forms.read_back(text, 4, rng)
    assert ((value > 0).sum(axis=1) == (text > 0).sum(axis=1)).all()
    empty = {"field": field, "value": value, "wanted": text, "text": np.zeros_like(text)}
    assert np.array_equal(forms.prefilled(empty, np.ones((300, 4), dtype=bool))["text"], text)
    filled = np.array([1, 2, 0, 0, 0, 3])
    orders = {tuple(forms.read_back(filled[None], 4, rng)[1][0]) for _ in range(1000)}
    assert len(orders) == 24, "every order comes, with a pair that is not there anywhere"


def test_reading_errs_as_often_as_it_is_told_to():
    rng = np.random.default_rng(3)
    text = np.tile(np.array([0, 0, 0, 7]), (4000, 1))
    field, value = forms.read_back(text, 1, rng, noise=0.4)
    assert (value == 7).all() and (field[:, 0] == 3).mean() == pytest.approx(0.6 + 0.4 / 4, abs=0.03)
