"""Speed of bandit problems, with plain numpy in the manner of SMPyBandits: an object for the policy, an array of
indices for the arms, a pull at a time.

SMPyBandits (2019) asks for versions of numpy and matplotlib of its day. A script of the same form stands for it: UCB1
on Bernoulli arms, an index of all arms by numpy before each pull. Both take turns on one core; a ratio is taken within
a round, of seconds of CPU for one problem. rewardlab plays its problems in evaluations, facts and tables included.

    python scripts/peers/bandits.py
    python scripts/peers/bandits.py --problems 10000 --rounds 1
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402

ARMS = 5


class Arms:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.means = self.rng.random(ARMS)

    def draw(self, arm: int) -> float:
        return float(self.rng.random() < self.means[arm])


class Ucb:
    def __init__(self) -> None:
        self.t, self.pulls, self.rewards = 0, np.zeros(ARMS), np.zeros(ARMS)

    def choice(self) -> int:
        if self.t < ARMS:
            return self.t
        index = self.rewards / self.pulls + np.sqrt(2.0 * np.log(self.t) / self.pulls)
        return int(index.argmax())

    def get_reward(self, arm: int, reward: float) -> None:
        self.t += 1
        self.pulls[arm] += 1
        self.rewards[arm] += reward


def plain(problems: int, pulls: int) -> float:
    """Mean regret."""
    regret = 0.0
    for seed in range(problems):
        arms, policy = Arms(seed), Ucb()
        for _ in range(pulls):
            arm = policy.choice()
            policy.get_reward(arm, arms.draw(arm))
        regret += float((arms.means.max() - arms.means) @ policy.pulls)
    return regret / problems


def rewardlab(problems: int, pulls: int):  # type: ignore[no-untyped-def]
    """What plays them all once, and says the mean regret."""
    from rewardlab.config.composition import compose
    from rewardlab.training.build import build
    from rewardlab.training.evaluate import Evaluator

    given = ["env=bandit", f"env.k={ARMS}", f"env.steps={pulls}", "agent=bandit", "num_envs=1"]
    config = compose([*given, f"eval.episodes={problems}"]).config
    parts = build(config)
    evaluator = Evaluator(config, parts.env.spec)

    def played() -> float:
        found = evaluator.evaluate(parts.agent, 0, lambda: False)
        assert found is not None
        return float(found.told["regret"].mean())

    return played


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--problems", type=int, default=1000, help="of rewardlab; the plain script plays 1 in 100 as many"
    )
    parser.add_argument("--pulls", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    few, played = max(1, options.problems // 100), rewardlab(options.problems, options.pulls)
    played()  # compiles
    ratios = []
    for _ in range(options.rounds):
        begun = time.process_time()
        slow = plain(few, options.pulls)
        between = time.process_time()
        fast = played()
        of_one, of_other = (between - begun) / few, (time.process_time() - between) / options.problems
        ratios.append(of_one / of_other)
        print(
            f"plain numpy {1000 * of_one:.1f} ms a problem (regret {slow:.0f}), rewardlab {1000 * of_other:.3f} ms"
            f" (regret {fast:.0f}): {ratios[-1]:.0f} x; all {options.problems} take {options.problems * of_other:.1f} s"
        )
    print(f"median of {options.rounds}: {statistics.median(ratios):.0f} x")


if __name__ == "__main__":
    main()
