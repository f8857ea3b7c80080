"""Training speed of PPO beside torch-ac and stable-baselines3: the same CNN, task, batch and core.

    pip install torch-ac stable-baselines3
    python scripts/peers/ppo.py [--rounds 5] [--updates 8] [--env MiniGrid-DoorKey-5x5-v0]

Every candidate runs in a process of its own, pinned to one core, one torch thread, in turn, round after round;
the ratios are taken within a round, because absolute times drift. 16 environments x 128 steps, 4 epochs,
minibatches of 256: torch-ac's own setting. The first update of each is not timed. A peer that is not installed is
left out, with a line that says so.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time

ENVS, STEPS, EPOCHS, MINIBATCH = 16, 128, 4, 256
FRAMES = ENVS * STEPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=8, help="timed updates of a candidate in a round")
    parser.add_argument("--env", default="MiniGrid-DoorKey-5x5-v0")
    parser.add_argument("--candidate", choices=tuple(CANDIDATES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.candidate:
        _pin_to_one_core()
        print(json.dumps(CANDIDATES[arguments.candidate](arguments.env, arguments.updates)))
        return
    names = [name for name in CANDIDATES if _installed(name)]
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            command = [sys.executable, __file__, "--candidate", name, "--env", arguments.env]
            command += ["--updates", str(arguments.updates)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            results[name].append(json.loads(output.splitlines()[-1]))
    _report(results, arguments)


def rewardlab(env_id: str, updates: int, backend: str = "fast") -> dict[str, float]:
    """The training iteration of `rewardlab run`, evaluation and records left out."""
    from rewardlab.composition import compose
    from rewardlab.training.build import build
    from rewardlab.training.on_policy import iterate, make_collector

    overrides = ["env=minigrid", f"env.id={env_id}", f"env.backend={backend}", "reward=none", f"num_envs={ENVS}"]
    overrides += ["agent.network=cnn", "agent.learning_rate=1e-3"]
    overrides += [f"agent.rollout_steps={STEPS}", f"agent.epochs={EPOCHS}", f"agent.minibatch_size={MINIBATCH}"]
    config = compose(overrides).config
    parts = build(config)
    in_env = _Stopwatch(parts.env)
    collector = make_collector(config, parts)

    def update() -> None:
        iterate(parts, collector, STEPS, 0.0)

    fps = _timed(update, updates, before=in_env.restart)
    return {"fps": fps, "env_share": in_env.seconds * fps / (updates * FRAMES)}


def torch_ac(env_id: str, updates: int) -> dict[str, float]:
    """torch-ac's PPO with its defaults; its environments live in 15 processes of their own, on the same core."""
    import gymnasium
    import minigrid  # noqa: F401
    import torch
    import torch_ac as library

    class Model(torch.nn.Module, library.ACModel):
        def __init__(self, actions: int) -> None:
            super().__init__()
            self.trunk = _convolutions()
            self.actor, self.critic = _head(actions), _head(1)

        def forward(self, obs):  # type: ignore[no-untyped-def]
            features = self.trunk(obs.image.permute(0, 3, 1, 2))
            return torch.distributions.Categorical(logits=self.actor(features)), self.critic(features).squeeze(1)

    def preprocess(observations, device=None):  # type: ignore[no-untyped-def]
        import numpy

        images = numpy.array([observation["image"] for observation in observations])
        return library.DictList({"image": torch.tensor(images, device=device, dtype=torch.float)})

    envs = [gymnasium.make(env_id) for _ in range(ENVS)]
    for seed, env in enumerate(envs):
        env.reset(seed=seed)
    algorithm = library.PPOAlgo(
        envs, Model(7), None, STEPS, recurrence=1, epochs=EPOCHS, batch_size=MINIBATCH, preprocess_obss=preprocess
    )

    def update() -> None:
        experience, _ = algorithm.collect_experiences()
        algorithm.update_parameters(experience)

    return {"fps": _timed(update, updates)}


def stable_baselines3(env_id: str, updates: int) -> dict[str, float]:
    """stable-baselines3's PPO on its DummyVecEnv, which is faster here than one process per environment."""
    import gymnasium
    import minigrid
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

    class Features(BaseFeaturesExtractor):
        def __init__(self, space: gymnasium.Space) -> None:
            super().__init__(space, 64)
            self.trunk = _convolutions()

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.trunk(image)

    class Times(BaseCallback):
        def __init__(self) -> None:
            super().__init__()
            self.at: list[float] = []

        def _on_rollout_start(self) -> None:
            self.at.append(time.perf_counter())

        def _on_step(self) -> bool:
            return True

    def make() -> gymnasium.Env:
        env = minigrid.wrappers.ImgObsWrapper(gymnasium.make(env_id))
        env.observation_space = gymnasium.spaces.Box(0, 255, (7, 7, 3), "uint8")
        return gymnasium.wrappers.TransformObservation(
            env, lambda image: image.transpose(2, 0, 1), gymnasium.spaces.Box(0, 255, (3, 7, 7), "uint8")
        )

    import minigrid.wrappers

    policy = {
        "features_extractor_class": Features,
        "net_arch": [64],
        "activation_fn": torch.nn.Tanh,
        "normalize_images": False,
    }
    algorithm = PPO(
        "CnnPolicy", make_vec_env(make, ENVS), n_steps=STEPS, batch_size=MINIBATCH, n_epochs=EPOCHS,
        policy_kwargs=policy, device="cpu",
    )  # fmt: skip
    times = Times()
    algorithm.learn((updates + 2) * FRAMES, callback=times)
    return {"fps": updates * FRAMES / (times.at[updates + 1] - times.at[1])}


def rewardlab_reference(env_id: str, updates: int) -> dict[str, float]:
    """The same on Farama's own MiniGrid."""
    return rewardlab(env_id, updates, "reference")


CANDIDATES = {
    "rewardlab": rewardlab,
    "rewardlab_reference": rewardlab_reference,
    "torch_ac": torch_ac,
    "stable_baselines3": stable_baselines3,
}


class _Stopwatch:
    """Time spent inside an environment's `step`."""

    def __init__(self, env) -> None:  # type: ignore[no-untyped-def]
        self.seconds = 0.0
        step = env.step

        def timed(action):  # type: ignore[no-untyped-def]
            started = time.perf_counter()
            batch = step(action)
            self.seconds += time.perf_counter() - started
            return batch

        env.step = timed

    def restart(self) -> None:
        self.seconds = 0.0


def _convolutions():  # type: ignore[no-untyped-def]
    """The network of rl-starter-files on the 7x7x3 view."""
    from torch import nn

    layers = [nn.Conv2d(3, 16, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(32, 64, 2), nn.ReLU(), nn.Flatten())


def _head(outputs: int):  # type: ignore[no-untyped-def]
    from torch import nn

    return nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))


def _timed(update, updates: int, before=lambda: None) -> float:  # type: ignore[no-untyped-def]
    """Frames per second of `updates` updates, after one that is not counted."""
    update()
    before()
    started = time.perf_counter()
    for _ in range(updates):
        update()
    return updates * FRAMES / (time.perf_counter() - started)


def _pin_to_one_core() -> None:
    import torch

    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _installed(name: str) -> bool:
    found = importlib.util.find_spec(name.removesuffix("_reference")) is not None
    if not found:
        print(f"{name}: not installed, left out")
    return found


def _report(results: dict[str, list[dict[str, float]]], arguments: argparse.Namespace) -> None:
    print(f"{arguments.env}, {ENVS} x {STEPS}, {EPOCHS} epochs, minibatch {MINIBATCH}, one core, medians of", end=" ")
    print(f"{arguments.rounds} rounds")
    print("| trainer | frames/s | rewardlab is faster by (min to max) |\n|---|---|---|")
    for name, rounds in results.items():
        ratios = [ours["fps"] / theirs["fps"] for ours, theirs in zip(results["rewardlab"], rounds, strict=True)]
        fps = statistics.median(result["fps"] for result in rounds)
        print(f"| {name} | {fps:,.0f} | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |")
    for name, rounds in results.items():
        if "env_share" in rounds[0]:
            share = statistics.median(result["env_share"] for result in rounds)
            print(f"{name}: {share:.0%} of the time is spent inside the environments")


if __name__ == "__main__":
    main()
