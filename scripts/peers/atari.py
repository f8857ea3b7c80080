"""Steps per CPU second of Atari games: ours beside ale-py's own AtariVectorEnv, in turns and in one process.

    python scripts/peers/atari.py [--games MontezumaRevenge Pitfall] [--envs 8] [--rounds 5]

Both show pictures [84, 84, 4] of the same settings: sticky actions, four frames a step, the brighter of two, no no-ops,
all 18 actions, scores as they are. CPU seconds are those of all threads.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from ale_py.vector_env import AtariVectorEnv

from rewardlab.envs.external import atari
from rewardlab.envs.external.atari_games import games
from rewardlab.envs.levels import Levels

STEPS = 250  # of each environment in a round


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", nargs="+", default=["MontezumaRevenge", "Pitfall", "Venture", "Freeway"])
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print("game, ours and ale-py's in steps per CPU second (median of rounds), ratio")
    for game in given.games:
        ours = atari.make(atari.Config(id=game), Levels(given.envs))
        theirs = AtariVectorEnv(
            games()[game], given.envs, max_num_frames_per_episode=18_000, repeat_action_probability=0.25,
            full_action_space=True, noop_max=0, use_fire_reset=False, reward_clipping=False, num_threads=1,
        )  # fmt: skip
        ours.reset(range(given.envs))
        theirs.reset(seed=0)
        actions = np.random.default_rng(0).integers(18, size=(given.rounds + 1, STEPS, given.envs))
        speeds = np.array([[speed(each, batch) for each in (ours, theirs)] for batch in actions])[1:]  # first: warming
        mine, peer = np.median(speeds, axis=0)
        print(f"{game}, {mine:.0f}, {peer:.0f}, {np.median(speeds[:, 0] / speeds[:, 1]):.2f}")


def speed(env: atari.Atari | AtariVectorEnv, actions: np.ndarray) -> float:
    began = time.process_time()
    for action in actions:
        env.step(action)
    return actions.size / (time.process_time() - began)


if __name__ == "__main__":
    main()
