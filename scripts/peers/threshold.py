"""Time to threshold on DoorKey of each trainer at its best; the second table of `ppo.py`.

A candidate is a process pinned to one core, timed from its start, so imports and compilation count. It has got there
when its last hundred training episodes earn the threshold, sampled, without evaluations; those that ended before every
environment could have finished one are not counted, because quick successes come first. `rewardlab_evaluated` is
`rewardlab run` as it is, its evaluations included, until the first of two in a row that reach it.

rewardlab runs with its defaults; stable-baselines3 and JAX with the same network and hyperparameters (64 x 32,
minibatch 256, 2 epochs, learning rate 2e-3; JAX also with more environments, and minibatches to match); torch-ac with
its own hyperparameters and the CNN of rl-starter-files. The rewards of JAX peers are counted by MiniGrid's formula.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import common

ENVS, STEPS, EPOCHS, MINIBATCH, LEARNING_RATE = 64, 32, 2, 256, 2e-3
EPISODES = 100
_JAX = Path(__file__).with_name("jax_ppo.py")


class Watch:
    """Fed with finished episodes; says when the threshold is reached."""

    def __init__(self, num_envs: int, size: int, threshold: float, limit: float) -> None:
        self.ignored = num_envs * 10 * size**2
        self.threshold, self.deadline = threshold, time.monotonic() + limit
        self.returns: deque[float] = deque(maxlen=EPISODES)
        self.frames, self.reached = 0, False
        self.began: tuple[int, float] | None = None  # frames and CPU seconds after the first step

    def step(self, num_envs: int, finished: list[float]) -> bool:
        """After one vector step; true where the run is over."""
        self.frames += num_envs
        if self.began is None:
            self.began = (self.frames, common.cpu_seconds())
        if self.frames > self.ignored:
            self.returns.extend(finished)
        full = len(self.returns) == EPISODES
        self.reached = full and bool(sum(self.returns) / EPISODES >= self.threshold)
        return self.reached or time.monotonic() > self.deadline

    def result(self) -> dict[str, float | bool]:
        assert self.began is not None
        frames, seconds = self.began
        fps = (self.frames - frames) / max(common.cpu_seconds() - seconds, 1e-9)
        return {"reached": self.reached, "frames": self.frames, "fps": fps}


def torch_ac(size: int, seed: int, threshold: float, limit: float) -> dict[str, float | bool]:
    import gymnasium
    import minigrid  # noqa: F401
    import torch

    torch.manual_seed(seed)
    envs = [gymnasium.make(f"MiniGrid-DoorKey-{size}x{size}-v0") for _ in range(common.ENVS)]
    for index, env in enumerate(envs):
        env.reset(seed=1000 * seed + index)
    algorithm = common.torch_ac_algorithm(envs)
    watch = Watch(common.ENVS, size, threshold, limit)
    while True:
        experience, logs = algorithm.collect_experiences()
        # Where fewer episodes than environments have ended, torch-ac repeats older ones.
        if watch.step(common.FRAMES, logs["return_per_episode"]):
            return watch.result()
        algorithm.update_parameters(experience)


def sb3_dummy(size: int, seed: int, threshold: float, limit: float) -> dict[str, float | bool]:
    import gymnasium
    import minigrid.wrappers
    from stable_baselines3.common.env_util import make_vec_env

    def make() -> gymnasium.Env:
        env = minigrid.wrappers.ImgObsWrapper(gymnasium.make(f"MiniGrid-DoorKey-{size}x{size}-v0"))
        box = gymnasium.spaces.Box(0, 1, (147,), "float32")
        return gymnasium.wrappers.TransformObservation(env, lambda image: image.ravel().astype("float32") / 10, box)

    return _sb3(make_vec_env(make, ENVS, seed=1000 * seed), size, seed, threshold, limit)


def sb3_envpool(size: int, seed: int, threshold: float, limit: float) -> dict[str, float | bool]:
    import envpool
    import gymnasium
    import numpy as np
    from stable_baselines3.common.vec_env import VecEnv, VecMonitor

    class Pool(VecEnv):
        """EnvPool as stable-baselines3 wants it: episodes begin anew within the step that ends them."""

        def __init__(self) -> None:
            name = f"MiniGrid-DoorKey-{size}x{size}-v0"
            self.pool = envpool.make(name, env_type="gymnasium", num_envs=ENVS, num_threads=1, seed=seed)
            super().__init__(ENVS, gymnasium.spaces.Box(0, 1, (147,), "float32"), gymnasium.spaces.Discrete(7))

        def reset(self) -> np.ndarray:
            return self._seen(self.pool.reset()[0])

        def step_async(self, actions: np.ndarray) -> None:
            self.actions = actions.astype(np.int32)

        def step_wait(self):  # type: ignore[no-untyped-def]
            batch, reward, terminated, truncated, _ = self.pool.step(self.actions)
            seen, done = self._seen(batch), terminated | truncated
            infos: list[dict] = [{} for _ in range(ENVS)]
            ended = np.flatnonzero(done)
            if len(ended):
                for index in ended:
                    infos[index]["terminal_observation"] = seen[index].copy()
                    infos[index]["TimeLimit.truncated"] = bool(truncated[index] and not terminated[index])
                seen[ended] = self._seen(self.pool.reset(ended.astype(np.int32))[0])
            return seen, reward, done, infos

        def _seen(self, batch: dict[str, np.ndarray]) -> np.ndarray:
            return batch["image"].reshape(len(batch["image"]), -1).astype(np.float32) / 10

        def close(self) -> None:
            pass

        def get_attr(self, attr_name, indices=None):  # type: ignore[no-untyped-def]
            return [None] * ENVS

        def set_attr(self, attr_name, value, indices=None) -> None:  # type: ignore[no-untyped-def]
            raise NotImplementedError

        def env_method(self, method_name, *args, indices=None, **kwargs):  # type: ignore[no-untyped-def]
            raise NotImplementedError

        def env_is_wrapped(self, wrapper_class, indices=None):  # type: ignore[no-untyped-def]
            return [False] * ENVS

    return _sb3(VecMonitor(Pool()), size, seed, threshold, limit)


def _sb3(envs, size: int, seed: int, threshold: float, limit: float) -> dict[str, float | bool]:  # type: ignore[no-untyped-def]
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from torch import nn

    watch = Watch(ENVS, size, threshold, limit)

    class Stop(BaseCallback):
        def _on_step(self) -> bool:
            finished = [info["episode"]["r"] for info in self.locals["infos"] if "episode" in info]
            return not watch.step(ENVS, finished)

    policy = {"net_arch": [64, 64], "activation_fn": nn.Tanh}
    algorithm = PPO(
        "MlpPolicy", envs, n_steps=STEPS, batch_size=MINIBATCH, n_epochs=EPOCHS, learning_rate=LEARNING_RATE,
        ent_coef=0.01, policy_kwargs=policy, device="cpu", seed=seed,
    )  # fmt: skip
    algorithm.learn(10**9, callback=Stop())
    return watch.result()


IN_PROCESS = {"torch_ac": torch_ac, "sb3_dummy": sb3_dummy, "sb3_envpool": sb3_envpool}


def run(name: str, python: str, size: int, seed: int, threshold: float, limit: float, core: int) -> dict[str, float]:
    """One candidate in a process of its own: reached (bool), wall and cpu seconds, frames, frames per CPU second."""
    if name.startswith("rewardlab"):
        return _rewardlab(python, size, seed, threshold, limit, core, evaluated=name == "rewardlab_evaluated")
    if "@" in name:
        world, envs = name.split("@")
        command = [python, str(_JAX), world, "--envs", envs]
        command += ["--size", str(size), "--seed", str(seed), "--threshold", str(threshold), "--limit", str(limit)]
    else:
        command = [python, __file__, name, str(size), str(seed), str(threshold), str(limit)]
    started = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment(), preexec_fn=_pin(core)
    )
    cpu_before = common.children_cpu()
    output, errors = process.communicate()
    seconds = time.monotonic() - started
    if process.returncode:
        raise RuntimeError(f"{name}: {errors[-2000:]}")
    found = json.loads(output.splitlines()[-1])
    cpu = common.children_cpu() - cpu_before
    names = {name: found[name] for name in ("frames", "fps")}
    return {"reached": bool(found["reached"]), "wall": seconds, "cpu": cpu} | names


def _rewardlab(
    python: str, size: int, seed: int, threshold: float, limit: float, core: int, *, evaluated: bool
) -> dict[str, float]:
    """`rewardlab run`, its tables watched from outside; ended as soon as one shows the threshold."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-m", "rewardlab", "run", f"env=doorkey_{size}x{size}", "reward=none", f"seed={seed}"]
        command += [f"results_dir={folder}", *([] if evaluated else ["eval.every=1_000_000_000", "eval.episodes=1"])]
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment(), preexec_fn=_pin(core)
        )
        first: dict[str, float] | None = None
        rows: list[dict[str, str]] = []
        while time.monotonic() - started < limit:
            ended = process.poll() is not None
            wall, cpu = time.monotonic() - started, 0.0 if ended else common.cpu_of(process.pid)
            rows = _rows(folder, "eval.csv" if evaluated else "train.csv")
            reaching = [bool(row["return_mean"]) and float(row["return_mean"]) >= threshold for row in rows]
            if reaching and reaching[-1] and first is None:
                first = {"wall": wall, "cpu": cpu, "frames": int(rows[-1]["frames"]), "row": len(rows) - 1}
            if first is not None and not evaluated:
                break
            if first is not None and len(rows) > first["row"] + 1:
                if reaching[int(first["row"]) + 1]:
                    break
                first = None
            if ended:
                break
            time.sleep(0.05)
        at = [(float(row["frames"]), float(row["cpu_seconds"])) for row in _rows(folder, "train.csv")]
        process.kill()
        process.wait()
    fps = (at[-1][0] - at[0][0]) / (at[-1][1] - at[0][1]) if len(at) > 1 else None
    last = {"wall": time.monotonic() - started, "cpu": 0.0, "frames": int(rows[-1]["frames"]) if rows else 0}
    found = last if first is None else first
    return {"reached": first is not None, "fps": fps} | {key: found[key] for key in ("wall", "cpu", "frames")}


def _rows(folder: str, name: str) -> list[dict[str, str]]:
    tables = list(Path(folder).glob(f"runs/*/*/*/*/{name}"))
    if not tables:
        return []
    text = tables[0].read_text()
    return list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))  # the last line may not be whole


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def _pin(core: int):  # type: ignore[no-untyped-def]
    return lambda: os.sched_setaffinity(0, {core})


def main() -> None:
    name, size, seed, threshold, limit = sys.argv[1:]
    import torch

    torch.set_num_threads(1)
    print(json.dumps(IN_PROCESS[name](int(size), int(seed), float(threshold), float(limit))))


if __name__ == "__main__":
    main()
