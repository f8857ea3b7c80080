"""Grey and shrunk pictures, against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.maths.pictures import grey, is_picture, resized, usual_size


def by_fine_pieces(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Every pixel cut into pieces so small that old and new pixels consist of whole ones; then plain means."""
    pieces = picture.repeat(size[0], axis=0).repeat(size[1], axis=1).astype(np.float64)
    height, width, channels = picture.shape
    blocks = pieces.reshape(size[0], height, size[1], width, channels)
    return blocks.mean(axis=(1, 3))


@given(height=st.integers(1, 12), width=st.integers(1, 12), to=st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_a_new_pixel_is_the_mean_of_what_lies_under_it(height: int, width: int, to: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random((height, width, 2)).astype(np.float32)
    found = resized(picture, to)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_fine_pieces(picture, to), rtol=1e-4, atol=1e-5)


def test_bytes_are_rounded_and_stay_bytes() -> None:
    picture = np.random.default_rng(0).integers(256, size=(40, 30, 3), dtype=np.uint8)
    found = resized(picture, (12, 9))
    assert found.dtype == np.uint8 and found.shape == (12, 9, 3)
    assert np.abs(found - by_fine_pieces(picture, (12, 9))).max() <= 0.5 + 1e-3
    assert (resized(np.full((50, 70, 3), 255, np.uint8), (84, 20)) == 255).all()


def test_grey_is_as_bright_as_the_colours() -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]], np.uint8)
    assert grey(colours)[:, 0].tolist() == [76, 150, 29, 255, 0] and grey(colours).dtype == np.uint8
    assert grey(np.ones((2, 2, 3), np.float32)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((210, 160), (84, 84)), ((128, 128), (84, 84)), ((96, 96), None), ((84, 84), None), ((64, 64), None)],
)
def test_only_pictures_that_are_much_larger_are_shrunk(shape: tuple[int, int], size: tuple[int, int] | None) -> None:
    assert usual_size(*shape) == size


def test_a_grid_is_no_picture() -> None:
    assert [is_picture((side, 84, 3)) for side in (7, 25, 27, 28, 84)] == [False, False, False, True, True]
    assert not is_picture((128,))
