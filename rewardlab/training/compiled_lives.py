"""What lets compiled passes (`lives_kernel`) play a population: one environment of the engine for all lives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rewardlab.envs.batched import BatchedEnv, Engine
from rewardlab.kernel_cache import compile_for
from rewardlab.networks.genomes import Mlp
from rewardlab.training import lives_kernel
from rewardlab.types import Array, Lives, MakeEnv, Population


class CompiledLives:
    """Lives of individuals that see nothing but the engine's image."""

    def __init__(self, engine: Engine, agent: Population, genome: Mlp, scale: float) -> None:
        self._sizes = genome.sizes
        self._agent, self._scale, vector = agent, scale, engine.vector
        self._task, self._world = vector.task, vector.world
        self._image = np.zeros((1, *vector.look.shape), dtype=np.uint8)
        self._world.lists = np.zeros((1, 1), dtype=np.int64)
        self._kernel = vector.kernel(lives_kernel.live, "live")
        none = np.zeros((0, 1), dtype=np.uint64)
        arguments = self._arguments(np.zeros((0, genome.size), np.float32), [0], none)
        compile_for(self._kernel, arguments, f"the lives of {self._task.family}")

    @staticmethod
    def of(make: MakeEnv, agent: Population) -> CompiledLives | None:
        """None where it cannot play: other worlds or networks, noise, missions that vary, sights besides places."""
        genome = agent.genome
        if not isinstance(genome, Mlp) or agent.watched:
            return None
        env = make([[0]])
        if not isinstance(env, BatchedEnv) or env.engine is None or set(env.spec.obs) != {"image"}:
            env.close()
            return None
        return CompiledLives(env.engine, agent, genome, 1.0 / env.spec.obs["image"].high)

    def play(self, genomes: Array, levels: Sequence[int], keys: Array) -> Lives:
        """See `Player`.

        Raises:
            RuntimeError: a level could not be drawn, with less than one chance in a billion.
        """
        arguments = self._arguments(genomes, levels, keys)
        if not self._kernel(*arguments):
            raise RuntimeError(f"{self._task.env_id}: a level could not be drawn (Farama's raises RecursionError)")
        returns, lengths, solved, places = arguments[-4:]
        return Lives(returns, lengths, solved, {"places": places})

    def _arguments(self, genomes: Array, levels: Sequence[int], keys: Array) -> tuple[Any, ...]:
        world, agent = self._world, self._agent
        filled = (
            np.zeros(keys.shape),
            np.zeros(keys.shape, dtype=np.int64),
            np.zeros(keys.shape, dtype=bool),
            np.zeros((*keys.shape, len(agent.moments), 2)),
        )
        seeds = np.array(levels, dtype=np.int64)
        return (
            world.arrays(), np.ascontiguousarray(genomes), self._sizes, self._scale, seeds, keys, agent.moments,
            not agent.stochastic, self._image, *filled,
        )  # fmt: skip
