"""Emulators of one Atari game, stepped one after another: frames skipped, actions that stick, states in and out.

Nothing is random in an emulator of ours: which actions stick is drawn outside of it, frame by frame as ALE does, so
that a game's randomness can be seeded without loading the game anew, which takes 90 ms. A game begins in the one state
in which ALE leaves it after loading, which is put back in 30 us; ALE's own reset is slower, and leaves a few games,
Solaris for one, in another state than the first time.
"""

from __future__ import annotations

import atexit
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardlab.envs.external.atari_frames import SIDE, shrunk
from rewardlab.types import Array

_NO_ACTION = 0
_idle: dict[str, list[Any]] = {}  # ROM -> emulators that nobody uses: to load one takes as long as 300 steps


@dataclass(frozen=True)
class _Start:
    """How a game begins. state: uint8 [S]. screen: uint8 [H, W], grey. colours: uint8 [H, W, 3]. ram: uint8 [128]."""

    state: Array
    screen: Array
    colours: Array
    ram: Array
    lives: int


class Emulators:
    """N of a game.

    Args:
        rom: the game's name in ale_py.roms.
        minimal: whether actions are those that do something in the game, or all 18.
        skip: frames of a step.

    Attributes:
        actions: how many there are.
        frame: uint8 [N, 84, 84], the latest picture of each, as `atari_frames` makes it.
        ram: uint8 [N, 128]. lives: int64 [N].
    """

    def __init__(self, rom: str, num_envs: int, minimal: bool, skip: int) -> None:
        self._rom, self._resting = rom, _idle.setdefault(rom, [])
        self._each: list[Any] = []  # as many as were needed so far
        weakref.finalize(self, self._resting.extend, self._each).atexit = False
        _used.add(self)
        one = self._at(0)
        known = one.getMinimalActionSet() if minimal else one.getLegalActionSet()
        self._action = list(known)
        self.actions = len(self._action)
        self._skip, self._start = skip, _start(rom, one)
        self._screens = np.zeros((2, *self._start.screen.shape), dtype=np.uint8)
        self._undrawn = np.zeros(num_envs, dtype=bool)  # whose screen is not that of their state
        self.frame = np.zeros((num_envs, SIDE, SIDE), dtype=np.uint8)
        self.ram = np.zeros((num_envs, len(self._start.ram)), dtype=np.uint8)
        self.lives = np.zeros(num_envs, dtype=np.int64)

    def begin(self, i: int, idle_frames: int) -> None:
        """A new game, after so many frames without an action."""
        start, emulator = self._start, self._at(i)
        self._restore(i, start.state)
        screen = start.screen
        for _ in range(idle_frames):
            emulator.act(_NO_ACTION)
            if emulator.game_over():
                self._restore(i, start.state)
        if idle_frames:
            screen = emulator.getScreenGrayscale()
            self._undrawn[i] = False
        self._screens[:] = screen
        shrunk(self._screens, self.frame[i])
        emulator.getRAM(self.ram[i])
        self.lives[i] = emulator.lives()

    def play(self, i: int, wanted: int, held: int, sticks: list[bool]) -> tuple[int, int, bool]:
        """Frames of one step, the last of which is the game's last where it ends among them.

        Args:
            wanted: the action. held: that of the frame before. sticks: of each frame, whether that one is held.

        Returns:
            The points, the action of the last frame, and whether the game is over.
        """
        emulator, screens, action = self._each[i], self._screens, self._action
        act, over = emulator.act, emulator.game_over
        points, ended, drawn = 0, False, self._skip - 2
        for k in range(self._skip):
            if not sticks[k]:
                held = wanted
            points += act(action[held])
            ended = over()
            if k >= drawn:
                emulator.getScreenGrayscale(screens[k - drawn])
            if ended:
                break
        if (ended and k <= drawn) or self._skip == 1:  # only the last frame was drawn, or none
            emulator.getScreenGrayscale(screens[1])
            screens[0] = screens[1]
        shrunk(screens, self.frame[i])
        emulator.getRAM(self.ram[i])
        self.lives[i] = emulator.lives()
        self._undrawn[i] = False
        return points, held, ended

    def state(self, i: int) -> Array:
        """Of emulator i, uint8 [S], as how it differs from the beginning of a game: nearly all of it is 0."""
        taken = np.frombuffer(self._each[i].cloneState().serialize(), dtype=np.uint8)
        changed: Array = taken ^ self._start.state
        return changed

    def put(self, i: int, state: Array, frame: Array) -> None:
        """Go on from what `state` said, with the picture of then: emulators don't draw what they are put into."""
        self._restore(i, state ^ self._start.state)
        self.frame[i] = frame
        self._each[i].getRAM(self.ram[i])
        self.lives[i] = self._each[i].lives()

    def colours(self, i: int) -> Array:
        """What people see, uint8 [H, W, 3]; grey, and as coarse as it is kept, where it was only put into a state."""
        if not self._undrawn[i]:
            drawn: Array = self._each[i].getScreenRGB()
            return drawn
        height, width = self._start.screen.shape
        first: Array = np.zeros((SIDE, SIDE), dtype=np.uint8)
        shrunk(np.stack([self._start.screen] * 2), first)
        if np.array_equal(first, self.frame[i]):
            return self._start.colours
        rows, columns = np.arange(height) * SIDE // height, np.arange(width) * SIDE // width
        coarse: Array = self.frame[i][rows[:, None], columns[None]]
        return coarse[..., None].repeat(3, axis=2)

    def let_go(self) -> None:
        """Of all emulators; nothing can be done with it any more."""
        self._each.clear()

    def _at(self, i: int) -> Any:
        while len(self._each) <= i:
            self._each.append(self._resting.pop() if self._resting else _loaded(self._rom))
        return self._each[i]

    def _restore(self, i: int, state: Array) -> None:
        from ale_py import ALEState

        self._at(i).restoreState(ALEState(state.tobytes()))
        self._undrawn[i] = True


@atexit.register
def _end() -> None:
    """Or the emulators' library complains of those that live on."""
    for resting in _idle.values():
        resting.clear()
    for each in list(_used):
        each.let_go()


_used: weakref.WeakSet[Emulators] = weakref.WeakSet()
_starts: dict[str, _Start] = {}


def _start(rom: str, emulator: Any) -> _Start:
    """How a game begins, asked of the first emulator of it, which must be freshly loaded then."""
    if rom not in _starts:
        emulator.reset_game()
        _starts[rom] = _Start(
            np.frombuffer(emulator.cloneState().serialize(), dtype=np.uint8),
            emulator.getScreenGrayscale(),
            emulator.getScreenRGB(),
            emulator.getRAM(),
            emulator.lives(),
        )
    return _starts[rom]


def _loaded(rom: str) -> Any:
    from ale_py import ALEInterface, LoggerMode, roms

    ALEInterface.setLoggerMode(LoggerMode.Error)
    emulator = ALEInterface()
    emulator.setFloat("repeat_action_probability", 0.0)
    emulator.setInt("max_num_frames_per_episode", 0)
    path = roms.get_rom_path(rom)
    assert path is not None
    emulator.loadROM(path)
    return emulator
