"""What GCSL and SMORe would learn from recorded steps with tables for networks, at their fixed points.

    rewardlab demos env=goalgrid_fourrooms --from random --episodes 500 --out demos/four_random
    python scripts/goal_tables.py demos/four_random

A state is a cell and a heading, a goal a cell. Policies are valued exactly: the chance to be at the goal within 100
steps, of all recorded states and cells, in the mean transitions of the data. One core, a minute.
"""

import argparse

import numpy as np

from rewardlab.config.composition import compose
from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.discovery import load
from rewardlab.envs.levels import Levels

ENV, SIDE, ACTIONS, LIMIT = "goalgrid_fourrooms", 19, 3, 100
CELLS, STATES = SIDE * SIDE, SIDE * SIDE * 4
EXPECTILE, BETA, MOST, BOUND = 0.8, 3.0, 100.0, 1e-4


def counted(data: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Transitions [S, A, S]; how often steps were towards goals reached later, and reached them: [S, A, C]."""
    config = compose([f"env={ENV}"]).config
    spec = load("env", "goalgrid").make(config.env, Levels(1)).spec
    moves = np.zeros((STATES, ACTIONS, STATES), np.float32)
    towards, reaching = np.zeros((2, STATES, ACTIONS, CELLS), np.float32)
    for episode in DemonstrationFile("data", data, spec).read().episodes:
        shown = [episode.obs, {name: entry[-1:] for name, entry in episode.next_obs.items()}]
        achieved, vector = (np.concatenate([part[name].numpy() for part in shown]) for name in ("achieved", "vector"))
        cell = achieved[:, :SIDE].argmax(1) + SIDE * achieved[:, SIDE:].argmax(1)
        state, action = cell * 4 + vector[:, -4:].argmax(1), episode.action.numpy()
        np.add.at(moves, (state[:-1], action, state[1:]), 1)
        np.add.at(reaching, (state[:-1], action, cell[1:]), 1)
        for i, chosen in enumerate(action):
            np.add.at(towards[state[i], chosen], cell[i + 1 :], np.float32(1 / (len(action) - i)))
    return moves, towards, reaching


def shares(weights: np.ndarray) -> np.ndarray:
    """Policies [S, A, C]; uniform where nothing was done."""
    total = weights.sum(axis=1, keepdims=True)
    return np.where(total > 0, weights / np.maximum(total, 1e-20), 1 / ACTIONS)


def smore(chance: np.ndarray, towards: np.ndarray, reaching: np.ndarray, gamma: float, sweeps: int) -> np.ndarray:
    """The policy to which `loss=stable` leads, see `agents.offline.smore`."""
    highest, bound = 2 / (1 - gamma), BOUND * (1 - gamma)
    towards, reaching = towards / towards.sum(), reaching / reaching.sum()
    value = np.zeros((STATES, CELLS), np.float32)
    for _ in range(sweeps):
        then = np.stack([chance[:, action] @ value for action in range(ACTIONS)], axis=1)
        weight = 2 * reaching + towards * (1 + 2 * bound)
        score = (2 * reaching * highest + towards * (gamma * then - 2)) / np.maximum(weight, 1e-20)
        for _ in range(3):
            counts = towards * np.where(score > value[:, None], EXPECTILE, 1 - EXPECTILE)
            total = counts.sum(axis=1)
            found = (counts * score).sum(axis=1) / np.maximum(total, 1e-20)
            value = np.where(total > 0, found, -highest).astype(np.float32)
    advantage = BETA * (score - value[:, None])
    return shares(towards * np.exp(np.minimum(advantage, np.log(MOST))))


def success(policy: np.ndarray, chance: np.ndarray, seen: np.ndarray) -> float:
    there = np.arange(STATES)[:, None] // 4 == np.arange(CELLS)[None]
    reached = there.astype(np.float32)
    for _ in range(LIMIT):
        reached = sum(policy[:, action] * (chance[:, action] @ reached) for action in range(ACTIONS))
        reached[there] = 1
    rows, goals = np.flatnonzero(seen), np.unique(np.flatnonzero(seen) // 4)
    return float(reached[np.ix_(rows, goals)][~there[np.ix_(rows, goals)]].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    moves, towards, reaching = counted(parser.parse_args().data)
    times = moves.sum(axis=2, keepdims=True)
    chance, seen = moves / np.maximum(times, 1), times.sum(axis=(1, 2)) > 0
    policies = {"random": shares(np.zeros_like(towards)), "gcsl": shares(towards)}
    policies |= {f"smore, gamma {g}": smore(chance, towards, reaching, g, k) for g, k in ((0.9, 40), (0.99, 120))}
    for name, policy in policies.items():
        print(f"{name}: {success(policy, chance, seen):.3f}")


if __name__ == "__main__":
    main()
