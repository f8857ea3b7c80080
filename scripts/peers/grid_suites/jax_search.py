"""Shortest ways by breadth-first search over a JAX suite's own step, and random play; for NAVIX and XLand-MiniGrid."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

TOGETHER = 1024  # states that one call of the compiled step takes


class Search:
    """Of one task.

    Args:
        step: (state, action) -> (state, success, ended), one environment, the episode's clock kept at its start.
        actions: how many.
    """

    def __init__(self, step: Callable[[Any, Any], tuple[Any, Any, Any]], actions: int) -> None:
        def expand(states: Any) -> tuple[Any, Any, Any, Any]:
            every = jax.vmap(jax.vmap(step, in_axes=(None, 0)), in_axes=(0, None))
            children, success, ended = every(states, jnp.arange(actions))
            flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), children)
            return flat, jax.vmap(digest)(flat), success.reshape(-1), ended.reshape(-1)

        self.expand = jax.jit(expand)

    def steps(self, start: Any, budget: int) -> tuple[str, int | None, int]:
        """ "found" and its steps, "none" or "over budget"; and how many states were looked at."""
        frontier = jax.tree.map(lambda leaf: np.asarray(leaf)[None], start)
        known = np.zeros(0, np.uint64)
        depth, looked_at = 0, 0
        while len(jax.tree.leaves(frontier)[0]):
            depth += 1
            kept, marks = [], []
            number = len(jax.tree.leaves(frontier)[0])
            looked_at += number
            if looked_at > budget:
                return "over budget", None, looked_at
            for at in range(0, number, TOGETHER):
                part = jax.tree.map(lambda leaf, at=at: leaf[at : at + TOGETHER], frontier)
                size = len(jax.tree.leaves(part)[0])
                padded = jax.tree.map(lambda leaf, size=size: _pad(leaf, TOGETHER - size), part)
                children, hashes, success, ended = self.expand(padded)
                real = np.arange(len(success)) < size * (len(success) // TOGETHER)
                if (np.asarray(success) & real).any():
                    return "found", depth, looked_at
                hashes = np.asarray(hashes).astype(np.uint64)
                mark = hashes[:, 0] << np.uint64(32) | hashes[:, 1]
                alive = np.flatnonzero(real & ~np.asarray(ended))
                alive = alive[np.unique(mark[alive], return_index=True)[1]]
                alive = alive[~np.isin(mark[alive], known)]
                kept.append(jax.tree.map(lambda leaf, alive=alive: np.asarray(leaf)[alive], children))
                marks.append(mark[alive])
            everything = np.concatenate(marks)
            _, firsts = np.unique(everything, return_index=True)
            frontier = jax.tree.map(lambda *leaves, firsts=firsts: np.concatenate(leaves)[firsts], *kept)
            known = np.concatenate([known, everything[firsts]])
        return "none", None, looked_at


def _pad(leaf: np.ndarray, more: int) -> np.ndarray:
    return leaf if more == 0 else np.concatenate([leaf, np.repeat(leaf[:1], more, axis=0)])


def digest(state: Any) -> jax.Array:
    """Two 32-bit hashes of all numbers of a state, uint32 [2]."""
    flat = jnp.concatenate([leaf.reshape(-1).astype(jnp.int32).astype(jnp.uint32) for leaf in jax.tree.leaves(state)])
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2):
        odd = jnp.asarray(rng.integers(0, 2**32, flat.shape[0], np.uint32) | np.uint32(1))
        shift = jnp.asarray(rng.integers(0, 2**32, flat.shape[0], np.uint32))
        mixed = (flat + shift) * odd
        mixed = (mixed ^ (mixed >> 15)) * jnp.uint32(0x2C1B3C6D)
        mixed = (mixed ^ (mixed >> 12)) * jnp.uint32(0x297A2D39)
        found.append(jnp.sum(mixed ^ (mixed >> 15)))
    return jnp.stack(found)


def play(
    reset: Callable[[Any], Any],
    step: Callable[[Any, Any], tuple[Any, Any, Any]],
    actions: int,
    limit: int,
    episodes: int,
    seed: int = 1,
) -> dict[str, Any]:
    """Uniformly random actions for one whole episode each.

    Args:
        step: (timestep, action) -> (timestep, reward, ended) within an episode.
    """
    lanes = min(1000, episodes)

    @jax.jit
    def batch(key: Any) -> tuple[Any, Any]:
        key, begin = jax.random.split(key)
        first = jax.vmap(reset)(jax.random.split(begin, lanes))

        def one(carry: tuple[Any, Any, Any], key: Any) -> tuple[Any, None]:
            timestep, total, over = carry
            chosen = jax.random.randint(key, (lanes,), 0, actions)
            timestep, reward, ended = jax.vmap(step)(timestep, chosen)
            won = ~over & (reward > 0)
            low = jnp.where(over, 0.0, reward)
            return (timestep, (total[0] | won, total[1] + low), over | ended), None

        carry = (first, (jnp.zeros(lanes, bool), jnp.zeros(lanes)), jnp.zeros(lanes, bool))
        (_, (won, total), _), _ = jax.lax.scan(one, carry, jax.random.split(key, limit))
        return won, total

    won, totals = [], []
    for key in jax.random.split(jax.random.PRNGKey(seed), -(-episodes // lanes)):
        one, total = batch(key)
        won.append(np.asarray(one))
        totals.append(np.asarray(total))
    wins = np.concatenate(won)
    return {
        "limit": limit,
        "episodes": len(wins),
        "successes": int(wins.sum()),
        "lowest": float(np.concatenate(totals).min()),
    }
