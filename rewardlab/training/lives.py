"""Plays whole lives of a population's individuals: each of them on each level once, the first episode only.

An individual's life depends on its genome, the level and its key alone: on no other individual, and on no number of
environments. Environments whose episode has ended go on unseen until all have.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardlab.maths.boxes import drawn
from rewardlab.maths.counter_noise import uniforms
from rewardlab.parts.archives.descriptors import Watch, place_fact
from rewardlab.training.compiled_lives import CompiledLives
from rewardlab.training.showing import require_finite, require_finite_step
from rewardlab.types import ActionSpec, Array, EnvSpec, Lives, MakeEnv, Population


class Player:
    """One agent's.

    Args:
        make: environments that play lists of levels.
        spec: of these.
    """

    def __init__(self, make: MakeEnv, agent: Population, spec: EnvSpec) -> None:
        self._make, self._agent = make, agent
        self._place = place_fact(spec)
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
        genome, greedy, shape = self._agent.genome, self._agent.greedy, keys.shape
        env = self._make([[level] for _ in range(len(genomes)) for level in levels])
        try:
            obs = env.reset(list(range(keys.size)))
            require_finite(env.spec, obs, "after a reset")
            watch = Watch(self._agent.moments, env.privileged()[self._place]) if self._place else None
            returns, lengths = np.zeros(keys.size), np.zeros(keys.size, dtype=np.int64)
            solved, live, t = np.zeros(keys.size, dtype=bool), np.ones(keys.size, dtype=bool), 0
            while live.any():
                inputs = genome.inputs(obs).reshape(*shape, -1)
                outputs = genome.outputs(genomes, inputs).reshape(keys.size, -1)
                action = genome.actions(outputs, None if greedy else uniforms(keys.ravel(), t))
                batch = env.step(action)
                require_finite_step(env.spec, batch)
                t += 1
                returns += np.where(live, batch.task_reward, 0.0)
                lengths += live
                solved |= live & batch.success
                if watch is not None:
                    watch.see(t, batch.privileged[self._place], live)
                live &= ~(batch.terminated | batch.truncated)
                obs = batch.obs
        finally:
            env.close()
        places = {} if watch is None else {"places": watch.places.reshape(*shape, *watch.places.shape[1:])}
        return Lives(returns.reshape(shape), lengths.reshape(shape), solved.reshape(shape), places), t * keys.size

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


def _random(spec: ActionSpec, count: int, rng: np.random.Generator) -> Array:
    if spec.n is not None:
        return rng.integers(spec.n, size=count)
    return drawn(np.array(spec.low), np.array(spec.high), count, rng, spec.whole).astype(np.float32)
