"""Measure the mean return of a uniform-random policy on every MiniGrid preset; with --write, into its yaml.

    python scripts/random_returns.py doorkey_5x5 doorkey_6x6
    python scripts/random_returns.py --write

A random policy looks at nothing, so the drawing of views (97 % of MiniGrid's time) is left out.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from omegaconf import OmegaConf

from rewardlab.discovery import conf_dir
from rewardlab.envs import registry

SEED = 20_190_602
FRAMES = 1_000_000  # aimed at for each preset, within the bounds on episodes
EPISODES = (1_000, 10_000)
_LINE = re.compile(r"^random_return:.*\n?", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", help="names in conf/env (default: all of MiniGrid)")
    parser.add_argument("--write", action="store_true", help="put the numbers into the yaml files")
    arguments = parser.parse_args()
    for path in sorted((conf_dir() / "env").glob("*.yaml")):
        preset = OmegaConf.load(path)
        env_id = preset.id if "id" in preset else ""
        if not env_id.startswith("MiniGrid-") or (arguments.presets and path.stem not in arguments.presets):
            continue
        returns = random_returns(env_id)
        line = (
            f"random_return: {returns.mean():.4g}  "
            f"# {len(returns)} episodes, standard error {returns.std(ddof=1) / len(returns) ** 0.5:.2g}"
        )
        print(f"{path.stem}: {line}", flush=True)
        if arguments.write:
            write(path, line)


def random_returns(env_id: str) -> npt.NDArray[np.float64]:
    """The returns of whole episodes of the uniform-random policy, [episodes]."""
    env = registry.build(env_id).unwrapped
    env.gen_obs = dict  # type: ignore[attr-defined]
    episodes = int(np.clip(FRAMES // env.max_steps, *EPISODES))  # type: ignore[attr-defined]
    rng = np.random.default_rng(SEED)
    env.reset(seed=SEED)
    returns = np.zeros(episodes)
    for episode in range(episodes):
        if episode:
            env.reset()
        done = False
        while not done:
            action = int(rng.integers(env.action_space.n))  # type: ignore[attr-defined]
            _, reward, terminated, truncated, _ = env.step(action)
            returns[episode] += float(reward)
            done = terminated or truncated
    return returns


def write(path: Path, line: str) -> None:
    """Replace or append the preset's `random_return` line."""
    text = _LINE.sub("", path.read_text(encoding="utf-8"))
    path.write_text(text.rstrip("\n") + f"\n{line}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
