"""Picture strips of the levels that designers chose over training, as the page shows them: outlines for SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rewardlab.report.comparison import Comparison
from rewardlab.report.numbers import amount
from rewardlab.report.reading.level_strip import Strip, read_strip
from rewardlab.report.reading.plain import Unreadable

# The agent as a triangle within a cell, by heading.
_AGENTS = ("m.2 .15v.7l.65-.35z", "m.15 .2h.7l-.35 .65z", "m.8 .15v.7l-.65-.35z", "m.15 .8h.7l-.35-.65z")


@dataclass(frozen=True)
class Drawn:
    """One level in cells: the outlines of its walls, its agent and its goal as paths."""

    width: int
    height: int
    walls: str
    agent: str
    goal: str


@dataclass(frozen=True)
class Moment:
    """What stood then: frames in words, and the levels one below the other."""

    frames: str
    levels: tuple[Drawn, ...]


@dataclass(frozen=True)
class NamedStrip:
    env: str
    name: str
    moments: tuple[Moment, ...]


def level_strips(comparison: Comparison, roots: Mapping[str, Path]) -> tuple[NamedStrip, ...]:
    """One for each setting whose curriculum designs levels: its first seed that tells."""
    return tuple(found for env in comparison.envs for found in _of_env(comparison, env, roots))


def _of_env(comparison: Comparison, env: str, roots: Mapping[str, Path]) -> Iterator[NamedStrip]:
    for setting in comparison.of_env(env):
        for run in (outcome.run for outcome in setting.outcomes):
            if run.folder not in roots:
                continue
            with suppress(Unreadable):
                strip = read_strip(roots[run.folder] / run.name, roots[run.folder])
                yield NamedStrip(env, comparison.setting_name(setting), tuple(_moments(strip)))
                break


def _moments(strip: Strip) -> Iterator[Moment]:
    for m, frames in enumerate(strip.frames.tolist()):
        levels = (
            drawn(walls, *numbers)
            for walls, *numbers in zip(
                strip.walls[m], strip.start[m].tolist(), strip.heading[m].tolist(), strip.goal[m].tolist(), strict=True
            )
        )
        yield Moment(amount(frames), tuple(levels))


def drawn(walls: NDArray[Any], start: int, heading: int, goal: int) -> Drawn:
    """A maze of walls bool [h, w]; walls side by side are one outline."""
    height, width = walls.shape
    outlines = []
    for y in range(height):
        x = 0
        while x < width:
            end = x
            while end < width and walls[y, end]:
                end += 1
            if end > x:
                outlines.append(f"M{x} {y}h{end - x}v1h{x - end}z")
            x = end + 1
    at, there = (f"M{cell % width} {cell // width}" for cell in (start, goal))
    return Drawn(width, height, "".join(outlines), f"{at}{_AGENTS[heading]}", f"{there}h1v1h-1z")
