"""Noise on observations, for studies of stochastic environments.

Noise has random streams of its own, so that levels, and what happens in them, stay the same with it and without. It
changes images only: the state of the grid, and what is computed from it, know nothing of it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from rewardlab.errors import UserError, unknown
from rewardlab.gridworld.batch import RESTART
from rewardlab.gridworld.catalogue import Task
from rewardlab.gridworld.constants import BALL
from rewardlab.gridworld.looks import Look
from rewardlab.gridworld.streams import below, next_float, next_uint64
from rewardlab.kernel_cache import call, specialise

# A screen of eight cells in six colours shows more than 2**20 pictures: too many to learn.
_SMALLEST_SCREEN = 8
_DEFAULT_SCREEN = 9
_DEFAULT_SHARE = 0.1
_KINDS = ("none", "tv", "colours")

_SCRAMBLE, _HALF, _SIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(32), np.uint64(6)


def _show(image, channel, cells):
    """Draws the screen: balls along the upper edge of an image, then down its right edge."""
    width = image.shape[0]
    for k in range(cells):
        word = (channel + np.uint64(k + 1)) * _SCRAMBLE
        word = (word ^ (word >> _HALF)) * _SCRAMBLE
        x, y = (k, 0) if k < width else (width - 1, k - width + 1)
        image[x, y, 0] = BALL
        image[x, y, 1] = ((word >> _HALF) * _SIX) >> _HALF
        image[x, y, 2] = 0


def _television(images, last_images, finished, actions, streams, channels, cells, switch):
    """Redraws channels where the action says so, and draws the screens into images and last images."""
    for i in range(actions.shape[0]):
        if actions[i] == switch or actions[i] == RESTART:
            channels[i] = next_uint64(streams, i)
        show(images[i], channels[i], cells)
    for k in range(finished.shape[0]):
        show(last_images[k], channels[finished[k]], cells)


def _recolour(image, streams, i, share):
    """Gives a share of the visible cells a random colour."""
    for x in range(image.shape[0]):
        for y in range(image.shape[1]):
            if image[x, y, 0] != 0 and next_float(streams, i) < share:
                image[x, y, 1] = below(streams, i, 6)


def _colours(images, last_images, finished, actions, streams, channels, share, switch):
    """Recolours last images, then images."""
    for k in range(finished.shape[0]):
        recolour(last_images[k], streams, finished[k], share)
    for i in range(actions.shape[0]):
        recolour(images[i], streams, i, share)


show: Any = None  # filled in by `specialise`
recolour: Any = None


@lru_cache
def _kernel(kind: str) -> Any:
    if kind == "tv":
        return specialise(_television, "noise_tv", cached=True, show=specialise(_show, "show"))
    return specialise(_colours, "noise_colours", cached=True, recolour=specialise(_recolour, "recolour"))


@dataclass(frozen=True)
class Noise:
    """One kind of noise.

    Attributes:
        kind: "tv" or "colours".
        amount: cells of the screen, or share of the cells.
        switch: the action that changes the channel, -1 for none.
        num_actions: of the environment with it.
    """

    kind: str
    amount: float
    switch: int
    num_actions: int

    def disturb(
        self,
        images: np.ndarray,
        last_images: np.ndarray,
        finished: np.ndarray,
        actions: np.ndarray,
        extra: dict[str, np.ndarray],
    ) -> None:
        """Changes images in place.

        Args:
            images: uint8 [N, V, V, 3], after the action.
            last_images: uint8 [k, V, V, 3], of the episodes that ended.
            finished: int64 [k], whose they are.
            actions: int64 [N], or RESTART or LOOK.
            extra: the arrays `noise`, uint64 [N, 6], and `channel`, uint64 [N].
        """
        amount = int(self.amount) if self.kind == "tv" else float(self.amount)
        arguments = (images, last_images, finished, actions, extra["noise"], extra["channel"], amount, self.switch)
        call(_kernel(self.kind), arguments, "the kernels of observation noise")


def make_noise(task: Task, look: Look, kind: str, amount: float | None) -> Noise | None:
    """The noise that the options of `make_vec` describe; None for none."""
    if kind not in _KINDS:
        raise unknown("noise_kind", str(kind), _KINDS, "noise")
    if kind == "none":
        if amount is not None:
            raise UserError(f"noise_amount={amount!r}: there is no noise; choose noise_kind=tv or colours")
        return None
    if kind == "colours":
        share = _DEFAULT_SHARE if amount is None else amount
        if not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise UserError(f"noise_amount={share!r}: the share of recoloured cells must be above 0 and at most 1")
        return Noise(kind, float(share), -1, task.num_actions)
    cells = _DEFAULT_SCREEN if amount is None else amount
    largest = look.shape[0] + look.shape[1] - 1
    if cells != int(cells) or not _SMALLEST_SCREEN <= cells <= largest:
        raise UserError(
            f"noise_amount={cells!r}: the screen needs {_SMALLEST_SCREEN} cells or more, "
            f"and {largest} fit along two edges of this image"
        )
    return Noise(kind, int(cells), task.num_actions, task.num_actions + 1)
