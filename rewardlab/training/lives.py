"""Plays whole lives of a population's individuals: each of them on each level once, the first episode only.

An individual's life depends on its genome, the level and its key alone: on no other individual, and on no number of
environments. Environments whose episode has ended go on unseen until all have.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

import numpy as np

from rewardlab.maths.boxes import drawn
from rewardlab.maths.counter_noise import uniforms
from rewardlab.networks.genomes import Mlp
from rewardlab.parts.archives.descriptors import SEEN, numbers, place_fact
from rewardlab.parts.archives.watch import Watch
from rewardlab.training.compiled_lives import CompiledLives
from rewardlab.training.showing import require_finite, require_finite_step
from rewardlab.types import ActionSpec, Array, EnvSpec, Lives, MakeEnv, Obs, Population

_SEED = np.uint64(32)  # half of a key is enough to name a stream


class Player:
    """One agent's.

    Args:
        make: environments that play lists of levels.
        spec: of these.
    """

    def __init__(self, make: MakeEnv, agent: Population, spec: EnvSpec) -> None:
        self._make, self._agent = make, agent
        found = {"places": place_fact(spec), "sights": agent.watched}
        self._watched = {entry: name for entry, name in found.items() if name}
        self._compiled = CompiledLives.of(make, agent)

    def play(self, genomes: Array, levels: Sequence[int], keys: Array) -> tuple[Lives, float]:
        """What became of P individuals on E levels, and the share of steps that were played unseen.

        Args:
            genomes: float32 [P, G]. keys: uint64 [P, E], of the numbers that draw actions.
        """
        assert keys.shape == (len(genomes), len(levels))
        if self._compiled is not None:
            return self._compiled.play(genomes, levels, keys), 0.0
        size = max(1, self._agent.lanes // len(levels))
        waves = [self._wave(genomes[at : at + size], levels, keys[at : at + size]) for at in range(0, len(keys), size)]
        played = [wave[0] for wave in waves]
        lives = Lives(
            np.concatenate([each.task_return for each in played]),
            np.concatenate([each.length for each in played]),
            np.concatenate([each.success for each in played]),
            {name: np.concatenate([each.outcome[name] for each in played]) for name in played[0].outcome},
        )
        return lives, 1.0 - float(lives.length.sum()) / sum(wave[1] for wave in waves)

    def _wave(self, genomes: Array, levels: Sequence[int], keys: Array) -> tuple[Lives, int]:
        """Some individuals' lives, and how many steps all environments took."""
        genome, shape = self._agent.genome, keys.shape
        env = self._make([[level] for _ in range(len(genomes)) for level in levels])
        try:
            obs = env.reset((keys.ravel() >> _SEED).tolist())  # noise in what is seen is a life's own
            state = genome.begin(keys.size)
            require_finite(env.spec, obs, "after a reset")
            sums = np.zeros((keys.size, 2, len(genome.floats))) if self._agent.normalise == "running" else None
            watches = {entry: Watch(self._agent.moments, keys.size) for entry in self._watched}
            returns, lengths = np.zeros(keys.size), np.zeros(keys.size, dtype=np.int64)
            solved, live, t = np.zeros(keys.size, dtype=bool), np.ones(keys.size, dtype=bool), 0
            self._see(watches, t, obs, env.privileged(), live, ~live)
            while live.any():
                if sums is not None:
                    flat = cast(Mlp, genome).flat(obs)[live].astype(np.float64)
                    sums[live] += np.stack([flat, flat * flat], axis=1)
                inputs = genome.inputs(obs).reshape(*shape, -1)
                outputs, state = genome.outputs(genomes, inputs, state)
                uniform = uniforms(keys.ravel(), t) if self._agent.stochastic else None
                action = genome.actions(outputs.reshape(keys.size, -1), uniform)
                batch = env.step(action)
                require_finite_step(env.spec, batch)
                t += 1
                returns += np.where(live, batch.task_reward, 0.0)
                lengths += live
                solved |= live & batch.success
                over = batch.terminated | batch.truncated
                self._see(watches, t, batch.next_obs, batch.privileged, live, over)
                live &= ~over
                obs = batch.obs
        finally:
            env.close()
        outcome = {entry: watch.kept.reshape(*shape, *watch.kept.shape[1:]) for entry, watch in watches.items()}
        if sums is not None:
            outcome["sums"] = sums.reshape(*shape, *sums.shape[1:])
        return Lives(returns.reshape(shape), lengths.reshape(shape), solved.reshape(shape), outcome), t * keys.size

    def _see(self, watches: dict[str, Watch], step: int, obs: Obs, facts: Obs, live: Array, over: Array) -> None:
        for entry, watch in watches.items():
            watch.see(step, partial(_found, entry, self._watched[entry], obs, facts), live, over)

    def random(self, levels: Sequence[int], rng: np.random.Generator) -> tuple[Array, int]:
        """What uniformly random actions see on each level once, as a genome's inputs [B, D], and their steps."""
        env = self._make([[level] for level in levels])
        seen, frames = [], 0
        try:
            obs, live = env.reset(list(range(len(levels)))), np.ones(len(levels), dtype=bool)
            while live.any():
                seen.append(self._agent.genome.inputs(obs)[live])
                frames += int(live.sum())
                action = _random(env.spec.action, len(levels), rng)
                batch = env.step(action)
                obs, live = batch.obs, live & ~(batch.terminated | batch.truncated)
        finally:
            env.close()
        return np.concatenate(seen), frames


def _found(entry: str, name: str, obs: Obs, facts: Obs, rows: Array) -> Array:
    """An entry of the outcome, of some lives: a full-state fact, or what is seen."""
    if name == SEEN:
        return numbers({name: values[rows] for name, values in obs.items()})
    found = facts[name][rows]  # of facts that are drawn only where they are looked at, no others are drawn
    return found.astype(np.float64) if entry == "places" else found


def _random(spec: ActionSpec, count: int, rng: np.random.Generator) -> Array:
    if spec.n is not None:
        return rng.integers(spec.n, size=count)
    return drawn(np.array(spec.low), np.array(spec.high), count, rng, spec.whole).astype(np.float32)
