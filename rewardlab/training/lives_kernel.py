"""Lives on the grid engine in one compiled pass: an individual's weights stay in the core's cache for its whole life.

`training/lives.py` says the same step by step, for all environments; a test holds the two against each other.
"""

from typing import Any

import numpy as np

from rewardlab.gridworld.constants import FINE, X, Y
from rewardlab.maths.compiled import accumulate, choose
from rewardlab.maths.counter_noise import uniform_of
from rewardlab.maths.distinct import differ
from rewardlab.networks.genomes import output_of
from rewardlab.types import Array

take: Any = None  # filled in for a family of levels and a way of looking
observe: Any = None
start_episode: Any = None
_32 = np.float32


def live(
    world: tuple[Array, ...],
    genomes: Array,
    sizes: Array,
    scale: float,
    seeds: Array,
    keys: Array,
    moments: Array,
    greedy: bool,
    image: Array,
    returns: Array,
    lengths: Array,
    solved: Array,
    places: Array,
) -> bool:  # pragma: no cover
    """P individuals on E levels.

    Args:
        world: the engine's arrays, of one environment.
        scale: what the numbers of a view are multiplied by.
        seeds: int64 [E], of levels. keys: uint64 [P, E], of the numbers that draw actions.
        moments: int64 [S], the steps after which it is kept where the agent is; 0: at its beginning;
            beyond the last: at its end. Ascending.
        greedy: the likeliest action instead.
        image: uint8 [1, V, V, 3], overwritten.
        returns, lengths, solved: float64, int64 and bool [P, E], filled.
        places: float64 [P, E, S, 2], filled.

    Returns:
        Whether all levels could be drawn.
    """
    cells, facts, streams, scratch, params, visited, lists, list_at, levels, choosers, level_of = world[:11]
    home_cells, home_facts = world[11:]
    layers = np.zeros((sizes.size, sizes.max() + 1), dtype=np.float32)
    there = np.zeros(sizes.max() + 4, dtype=np.int64)
    shown, num_actions, last = image.reshape(-1), sizes[sizes.size - 1], sizes.size - 1
    below, before = np.zeros((1, num_actions), dtype=np.float32), np.zeros(shown.size, dtype=np.uint8)
    for p in range(keys.shape[0]):
        for e in range(keys.shape[1]):
            lists[0, 0], list_at[0] = seeds[e], 0
            outcome = start_episode(
                cells,
                facts,
                streams,
                scratch,
                params,
                visited,
                lists,
                list_at,
                levels,
                choosers,
                level_of,
                home_cells,
                home_facts,
                0,
            )
            if outcome != FINE:
                return False
            total: Any = 0.0
            steps, over, reward, likeliest, told = 0, False, 0.0, 0, 0
            while told < moments.size and moments[told] <= 0:
                places[p, e, told, 0], places[p, e, told, 1] = facts[0, X], facts[0, Y]
                told += 1
            while not over:
                observe(cells, facts, params, 0, image, 0)
                if steps == 0 or differ(shown, before):
                    for k in range(shown.size):
                        layers[0, k], before[k] = shown[k] * _32(scale), shown[k]
                    output_of(genomes, p, sizes, layers, there)
                    logits, likeliest = layers[last], 0
                    for j in range(1, num_actions):
                        if logits[j] > logits[likeliest]:
                            likeliest = j
                    accumulate(layers[last:, :num_actions], 0, below)
                action = likeliest
                if not greedy:
                    action = choose(below, 0, uniform_of(keys[p, e], np.uint64(steps)))
                reward, ended, cut = take(cells, facts, streams, params, visited, 0, action)
                total += _32(reward)
                steps += 1
                over = ended or cut
                while told < moments.size and (over or moments[told] <= steps):
                    places[p, e, told, 0], places[p, e, told, 1] = facts[0, X], facts[0, Y]
                    told += 1
            returns[p, e], lengths[p, e], solved[p, e] = total, steps, reward > 0.0
    return True
