"""`rewardlab play`: a run's policy at play on evaluation levels, as a GIF with what it is paid written in."""

import io
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont

from rewardlab import seeding, trained
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.facts import PICTURE
from rewardlab.records.files import write_atomic
from rewardlab.report.reading.run_folder import PICTURE_LIMIT
from rewardlab.schemas import RootConfig
from rewardlab.threads import use_one_thread
from rewardlab.training.levels import evaluation_list
from rewardlab.training.wrappers.goal_env import GoalEnv
from rewardlab.training.wrappers.repeat_env import make_env
from rewardlab.types import Agent, Array, EnvSpec, StepBatch, VecEnv

_MOST_FRAMES = 900  # of a GIF; of longer play only every second, fourth, ... step is shown
_MOST_BYTES = PICTURE_LIMIT  # of a run's play.gif: more than this no report shows
_MOST_STEPS, _CUT = 20_000, "cut short"  # an environment without a time limit may never end
_MOST_PIXELS = 480  # of a picture's longer side
_LEAST_WIDTH = 260  # room for the caption
_FIRST, _STEP, _LAST = 600, 100, 1500  # milliseconds
_FONT, _LINE, _MARGIN = 14, 19, 6
_INK, _PAPER, _GAIN, _LOSS = (235, 235, 235), (24, 26, 30), (110, 220, 120), (255, 110, 100)


def main(given: Namespace) -> int:
    """Write the GIF that the flags ask for."""
    return play(given.run, given.episodes, given.out, given.seed, given.overrides, given.level)


def play(
    run: str,
    episodes: int = 3,
    out: str | None = None,
    seed: int = 0,
    trusted: Sequence[str] = (),
    level: str | None = None,
) -> int:
    """Play whole episodes with a run's policy and write them as a GIF; prints the returns. Returns the exit code.

    The levels are those of the run's evaluation, in its order and then again from the first; `seed` is that of the
    policy's sampling, `trusted` see `trained.run_config`. With `level`, they are all that one, by name.

    Raises:
        UserError: no such run, no policy in it, an environment that cannot be drawn, a file that can't be written.
    """
    if episodes < 1:
        raise UserError(f"--episodes {episodes}: must be at least 1")
    if seed < 0:
        raise UserError(f"--seed {seed}: must be at least 0")
    folder = trained.find_run(run)
    use_one_thread()
    config = trained.run_config(folder, trusted)
    shown = config if level is None else replace(config, env=config.env.on_level(level))
    target = _target(folder, out, "play.gif" if level is None else f"play_{level}.gif")
    agent, conditioner = trained.learners(folder, config, check_drawn)
    env = drawn_env(shown)
    if conditioner is not None:
        env = GoalEnv(env, conditioner, (PICTURE,))
    films: list[list[Image.Image]] = []
    try:
        for number, episode in enumerate(_episodes(env, agent, config, episodes, seed), start=1):
            title = f"{env.spec.id}\nepisode {number} of {episodes}"
            films.append([_frame(title, moment) for moment in episode])
            last = episode[-1]
            print(f"episode {number}: return {last.total:g} in {last.step} steps, {last.end}")
    finally:
        env.close()
    content, every = _film(films, _MOST_BYTES if out is None and level is None else None)
    if every > 1:
        print(f"one picture in {every} is kept, so that reports can show it; --out FILE keeps all")
    _write(target, content)
    print(target)
    return 0


@dataclass(frozen=True)
class _Moment:
    """One picture of an episode, uint8 [H, W, 3], and what is written under it; `end` only in the last one."""

    picture: Array
    step: int
    reward: float
    total: float
    end: str = ""


@torch.no_grad()
def _episodes(env: VecEnv, agent: Agent, config: RootConfig, count: int, seed: int) -> Iterator[list[_Moment]]:
    """Each episode from its first picture to that of its true last state; one that does not end is the last."""
    rng = seeding.torch_rng(seed, "play")
    obs, state, first = env.reset([seed]), agent.initial_state(1), torch.ones(1, dtype=torch.bool)
    for _ in range(count):
        moments = [_Moment(_picture(env.privileged()), 0, 0.0, 0.0)]
        stride, step, total = 1, 0, 0.0
        while not moments[-1].end:
            tensors = {name: torch.from_numpy(entry) for name, entry in obs.items()}
            output = agent.act(tensors, state, first, config.eval.policy, rng)
            batch = env.step(output.action.numpy())
            obs, state, first = batch.obs, output.state, torch.from_numpy(batch.terminated | batch.truncated)
            step, reward = step + 1, float(batch.task_reward[0])
            total += reward
            end = _end(batch, env.spec.task.success is not None) or (_CUT if step == _MOST_STEPS else "")
            if end or step % stride == 0:
                moments.append(_Moment(_picture(batch.privileged), step, reward, total, end))
            if len(moments) > max(_MOST_FRAMES // count, 2) and not end:
                moments, stride = moments[::2], stride * 2
        yield moments
        if moments[-1].end == _CUT:
            return


def _end(batch: StepBatch, can_succeed: bool) -> str:
    if not (batch.terminated[0] or batch.truncated[0]):
        return ""
    if batch.success[0]:
        return "solved"
    if not batch.terminated[0]:
        return "out of time"
    return "failed" if can_succeed else "over"


def _picture(facts: dict[str, Array]) -> Array:
    picture: Array = facts[PICTURE][0].astype("uint8")
    return picture


def _frame(title: str, moment: _Moment) -> Image.Image:
    """The picture on a sheet with three lines of text under it."""
    picture = Image.fromarray(moment.picture)
    if max(picture.size) > _MOST_PIXELS:
        picture.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
    width, height = max(picture.width, _LEAST_WIDTH), picture.height
    sheet = Image.new("RGB", (width, height + 3 * _LINE + 2 * _MARGIN), _PAPER)
    sheet.paste(picture, ((width - picture.width) // 2, 0))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT)
    colour = _INK if moment.reward == 0 else _GAIN if moment.reward > 0 else _LOSS
    paid = f"step {moment.step}   reward {moment.reward:.3g}   return {moment.total:.3g}"
    lines = [(line, _INK) for line in title.splitlines()] + [(paid, colour)]
    for row, (text, ink) in enumerate(lines):
        draw.text((_MARGIN, height + _MARGIN + row * _LINE), text, ink, font)
    if moment.end:
        draw.text((width - _MARGIN, height + _MARGIN + _LINE), moment.end, colour, font, anchor="ra")
    return sheet.quantize(method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def _film(films: list[list[Image.Image]], most: int | None) -> tuple[memoryview, int]:
    """A GIF of at most so many bytes, if its ends alone are no more; and of how many pictures it shows one."""
    every = 1
    while True:
        kept = [[*film[:-1:every], film[-1]] for film in films]
        content = _gif(kept)
        if most is None or len(content) <= most or all(len(film) <= 2 for film in kept):
            return content, every
        every = max(every + 1, every * len(content) // most)


def _gif(films: list[list[Image.Image]]) -> memoryview:
    frames = list(chain.from_iterable(films))
    durations = list(chain.from_iterable([_FIRST, *[_STEP] * (len(film) - 2), _LAST] for film in films))
    content = io.BytesIO()
    frames[0].save(
        content, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, disposal=1, optimize=False
    )
    return content.getbuffer()


def _write(target: Path, content: memoryview) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, content)
    except OSError as error:
        raise UserError(f"{target}: can't be written ({error.strerror})") from None


def _target(folder: Path, out: str | None, usual: str) -> Path:
    target = folder / usual if out is None else Path(out).expanduser()
    if target.suffix.lower() != ".gif":
        raise UserError(f"--out {out}: must end in .gif")
    if target.is_dir() or not target.absolute().parent.is_dir():
        raise UserError(f"--out {out}: {'is a folder' if target.is_dir() else 'its folder is not there'}")
    return target


def drawn_env(config: RootConfig) -> Any:
    """The environment of a run's evaluation, one of it, which is drawn at every step."""
    facts = (PICTURE, *config.curriculum.privileged())
    return make_env(config.env.as_reported(), Levels(1, lists=[evaluation_list(config)]), facts)


def check_drawn(spec: EnvSpec) -> None:
    """Raises:
    UserError: it cannot be drawn.
    """
    if PICTURE not in spec.privileged:
        raise UserError(f"env.id={spec.id}: cannot be drawn, so it cannot be played")
