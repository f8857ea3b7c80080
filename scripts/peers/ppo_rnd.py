"""Speed of PPO with random network distillation on Montezuma's Revenge, beside a plain script.

The plain script is written in the manner of CleanRL's ppo_rnd_envpool: one file, autograd, torch's Adam, frames kept as
floats, the target network asked again for every minibatch and the predictor's error masked to a quarter. It steps
ale_py's own vector interface, which is as fast as EnvPool. Both have the same networks (Nature's convolutions, a layer
of 512, heads of 64; those of Burda et al. 2018 for the bonus), the same batch and the same number of passes. Each plays
and learns on one core with one torch thread; candidates take turns, and a ratio is taken within a round.

    pip install ale-py
    python scripts/peers/ppo_rnd.py
    python scripts/peers/ppo_rnd.py --envs 128 --rounds 3 --env montezuma
"""

import argparse
import os
import resource
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

STEPS, EPOCHS, MINIBATCHES = 128, 4, 4
GAMMA, LAMBDA, CLIP, SHARE = (0.999, 0.99), 0.95, 0.1, 0.25
WEIGHTS = (2.0, 1.0)  # of the task's rewards and of the bonus
GYM = ["env=gym", "env.id=ale_py:ALE/MontezumaRevenge-v5", "env.grayscale=true", "env.resize=84", "env.frame_stack=4"]


def rewardlab(envs: int, world: list[str], *overrides: str) -> Callable[[], None]:
    """A rollout and an update as `rewardlab run` makes them, without evaluations and records."""
    from rewardlab.config.composition import compose
    from rewardlab.training.build import build
    from rewardlab.training.learning.base import make_learning

    size = envs * STEPS // MINIBATCHES
    agent = [f"rollout_steps={STEPS}", f"epochs={EPOCHS}", f"minibatch_size={size}", "learning_rate=1e-4"]
    agent += ["gamma=0.999", f"clip={CLIP}", "entropy_coef=0.001", "network=cnn", "hidden=[64]"]
    reward = ["network=published", "channels=1", "coef=1", "hidden=512", "features=512", "learning_rate=1e-4"]
    reward += [f"epochs={EPOCHS}", f"batch_size={size}", f"update_proportion={SHARE}", "warmup=0"]
    given = [*world, "reward=rnd", f"num_envs={envs}", "frames=1e12"]
    given += [*(f"agent.{one}" for one in agent), *(f"reward.{one}" for one in reward), *overrides]
    config = compose(given).config
    learning = make_learning(config, build(config))
    return lambda: void(learning.iterate(0))


def plain(count: int) -> Callable[[], None]:
    """Play a rollout and learn from it."""
    from ale_py.vector_env import AtariVectorEnv

    envs = AtariVectorEnv("montezuma_revenge", num_envs=count, num_threads=1, repeat_action_probability=0.25)
    policy, bonus = Policy(), Distillation()
    learned = [*policy.parameters(), *bonus.predictor.parameters()]
    optimiser = torch.optim.Adam(learned, lr=1e-4, eps=1e-5)
    pixels, returns = Moments((84, 84)), Moments(())
    shown, _ = envs.reset(seed=0)
    kept = {"shown": torch.from_numpy(shown).float(), "over": torch.zeros(count), "sum": np.zeros(count)}
    pixels.add(kept["shown"][:, -1].numpy())

    def update() -> None:
        obs = torch.zeros(STEPS, count, 4, 84, 84)
        actions, told, overs, rewards, news = (torch.zeros(STEPS, count) for _ in range(5))
        values = torch.zeros(STEPS + 1, count, 2)
        for t in range(STEPS):
            obs[t], overs[t] = kept["shown"], kept["over"]
            with torch.no_grad():
                logits, values[t] = policy(obs[t])
                chances = torch.distributions.Categorical(logits=logits)
                actions[t] = chances.sample()
                told[t] = chances.log_prob(actions[t])
            shown, reward, ended, cut, _ = envs.step(actions[t].long().numpy())
            kept["shown"], kept["over"] = torch.from_numpy(shown).float(), torch.from_numpy(ended | cut).float()
            rewards[t] = torch.from_numpy(np.sign(reward).astype(np.float32))
            with torch.no_grad():
                news[t] = bonus(pixels.scaled(kept["shown"][:, -1:]))
        with torch.no_grad():
            values[STEPS] = policy(kept["shown"])[1]
        sums = []
        for row in news.numpy():
            kept["sum"] = kept["sum"] * GAMMA[1] + row
            sums.append(kept["sum"])
        returns.add(np.concatenate(sums))
        news /= float(np.sqrt(returns.variance))
        latest = obs[:, :, -1].reshape(-1, 84, 84)
        pixels.add(latest.numpy())
        found = [
            advantages(values[..., 0], rewards, torch.cat([overs[1:], kept["over"][None]]), GAMMA[0]),
            advantages(values[..., 1], news, torch.zeros(STEPS, count), GAMMA[1]),
        ]
        targets = (torch.stack(found, dim=-1) + values[:-1]).flatten(0, 1)
        advantage = WEIGHTS[0] * found[0].flatten() + WEIGHTS[1] * found[1].flatten()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        pictures, frames = obs.flatten(0, 1), pixels.scaled(latest[:, None])
        action, before = actions.flatten(), told.flatten()
        for _ in range(EPOCHS):
            for chosen in torch.randperm(STEPS * count).chunk(MINIBATCHES):
                error = bonus(frames[chosen])
                mask = (torch.rand(len(chosen)) < SHARE).float()
                logits, value = policy(pictures[chosen])
                chances = torch.distributions.Categorical(logits=logits)
                ratio = (chances.log_prob(action[chosen]) - before[chosen]).exp()
                gain = torch.min(ratio * advantage[chosen], ratio.clamp(1 - CLIP, 1 + CLIP) * advantage[chosen]).mean()
                loss = 0.5 * (value - targets[chosen]).pow(2).mean() - gain - 0.001 * chances.entropy().mean()
                loss = loss + (error * mask).sum() / mask.sum().clamp(min=1)
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(learned, 0.5)
                optimiser.step()

    return update


def convolutions(channels: int, after: Callable[[], nn.Module]) -> list[nn.Module]:
    layers = [nn.Conv2d(channels, 32, 8, 4), nn.Conv2d(32, 64, 4, 2), nn.Conv2d(64, 64, 3)]
    return [each for layer in layers for each in (layer, after())] + [nn.Flatten()]


class Policy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(*convolutions(4, nn.ReLU), nn.Linear(3136, 512), nn.ReLU())
        self.actor = nn.Sequential(nn.Linear(512, 64), nn.Tanh(), nn.Linear(64, 18))
        self.critic = nn.Sequential(nn.Linear(512, 64), nn.Tanh(), nn.Linear(64, 2))

    def forward(self, pictures):  # type: ignore[no-untyped-def]
        features = self.body(pictures / 255.0)
        return self.actor(features), self.critic(features)


class Distillation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.target = nn.Sequential(*convolutions(1, nn.LeakyReLU), nn.Linear(3136, 512)).requires_grad_(False)
        last = [nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512)]
        self.predictor = nn.Sequential(*convolutions(1, nn.LeakyReLU), *last)

    def forward(self, frames):  # type: ignore[no-untyped-def]
        """The error on each frame."""
        return (self.predictor(frames) - self.target(frames)).pow(2).mean(dim=1)


class Moments:
    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count, self.mean, self.variance = 1e-4, np.zeros(shape), np.ones(shape)

    def add(self, rows) -> None:  # type: ignore[no-untyped-def]
        count, mean, variance = len(rows), rows.mean(axis=0), rows.var(axis=0)
        total, apart = self.count + count, mean - self.mean
        squares = self.variance * self.count + variance * count + apart**2 * self.count * count / total
        self.count, self.mean, self.variance = total, self.mean + apart * count / total, squares / total

    def scaled(self, frames):  # type: ignore[no-untyped-def]
        mean, spread = torch.from_numpy(self.mean).float(), torch.from_numpy(np.sqrt(self.variance) + 1e-8).float()
        return ((frames - mean) / spread).clamp(-5, 5)


def advantages(values, rewards, ends, gamma):  # type: ignore[no-untyped-def]
    found, running = torch.zeros_like(rewards), torch.zeros(rewards.shape[1])
    for t in reversed(range(STEPS)):
        goes_on = 1 - ends[t]
        running = rewards[t] + gamma * values[t + 1] * goes_on - values[t] + gamma * LAMBDA * goes_on * running
        found[t] = running
    return found


def void(_: object) -> None: ...


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--env", nargs="+", default=GYM, help="overrides that name the world of rewardlab")
    parser.add_argument("--only", choices=("plain", "rewardlab"), help="one of the two")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    made = {"plain": lambda: plain(arguments.envs), "rewardlab": lambda: rewardlab(arguments.envs, arguments.env)}
    ready = {name: make() for name, make in made.items() if arguments.only in (None, name)}
    speeds: dict[str, list[float]] = {name: [] for name in ready}
    for update in ready.values():
        update()
    for _ in range(arguments.rounds):
        for name, update in ready.items():
            began = cpu_seconds()
            update()
            speeds[name].append(arguments.envs * STEPS / (cpu_seconds() - began))
    print(f"| trainer | frames per CPU s | times plain (min to max), {arguments.rounds} rounds |\n|---|---|---|")
    for name, found in speeds.items():
        ratios = [ours / theirs for ours, theirs in zip(found, speeds.get("plain", found), strict=True)]
        times = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {name} | {statistics.median(found):,.0f} | {times} |")


if __name__ == "__main__":
    main()
