"""Genomes as lists of seeds: the first draws an individual, each further one a mutation.

A chain takes 8 bytes and 12 for each mutation, whatever the network's size. Noise comes from a counter-based generator
(Philox) that is keyed by the seed; the authors' code reads a table of 250 million numbers instead.

Source: Such et al. 2017, Deep neuroevolution (arXiv:1712.06567), section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.networks.genomes import Mlp
from rewardlab.types import Array, State


@dataclass(frozen=True)
class SeedChain:
    """The seed of an individual, and seed and step size of each mutation since."""

    first: int
    mutations: tuple[tuple[int, float], ...] = ()

    def child(self, seed: int, sigma: float) -> SeedChain:
        return SeedChain(self.first, (*self.mutations, (seed, sigma)))


def noise(seeds: Array, size: int) -> Array:
    """What seeds, int64 [P], stand for: float32 [P, size] of N(0, 1)."""
    return np.stack([
        np.random.Generator(np.random.Philox(key=int(seed))).standard_normal(size, dtype=np.float32)
        for seed in seeds
    ])  # fmt: skip


def mutated(weights: Array, drawn: Array, sigma: Array) -> Array:
    """Children of parents [P, G], with noise [P, G] and step sizes float32 [P]."""
    children: Array = weights + sigma[:, None] * drawn
    return children


def rebuilt(chain: SeedChain, genome: Mlp) -> Array:
    """The weights of a chain, float32 [G]: bit for bit those that were carried along."""
    weights = genome.first(noise(np.array([chain.first]), genome.size))
    for seed, sigma in chain.mutations:
        weights = mutated(weights, noise(np.array([seed]), genome.size), np.array([sigma], np.float32))
    found: Array = weights[0]
    return found


def chains_state(chains: list[SeedChain]) -> State:
    """For a checkpoint: plain tensors."""
    seeds = [seed for chain in chains for seed, _ in chain.mutations]
    sigmas = [sigma for chain in chains for _, sigma in chain.mutations]
    return {
        "first": torch.tensor([chain.first for chain in chains], dtype=torch.int64),
        "lengths": torch.tensor([len(chain.mutations) for chain in chains], dtype=torch.int64),
        "seeds": torch.tensor(seeds, dtype=torch.int64),
        "sigmas": torch.tensor(sigmas, dtype=torch.float32),
    }


def chains_of(state: State) -> list[SeedChain]:
    """What `chains_state` kept."""
    seeds, sigmas, at, chains = state["seeds"].tolist(), state["sigmas"].tolist(), 0, []
    for first, length in zip(state["first"].tolist(), state["lengths"].tolist(), strict=True):
        chains.append(SeedChain(first, tuple(zip(seeds[at : at + length], sigmas[at : at + length], strict=True))))
        at += length
    return chains
