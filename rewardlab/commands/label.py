"""`rewardlab label`: a person compares pieces of a run's play, two short GIFs at a time."""

import csv
from argparse import Namespace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from rewardlab import seeding, starting, trained
from rewardlab.commands.label_page import serve
from rewardlab.commands.play import check_drawn, drawn_env
from rewardlab.datasets.comparisons import HEADER, LABELS, answers_in, pairs_in, write_segments
from rewardlab.datasets.folders import SEGMENTS
from rewardlab.errors import UserError
from rewardlab.facts import PICTURE
from rewardlab.maths.boxes import drawn
from rewardlab.parts.buffers.segments import LENGTH, PLAYED, Segments
from rewardlab.schemas import RootConfig
from rewardlab.threads import use_one_thread
from rewardlab.types import ActionSpec, Agent, Array, Obs, TensorObs, VecEnv

SIDES = ("left", "right")
_KEYS = {"1": "left", "2": "right", "=": "same"}
_MOST_STEPS = 2000  # of an episode
_MOST_PIXELS = 240  # of a picture's longer side
_STEP, _LAST = 80, 800  # milliseconds


def main(given: Namespace) -> int:
    """Make the pairs that the flags ask for, unless they are there, and ask."""
    _check(given)
    starting.over()
    folder = trained.find_run(given.run)
    out = folder / "labels" if given.out is None else Path(given.out).expanduser()
    questions = make(given, folder, out) if not (out / SEGMENTS).exists() else Questions(out)
    if not questions.left:
        print(f"{questions.file}: all {questions.pairs} pairs are answered; name another --out for more")
        return 0
    ask_here(questions) if given.terminal else serve(questions, given.port)
    print(f"{questions.file}: {questions.pairs - len(questions.left)} of {questions.pairs} pairs are answered")
    return 0


class Questions:
    """The pairs of a folder, and their answers as they come.

    Raises:
        UserError: what is there can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / LABELS
        self.pairs = pairs_in(folder)
        if not self.file.exists():
            self.file.write_text(",".join(HEADER) + "\n", encoding="utf-8")
        answered = answers_in(str(self.file), self.file, self.pairs)
        self.left = [pair for pair in range(self.pairs) if pair not in answered]

    def gif(self, pair: int, side: str) -> Path:
        return self.folder / f"pair-{pair:04}-{side}.gif"

    def answer(self, pair: int, answer: str) -> None:
        """Write it down at once."""
        with open(self.file, "a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow([pair, answer, 1])
        self.left.remove(pair)

    def skip(self, pair: int) -> None:
        """Ask for it later, after all others."""
        self.left.remove(pair)
        self.left.append(pair)


def ask_here(questions: Questions) -> None:
    """In the terminal, until all is answered or the person stops."""
    print("Which is better? 1: the first, 2: the second, =: as good, s: later, q: stop")
    while questions.left:
        pair = questions.left[0]
        first, second = (questions.gif(pair, side) for side in SIDES)
        try:
            told = input(f"{len(questions.left)} left\n  1 {first}\n  2 {second}\n> ").strip().lower()
        except EOFError:
            return
        if told == "q":
            return
        if told == "s":
            questions.skip(pair)
        elif told in _KEYS:
            questions.answer(pair, _KEYS[told])
        else:
            print(f"{told}: write one of 1, 2, =, s, q")


def make(given: Namespace, folder: Path, out: Path) -> Questions:
    """Play, cut pairs out of it, and write them down with their GIFs.

    Raises:
        UserError: no policy, an environment that can't be drawn, files that can't be written.
    """
    use_one_thread()
    config = trained.run_config(folder, given.overrides)
    agent, conditioner = trained.learners(folder, config, check_drawn)
    if conditioner is not None:
        raise UserError(f"{folder}: its policy follows goals that are set for it, which no label shows")
    rng, segments = seeding.numpy_rng(given.seed, "label"), Segments(given.episodes, given.segment)
    pictures: list[Image.Image] = []
    env = drawn_env(config)
    try:
        at_random, obs = round(given.random * given.episodes), env.reset([given.seed])
        for number in range(given.episodes):
            player = None if number < at_random else agent
            episode, success, obs = _episode(env, obs, player, config, rng, pictures)
            segments.add(episode, success)
            print(f"episode {number + 1} of {given.episodes}: {len(episode['action'])} steps", flush=True)
    finally:
        env.close()
    pairs = segments.pairs(given.pairs, rng)
    places = pairs.pop("place")
    del pairs["success"], pairs[PLAYED]
    try:
        out.mkdir(parents=True, exist_ok=True)
        for pair in range(given.pairs):
            for index, side in enumerate(SIDES):
                shown = [pictures[int(place)] for place in places[pair, index, : int(pairs[LENGTH][pair])]]
                name = out / f"pair-{pair:04}-{side}.gif"
                times = [_STEP] * (len(shown) - 1) + [_LAST]
                shown[0].save(name, "GIF", save_all=True, append_images=shown[1:], duration=times, loop=0, disposal=1)
        write_segments(out, pairs)  # the last, so that what is half written is made anew
        return Questions(out)
    except OSError as error:
        raise UserError(f"--out {out}: can't be written ({error.strerror or error})") from None


@torch.no_grad()
def _episode(
    env: VecEnv,
    obs: Obs,
    agent: Agent | None,
    config: RootConfig,
    rng: np.random.Generator,
    pictures: list[Image.Image],
) -> tuple[TensorObs, bool, Obs]:
    """The columns of an episode that begins with `obs`, [L, ...], whether it succeeded, and the first of the next one.

    `place` says which of the pictures, to which those of its successors are added, is of a step. Without an agent
    actions are random.
    """
    torch_rng = torch.Generator().manual_seed(int(rng.integers(2**62)))
    state, first = None if agent is None else agent.initial_state(1), torch.ones(1, dtype=torch.bool)
    rows: dict[str, list[Array]] = {}
    for _ in range(_MOST_STEPS):
        if agent is None:
            action = _random(env.spec.action, rng)
        else:
            shown = {name: torch.from_numpy(entry) for name, entry in obs.items()}
            output = agent.act(shown, state, first, config.eval.policy, torch_rng)
            action, state = output.action.numpy(), output.state
        batch = env.step(action)
        row = {f"obs.{name}": entry for name, entry in obs.items()}
        row |= {f"next_obs.{name}": entry for name, entry in batch.next_obs.items()}
        row |= {"action": action, "task_reward": batch.task_reward, "terminated": batch.terminated}
        row["place"] = np.array([len(pictures)])
        pictures.append(_small(batch.privileged[PICTURE][0]))
        for name, value in row.items():
            rows.setdefault(name, []).append(np.array(value))
        obs, first = batch.obs, torch.from_numpy(batch.terminated | batch.truncated)
        if first[0]:
            break
    else:
        obs = env.reset([int(rng.integers(2**31))])
    columns = {name: torch.from_numpy(np.concatenate(values)) for name, values in rows.items()}
    return columns, bool(batch.success[0]), obs


def _random(spec: ActionSpec, rng: np.random.Generator) -> Array:
    if spec.n is not None:
        return rng.integers(spec.n, size=1)
    low, high = np.array(spec.low), np.array(spec.high)
    return drawn(low, high, 1, rng, spec.whole).reshape(1, *spec.shape).astype(np.float32)


def _small(picture: Array) -> Image.Image:
    image = Image.fromarray(picture.astype("uint8"))
    image.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
    return image.quantize(64, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def _check(given: Namespace) -> None:
    least = {"--pairs": (given.pairs, 1), "--segment": (given.segment, 1), "--episodes": (given.episodes, 2)}
    for flag, (value, smallest) in {**least, "--seed": (given.seed, 0)}.items():
        if value < smallest:
            raise UserError(f"{flag} {value}: must be at least {smallest}")
    if not 0 <= given.random <= 1:
        raise UserError(f"--random {given.random:g}: must be from 0 to 1")
    if not 0 <= given.port <= 65535:
        raise UserError(f"--port {given.port}: must be from 0 to 65535")
