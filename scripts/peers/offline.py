"""Gradient steps of offline agents per CPU second, beside single-file code in plain torch, as CORL has it.

    python scripts/peers/offline.py [--steps 300] [--rounds 5] [--memory]

Both learn from the same 17 + 6 numbers (as many as D4RL's walker2d has), with the same networks and minibatches of
256, on one core, in turns in one process. The plain code is written here: modules, losses and torch.optim.Adam, a
backward pass and a step for each network. What the matrix products alone take bounds both.
"""

import argparse
import time
from statistics import median

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from rewardlab.agents.offline import iql, td3_bc
from rewardlab.datasets.steps import StoredSteps
from rewardlab.seeding import numpy_rng, torch_rng
from rewardlab.types import ActionSpec, BuildContext, EnvSpec, ObsSpec, StreamSpec

OBS, ACTIONS, BATCH, HIDDEN, STEPS = 17, 6, 256, 256, 100_000


BOTH = OBS + ACTIONS
PASSES = {  # inputs of the networks that pass forwards, and of those that pass backwards, on average
    "iql": ([OBS] * 3 + [BOTH] * 4, [OBS] * 2 + [BOTH] * 2),
    "td3_bc": ([OBS] + [BOTH] * 5, [BOTH] * 3),
}


def net(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs)
    )


class Plain:
    """What both have: a buffer of tensors with the next observations, twin critics and their slow copies."""

    def __init__(self, data: StoredSteps) -> None:
        batch = data.at(np.arange(len(data)))
        self.buffer = (batch.obs["vector"], batch.action, batch.extra["reward"], batch.next_obs["vector"],
                       1 - batch.extra["discount"] / data.gamma)  # fmt: skip
        self.q, self.slow_q = ([net(OBS + ACTIONS, 1) for _ in range(2)] for _ in range(2))
        for slow, quick in zip(self.slow_q, self.q, strict=True):
            slow.load_state_dict(quick.state_dict())
        self.policy = net(OBS, ACTIONS)
        self.log_std = nn.Parameter(torch.zeros(ACTIONS))
        self.of_q = torch.optim.Adam([p for q in self.q for p in q.parameters()], 3e-4)
        self.of_policy = torch.optim.Adam([*self.policy.parameters(), self.log_std], 3e-4)

    def sample(self) -> list[torch.Tensor]:
        index = torch.from_numpy(np.random.randint(0, len(self.buffer[0]), BATCH))
        return [column[index] for column in self.buffer]

    def values(self, nets: list[nn.Sequential], obs: torch.Tensor, action: torch.Tensor) -> list[torch.Tensor]:
        joined = torch.cat([obs, action], dim=1)
        return [q(joined).squeeze(-1) for q in nets]

    @staticmethod
    def follow(slow: nn.Module, quick: nn.Module) -> None:
        for one, other in zip(slow.parameters(), quick.parameters(), strict=True):
            one.data.copy_((1 - 0.005) * one.data + 0.005 * other.data)


def descend(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


class PlainIQL(Plain):
    def __init__(self, data: StoredSteps) -> None:
        super().__init__(data)
        self.v = net(OBS, 1)
        self.of_v = torch.optim.Adam(self.v.parameters(), 3e-4)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.of_policy, 1_000_000)

    def step(self) -> None:
        obs, action, reward, following, done = self.sample()
        with torch.no_grad():
            then = self.v(following).squeeze(-1)
            least = torch.minimum(*self.values(self.slow_q, obs, action))
        advantage = least - self.v(obs).squeeze(-1)
        descend(self.of_v, torch.mean(torch.abs(0.7 - (advantage < 0).float()) * advantage**2))
        targets = reward + (1.0 - done) * 0.99 * then
        descend(self.of_q, sum(functional.mse_loss(q, targets) for q in self.values(self.q, obs, action)) / 2)
        for slow, quick in zip(self.slow_q, self.q, strict=True):
            self.follow(slow, quick)
        weight = torch.exp(3.0 * advantage.detach()).clamp(max=100.0)
        normal = torch.distributions.Normal(torch.tanh(self.policy(obs)), self.log_std.clamp(-20, 2).exp())
        descend(self.of_policy, torch.mean(weight * -normal.log_prob(action).sum(-1)))
        self.schedule.step()


class PlainTD3BC(Plain):
    def __init__(self, data: StoredSteps) -> None:
        super().__init__(data)
        self.slow_policy = net(OBS, ACTIONS)
        self.slow_policy.load_state_dict(self.policy.state_dict())
        self.done = 0

    def step(self) -> None:
        self.done += 1
        obs, action, reward, following, done = self.sample()
        with torch.no_grad():
            noise = (torch.randn_like(action) * 0.2).clamp(-0.5, 0.5)
            then = (torch.tanh(self.slow_policy(following)) + noise).clamp(-1, 1)
            targets = reward + (1 - done) * 0.99 * torch.minimum(*self.values(self.slow_q, following, then))
        descend(self.of_q, sum(functional.mse_loss(q, targets) for q in self.values(self.q, obs, action)))
        if self.done % 2 == 0:
            own = torch.tanh(self.policy(obs))
            values = self.values(self.q[:1], obs, own)[0]
            trust = 2.5 / values.abs().mean().detach()
            descend(self.of_policy, -trust * values.mean() + functional.mse_loss(own, action))
            for slow, quick in zip([*self.slow_q, self.slow_policy], [*self.q, self.policy], strict=True):
                self.follow(slow, quick)


class Ours:
    def __init__(self, module, data: StoredSteps) -> None:  # type: ignore[no-untyped-def]
        bounds = (-1.0,) * ACTIONS, (1.0,) * ACTIONS
        spec = EnvSpec("Walker", {"vector": ObsSpec((OBS,), "float32")}, ActionSpec(None, (ACTIONS,), *bounds), 1000)
        context = BuildContext(spec, 1, torch.device("cpu"), torch_rng(0, "peer"), numpy_rng(0, "peer"), 0.99)
        self.agent = module.Agent(
            module.Config(network="mlp", hidden=[HIDDEN, HIDDEN]), context, (StreamSpec("task", 0.99),)
        )
        self.data, self.rng = data, np.random.default_rng(0)
        self.agent.begin(data)

    def step(self) -> None:
        self.agent.learn(self.agent.draw(self.data, BATCH, self.rng), 0.0)


def products(forwards: list[int], backwards: list[int]) -> float:
    """CPU seconds of nothing but the matrix products of a gradient step, by the quicker of torch and numpy.

    Args:
        forwards, backwards: of every network that passes, how many numbers go in.
    """
    shapes = []
    for inputs in forwards:
        shapes += [(BATCH, inputs, HIDDEN), (BATCH, HIDDEN, HIDDEN)]
    for inputs in backwards:
        shapes += [(inputs, BATCH, HIDDEN), (HIDDEN, BATCH, HIDDEN), (BATCH, HIDDEN, HIDDEN)]
    pairs = [(torch.randn(n, k), torch.randn(k, m), torch.empty(n, m)) for n, k, m in shapes]
    found = []
    for multiply in (
        lambda a, b, out: torch.mm(a, b, out=out),
        lambda a, b, out: np.dot(a.numpy(), b.numpy(), out.numpy()),
    ):
        started = time.process_time()
        for _ in range(50):
            for pair in pairs:
                multiply(*pair)
        found.append((time.process_time() - started) / 50)
    return min(found)


def made_up(steps: int) -> StoredSteps:
    rng, episodes = np.random.default_rng(0), steps // 1000
    obs = {"vector": torch.from_numpy(rng.normal(size=(steps + episodes, OBS)).astype(np.float32))}
    action = torch.from_numpy(rng.uniform(-1, 1, (steps, ACTIONS)).astype(np.float32))
    reward = torch.from_numpy(rng.normal(size=steps).astype(np.float32))
    return StoredSteps(obs, action, reward, torch.zeros(steps, dtype=torch.bool), np.arange(episodes + 1) * 1000, 0.99)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="only what a data set of a million steps takes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.memory:
        data = made_up(1_000_000)
        raw = sum(column.numpy().nbytes for column in (*data.obs.values(), data.action, data.reward, data.terminated))
        print(f"raw {raw / 2**20:.0f} MiB, kept {data.nbytes / 2**20:.0f} MiB: {data.nbytes / raw:.2f} times")
        return
    data = made_up(STEPS)
    for name, plain, module in (("iql", PlainIQL, iql), ("td3_bc", PlainTD3BC, td3_bc)):
        found: dict[str, list[float]] = {"plain torch": [], "rewardlab": []}
        learners = {"plain torch": plain(data), "rewardlab": Ours(module, data)}
        for learner in learners.values():
            for _ in range(20):
                learner.step()
        for _ in range(given.rounds):
            for who, learner in learners.items():
                started = time.process_time()
                for _ in range(given.steps):
                    learner.step()
                found[who].append(given.steps / (time.process_time() - started))
        ratio = median(ours / theirs for ours, theirs in zip(found["rewardlab"], found["plain torch"], strict=True))
        rates = ", ".join(f"{who} {median(rate):.0f}" for who, rate in found.items())
        floor = median(products(*PASSES[name]) for _ in range(given.rounds))
        print(f"{name}: gradient steps per CPU second: {rates}; {ratio:.2f} times")
        bound = 1 / floor / median(found["plain torch"])
        print(f"{name}: the matrix products alone: {1 / floor:.0f}, {bound:.2f} times")


if __name__ == "__main__":
    main()
