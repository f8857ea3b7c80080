"""How well distances between rewards foretell regret, over random tables: the check of docs/theory.md.

    python scripts/reward_distances.py [TABLES]

A table has 32 states, 4 actions and a discount of 0.95. Actions lead to 1 to 4 states, Dirichlet(1). Two rewards of
all triples are drawn, N(0, 1), and sixteen lie on the line from the first to the second. Each of them is then given
potential shaping, N(0, 1), a factor, U(0.1, 10), and a shift, N(0, 1), of its own. The first one is compared with each.
"""

import sys

import numpy as np

from rewardlab.maths.ranks import rank_correlation
from rewardlab.maths.reward_distance import CANONICAL, canonical, distance, regret, shaped
from rewardlab.types import Mdp

STATES, ACTIONS, GAMMA, BETWEEN = 32, 4, 0.95, 16


def table(rng: np.random.Generator) -> Mdp:
    chance = np.zeros((STATES, ACTIONS, STATES))
    for pair in np.ndindex(STATES, ACTIONS):
        led = rng.choice(STATES, rng.integers(1, 5), replace=False)
        chance[pair][led] = rng.dirichlet(np.ones(len(led)))
    return Mdp(chance, np.zeros((STATES, ACTIONS)), np.full(STATES, 1 / STATES))


def disguised(reward: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0.1, 10) * shaped(reward, rng.standard_normal(STATES), GAMMA) + rng.standard_normal()


def main(tables: int = 48) -> None:
    rng = np.random.default_rng(0)
    found: dict[tuple[str, bool], list[float]] = {(name, w): [] for w in (False, True) for name in CANONICAL}
    lost: list[float] = []
    for _ in range(tables):
        mdp, ends = table(rng), rng.standard_normal((2, STATES, ACTIONS, STATES))
        first = disguised(ends[0], rng)
        kept = {key: canonical(key[0], first, mdp.chance, GAMMA, key[1]) for key in found}
        for share in np.linspace(0, 1, BETWEEN + 1)[1:]:
            other = disguised((1 - share) * ends[0] + share * ends[1], rng)
            lost.append((regret(first, other, mdp, GAMMA) + regret(other, first, mdp, GAMMA)) / 2)
            for (name, weighted), values in found.items():
                made = canonical(name, other, mdp.chance, GAMMA, weighted)
                values.append(distance(kept[name, weighted], made, mdp.chance if weighted else None))
    print(f"{len(lost)} pairs, mean regret {np.mean(lost):.3f}")
    print("| canonicalisation | norm | Pearson | Spearman |\n|---|---|---|---|")
    for (name, weighted), values in found.items():
        norm = "by chance" if weighted else "of all"
        pearson, ranks = np.corrcoef(values, lost)[0, 1], rank_correlation(np.array(values), np.array(lost))
        print(f"| {name} | {norm} | {pearson:.2f} | {ranks:.2f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
