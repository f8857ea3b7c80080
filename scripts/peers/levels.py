"""Speed of training on mazes, with the student of facebookresearch/dcd.

A convolution of 16 filters, a recurrent layer of 256, heads of 32; 32 environments x 256 steps, 5 epochs of one batch;
mazes of 13 x 13 cells with 25 walls, a view of 5 x 5.

dcd asks for Python 3.8 and gym 0.19. A plain script of the same network and batch stands for it: autograd on Farama's
MiniGrid, one environment after another. rewardlab trains a GRU in the place of the LSTM, on the flattened image in the
place of the convolution. Candidates take turns on one core, one torch thread; a ratio is taken within a round.

    python scripts/peers/levels.py
    python scripts/peers/levels.py --rounds 5 --updates 4
"""

import argparse
import os
import resource
import statistics
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

ENVS, STEPS, EPOCHS = 32, 256, 5
SIZE, WALLS, VIEW, LIMIT = 13, 25, 5, 250
FRAMES = ENVS * STEPS
GAMMA, LAMBDA, CLIP = 0.995, 0.95, 0.2


def rewardlab(*overrides: str) -> Callable[[], None]:
    """A round of training as `rewardlab run` makes it, on levels drawn at random; without evaluations and records."""
    from rewardlab.config.composition import compose
    from rewardlab.training.build import build
    from rewardlab.training.learning.base import make_learning

    agent = ["memory=gru", "memory_size=256", "hidden=[32]", f"rollout_steps={STEPS}", f"epochs={EPOCHS}"]
    agent += [f"minibatch_size={FRAMES}", "learning_rate=1e-4", *overrides]
    given = ["env=maze", "reward=none", "curriculum=domain_random", f"num_envs={ENVS}", "frames=1e12"]
    config = compose([*given, *(f"agent.{one}" for one in agent)]).config
    learning = make_learning(config, build(config))
    return lambda: void(learning.iterate(0))


def plain() -> Callable[[], None]:
    """Collect a rollout from Farama's MiniGrid and learn from it."""
    envs, student = [maze(seed) for seed in range(ENVS)], Student()
    optimiser = torch.optim.Adam(student.parameters(), lr=1e-4, eps=1e-5)
    seen = [env.reset()[0] for env in envs]
    kept = {"state": (torch.zeros(ENVS, 256), torch.zeros(ENVS, 256)), "first": torch.ones(ENVS)}

    def update() -> None:
        images, headings, firsts, actions, told, values, rewards, ends = ([] for _ in range(8))
        before = kept["state"]
        for _ in range(STEPS):
            image = torch.tensor(np.stack([one["image"] for one in seen]), dtype=torch.float32).permute(0, 3, 1, 2)
            heading = nn.functional.one_hot(torch.tensor([one["direction"] for one in seen]), 4).float()
            with torch.no_grad():
                logits, value, kept["state"] = student(image[None], heading[None], kept["state"], kept["first"][None])
                chances = torch.distributions.Categorical(logits=logits[0])
                action = chances.sample()
            paid, over = np.zeros(ENVS, np.float32), np.zeros(ENVS, np.float32)
            for i, env in enumerate(envs):
                seen[i], paid[i], terminated, truncated, _ = env.step(int(action[i]))
                over[i] = terminated or truncated
                if over[i]:
                    seen[i] = env.reset()[0]
            entries = (image, heading, kept["first"], action, chances.log_prob(action), value[0])
            for row, entry in zip((images, headings, firsts, actions, told, values), entries, strict=True):
                row.append(entry)
            rewards.append(torch.from_numpy(paid))
            ends.append(torch.from_numpy(over))
            kept["first"] = ends[-1]
        batch = [torch.stack(row) for row in (images, headings, firsts, actions, told, values, rewards, ends)]
        learn(student, optimiser, before, *batch)

    return update


class Student(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Flatten(), nn.ReLU())
        self.heading = nn.Linear(4, 5)
        self.memory = nn.LSTM((VIEW - 2) ** 2 * 16 + 5, 256)
        self.actor = nn.Sequential(nn.Linear(256, 32), nn.Tanh(), nn.Linear(32, 7))
        self.critic = nn.Sequential(nn.Linear(256, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, image, heading, state, first):  # type: ignore[no-untyped-def]
        """Of T steps [T, N, ...]; the state begins anew where an episode does, between which steps pass together."""
        features = torch.cat([self.conv(image.flatten(0, 1)), self.heading(heading.flatten(0, 1))], dim=1)
        features = features.view(*first.shape, -1)
        cuts = [0, *(t for t in range(1, len(first)) if first[t].any()), len(first)]
        outputs = []
        for start, stop in pairwise(cuts):
            goes_on = (1 - first[start])[:, None]
            held = tuple((entry * goes_on)[None].contiguous() for entry in state)
            output, (hidden, cell) = self.memory(features[start:stop], held)
            state = hidden[0], cell[0]
            outputs.append(output)
        output = torch.cat(outputs)
        return self.actor(output), self.critic(output).squeeze(-1), state


def learn(student, optimiser, before, image, heading, first, action, told, value, reward, end):  # type: ignore[no-untyped-def]
    advantage, running, after = torch.zeros_like(reward), torch.zeros(ENVS), value[-1]
    for t in reversed(range(STEPS)):
        goes_on = 1 - end[t]
        running = reward[t] + GAMMA * after * goes_on - value[t] + GAMMA * LAMBDA * goes_on * running
        advantage[t], after = running, value[t]
    returns, scaled = advantage + value, (advantage - advantage.mean()) / (advantage.std() + 1e-5)
    for _ in range(EPOCHS):
        logits, found, _ = student(image, heading, before, first)
        ratio = (torch.distributions.Categorical(logits=logits).log_prob(action) - told).exp()
        gain = torch.minimum(ratio * scaled, ratio.clamp(1 - CLIP, 1 + CLIP) * scaled).mean()
        loss = 0.5 * (found - returns).pow(2).mean() - gain
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 0.5)
        optimiser.step()


def maze(seed: int):  # type: ignore[no-untyped-def]
    """A maze on Farama's MiniGrid, anew at each reset."""
    from minigrid.core.grid import Grid
    from minigrid.core.mission import MissionSpace
    from minigrid.core.world_object import Goal, Wall
    from minigrid.minigrid_env import MiniGridEnv

    class Maze(MiniGridEnv):
        def _gen_grid(self, width: int, height: int) -> None:
            self.grid = Grid(width, height)
            self.grid.wall_rect(0, 0, width, height)
            for cell in self.np_random.integers(SIZE * SIZE, size=WALLS):
                self.put_obj(Wall(), int(cell) % SIZE + 1, int(cell) // SIZE + 1)
            self.place_obj(Goal())
            self.place_agent()
            self.mission = ""

    env = Maze(
        MissionSpace(lambda: ""), grid_size=SIZE + 2, max_steps=LIMIT, agent_view_size=VIEW, see_through_walls=True
    )
    env.reset(seed=seed)
    return env


def void(_: object) -> None: ...


CANDIDATES: dict[str, Callable[[], Callable[[], None]]] = {
    "plain": plain,
    "rewardlab, GRU of 256": lambda: rewardlab(),
    "rewardlab, GRU of 64": lambda: rewardlab("memory_size=64"),
    "rewardlab, no memory, its own defaults": lambda: rewardlab(
        "memory=none", "hidden=[64,64]", "epochs=2", "minibatch_size=256", "learning_rate=2e-3"
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=2, help="timed updates of a candidate in a round")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    ready = {name: make() for name, make in CANDIDATES.items()}
    speeds: dict[str, list[float]] = {name: [] for name in ready}
    for update in ready.values():
        update()
    for _ in range(arguments.rounds):
        for name, update in ready.items():
            began = resource.getrusage(resource.RUSAGE_SELF)
            for _ in range(arguments.updates):
                update()
            ended = resource.getrusage(resource.RUSAGE_SELF)
            spent = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
            speeds[name].append(arguments.updates * FRAMES / spent)
    print(f"| trainer | frames per CPU s | times plain (min to max), {arguments.rounds} rounds |\n|---|---|---|")
    for name, found in speeds.items():
        ratios = [ours / theirs for ours, theirs in zip(found, speeds["plain"], strict=True)]
        times = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
        print(f"| {name} | {statistics.median(found):,.0f} | {times} |")


if __name__ == "__main__":
    main()
