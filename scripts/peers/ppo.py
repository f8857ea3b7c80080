"""Training speed of PPO beside its peers, two tables: one network, batch and task for all; each at its best.

    python -m venv peers && peers/bin/pip install -e . torch-ac stable-baselines3 envpool xminigrid
    python -m venv navix && navix/bin/pip install navix "jax<0.6"
    peers/bin/python scripts/peers/ppo.py --python navix=navix/bin/python [--tables same best] [--size 8 --limit 120]

Every candidate runs in a process of its own, pinned to one core, one torch thread, in turn, round after round;
the ratios are taken within a round, because absolute times drift. A peer that is not installed is left out, with a
line that says so.

`same`: the CNN of rl-starter-files, 16 environments x 128 steps, 4 epochs, minibatches of 256: torch-ac's own setting.
The first update of each is not timed. torch-ac, stable-baselines3, and rewardlab on both of its backends.
`best`: time from the command to 0.9 of the optimum on DoorKey, see `threshold.py`; XLand-MiniGrid and NAVIX with
several numbers of environments, see `jax_ppo.py`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from common import ENVS, EPOCHS, FRAMES, MINIBATCH, STEPS, convolutions, cpu_seconds, torch_ac_algorithm
from threshold import run as run_to_threshold

MODULES = {
    "torch_ac": "torch_ac", "stable_baselines3": "stable_baselines3", "sb3_dummy": "stable_baselines3",
    "sb3_envpool": "envpool", "xland": "xminigrid", "navix": "navix",
}  # fmt: skip
BEST = ("rewardlab", "rewardlab_evaluated", "torch_ac", "sb3_dummy", "sb3_envpool", "xland", "navix")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=("same", "best"), default=["same", "best"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=8, help="same: timed updates of a candidate in a round")
    parser.add_argument("--env", default="MiniGrid-DoorKey-5x5-v0", help="same: the task")
    parser.add_argument("--size", type=int, choices=(5, 6, 8), default=5, help="best: of DoorKey")
    parser.add_argument("--limit", type=float, default=60, help="best: seconds of a candidate in a round")
    parser.add_argument("--only", nargs="+", choices=BEST, default=BEST, help="best: some of the candidates")
    parser.add_argument("--jax-envs", nargs="+", type=int, default=[64, 256, 1024], help="best: batches to try")
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)), help="to run on")
    parser.add_argument("--python", nargs="+", default=[], metavar="NAME=PATH", help="a candidate's own interpreter")
    parser.add_argument("--candidate", choices=tuple(CANDIDATES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    _pin(arguments.core)
    if arguments.candidate:
        import torch

        torch.set_num_threads(1)
        print(json.dumps(CANDIDATES[arguments.candidate](arguments.env, arguments.updates)))
        return
    pythons = dict(item.split("=", 1) for item in arguments.python)
    if "same" in arguments.tables:
        _same(arguments, pythons)
    if "best" in arguments.tables:
        _best(arguments, pythons)


def _same(arguments: argparse.Namespace, pythons: dict[str, str]) -> None:
    names = [name for name in CANDIDATES if _installed(name, pythons)]
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            command = [pythons.get(name, sys.executable), __file__, "--candidate", name, "--env", arguments.env]
            command += ["--updates", str(arguments.updates), "--core", str(arguments.core)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            results[name].append(json.loads(output.splitlines()[-1]))
    _report(results, arguments)


def _best(arguments: argparse.Namespace, pythons: dict[str, str]) -> None:
    names = []
    for name in arguments.only:
        if _installed(name, pythons):
            names += [f"{name}@{envs}" for envs in arguments.jax_envs] if name in ("xland", "navix") else [name]
    goal = _goal(arguments.size)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for seed in range(arguments.rounds):
        for name in names:
            python = pythons.get(name.split("@")[0], sys.executable)
            try:
                found = run_to_threshold(name, python, arguments.size, seed, goal, arguments.limit, arguments.core)
            except RuntimeError as error:
                print(f"{error}\nseed {seed} {name}: failed, counted as not reached", file=sys.stderr)
                found = {"reached": False, "wall": arguments.limit, "cpu": 0.0, "frames": 0, "fps": 0.0}
            results[name].append(found)
            print(f"seed {seed} {name}: {json.dumps(found)}", file=sys.stderr, flush=True)
    _report_best(results, arguments, goal)


def _goal(size: int) -> float:
    """The return that is 0.9 of the way from random play to the optimum."""
    from rewardlab.config.composition import compose
    from rewardlab.training.environments import make_training_env

    env = make_training_env(compose([f"env=doorkey_{size}x{size}"]).config)
    env.close()
    task = env.spec.task
    return task.random_return + 0.9 * (task.optimal_return - task.random_return)


def rewardlab(env_id: str, updates: int, backend: str = "fast") -> dict[str, float]:
    """The training iteration of `rewardlab run`, evaluation and records left out."""
    from rewardlab.config.composition import compose
    from rewardlab.training.build import build
    from rewardlab.training.learning.base import make_learning

    overrides = ["env=minigrid", f"env.id={env_id}", f"env.backend={backend}", "reward=none", f"num_envs={ENVS}"]
    overrides += ["agent.network=cnn", "agent.learning_rate=1e-3"]
    overrides += [f"agent.rollout_steps={STEPS}", f"agent.epochs={EPOCHS}", f"agent.minibatch_size={MINIBATCH}"]
    config = compose(overrides).config
    parts = build(config)
    in_env = _Stopwatch(parts.env)
    learning = make_learning(config, parts)

    def update() -> None:
        learning.iterate(spent=0)

    found = _timed(update, updates, before=in_env.restart)
    return found | {"env_share": in_env.seconds * found["fps"] / (updates * FRAMES)}


def torch_ac(env_id: str, updates: int) -> dict[str, float]:
    """torch-ac's PPO with its defaults; its environments live in 15 processes of their own, on the same core."""
    import gymnasium
    import minigrid  # noqa: F401

    envs = [gymnasium.make(env_id) for _ in range(ENVS)]
    for seed, env in enumerate(envs):
        env.reset(seed=seed)
    algorithm = torch_ac_algorithm(envs)

    def update() -> None:
        experience, _ = algorithm.collect_experiences()
        algorithm.update_parameters(experience)

    return _timed(update, updates)


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
            self.trunk = convolutions()

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.trunk(image)

    class Times(BaseCallback):
        def __init__(self) -> None:
            super().__init__()
            self.at: list[tuple[float, float]] = []

        def _on_rollout_start(self) -> None:
            self.at.append((time.perf_counter(), cpu_seconds()))

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
    (wall, cpu), (wall_end, cpu_end) = times.at[1], times.at[updates + 1]
    return _speeds(updates, wall_end - wall, cpu_end - cpu)


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


def _timed(update, updates: int, before=lambda: None) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Frames per second of wall and of CPU time of `updates` updates, after one that is not counted."""
    update()
    before()
    wall, cpu = time.perf_counter(), cpu_seconds()
    for _ in range(updates):
        update()
    return _speeds(updates, time.perf_counter() - wall, cpu_seconds() - cpu)


def _speeds(updates: int, wall: float, cpu: float) -> dict[str, float]:
    return {"fps": updates * FRAMES / wall, "cpu_fps": updates * FRAMES / max(cpu, 0.01)}


def _pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def _installed(name: str, pythons: dict[str, str]) -> bool:
    module = MODULES.get(name, "rewardlab")
    test = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    found = subprocess.run([pythons.get(name, sys.executable), "-c", test], check=False).returncode == 0
    if not found:
        print(f"{name}: not installed, left out")
    return found


def _report(results: dict[str, list[dict[str, float]]], arguments: argparse.Namespace) -> None:
    print(f"{arguments.env}, {ENVS} x {STEPS}, {EPOCHS} epochs, minibatch {MINIBATCH}, one core, medians of", end=" ")
    print(f"{arguments.rounds} rounds")
    print("| trainer | frames/s | frames per CPU s | rewardlab is faster by, in CPU time (min to max) |")
    print("|---|---|---|---|")
    for name, rounds in results.items():
        both = zip(results["rewardlab"], rounds, strict=True)
        ratios = [ours["cpu_fps"] / theirs["cpu_fps"] for ours, theirs in both]
        fps, cpu_fps = (statistics.median(result[key] for result in rounds) for key in ("fps", "cpu_fps"))
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {name} | {fps:,.0f} | {cpu_fps:,.0f} | {ratio} |")
    for name, rounds in results.items():
        if "env_share" in rounds[0]:
            share = statistics.median(result["env_share"] for result in rounds)
            print(f"{name}: {share:.0%} of the time is spent inside the environments")


def _report_best(results: dict[str, list[dict[str, float]]], arguments: argparse.Namespace, goal: float) -> None:
    rounds, limit = arguments.rounds, arguments.limit
    print(f"\nDoorKey-{arguments.size}x{arguments.size}, to a return of {goal:.3f}, one core, {rounds} seeds", end=", ")
    print(f"medians; unreached counts as more than the limit of {limit:g} s")
    print("| trainer | reached | wall s | CPU s | frames | frames per CPU s |\n|---|---|---|---|---|---|")
    for name, found in results.items():
        cells = [_median(found, key) for key in ("wall", "cpu", "frames")]
        count = sum(bool(one["reached"]) for one in found)
        speeds = [one["fps"] for one in found if one["fps"]]
        fps = f"{statistics.median(speeds):,.0f}" if speeds else "–"
        print(f"| {name} | {count}/{rounds} | {' | '.join(cells)} | {fps} |")


def _median(found: list[dict[str, float]], key: str) -> str:
    """Of all rounds, unreached ones last; with its range over the reached ones."""
    values = sorted(one[key] if one["reached"] else float("inf") for one in found)
    middle = statistics.median(values)
    reached = [value for value in values if value != float("inf")]
    digits = 0 if key == "frames" else 1
    shown = f"{middle:,.{digits}f}" if middle != float("inf") else "not reached"
    return f"{shown} ({reached[0]:,.{digits}f} to {reached[-1]:,.{digits}f})" if reached else shown


if __name__ == "__main__":
    main()
