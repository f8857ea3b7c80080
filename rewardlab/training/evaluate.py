"""Evaluation: the task's own return on a fixed list of levels, the same for every scheme and run seed.

Where the environment tells the agent's place, the distinct cells of an episode are counted too: how far a policy gets,
whatever its scheme calls a state, and whatever noise is in view.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.facts import PLACE
from rewardlab.schemas import RootConfig
from rewardlab.training.environments import make_evaluation_env
from rewardlab.training.showing import require_finite, require_finite_step
from rewardlab.types import Agent, Array, Conditioner, EnvSpec, Obs


@dataclass(frozen=True)
class Evaluation:
    """Whole episodes: return, length and success of each."""

    returns: Array
    lengths: Array
    successes: Array | None  # None where the task has no definition of success
    cells: Array | None  # distinct cells that the agent stood on; None where it stands on none

    def row(self) -> dict[str, float | int | None]:
        """The columns of eval.csv that an evaluation decides."""
        return {
            "episodes": len(self.returns),
            "return_mean": float(self.returns.mean()),
            "return_std": float(self.returns.std()),
            "success_rate": None if self.successes is None else float(self.successes.mean()),
            "length_mean": float(self.lengths.mean()),
            "cells_mean": None if self.cells is None else float(self.cells.mean()),
        }


class Evaluator:
    """Environments of its own, built once; frames spent here are not training frames."""

    def __init__(self, config: RootConfig, spec: EnvSpec, conditioner: Conditioner | None = None) -> None:
        """`spec` is the training environments'."""
        self._config = config
        self._env, self._quota = make_evaluation_env(config, spec, conditioner)

    @torch.no_grad()
    def evaluate(self, agent: Agent, frames: int, stop: Callable[[], bool]) -> Evaluation | None:
        """Play every environment's preset number of episodes; None if `stop` said so on the way.

        Sampling is seeded by the run seed and `frames` alone: it neither touches nor depends on the training streams.
        """
        config, env = self._config, self._env
        device = torch.device(config.device)
        rng = seeding.torch_rng(config.seed, f"evaluation/{frames}")
        obs = env.reset(seeding.env_seeds(config.seed, "evaluation_envs", env.num_envs))
        require_finite(env.spec, obs, "after a reset")
        state = agent.initial_state(env.num_envs)
        first = np.ones(env.num_envs, dtype=bool)
        remaining = np.array(self._quota)
        episode_return, episode_length = np.zeros(env.num_envs), np.zeros(env.num_envs, dtype=np.int64)
        visited = [{place} for place in _places(env.privileged())]
        finished: list[tuple[float, int, bool, int]] = []
        while remaining.any():
            if stop():
                return None
            tensors = {key: torch.from_numpy(value).to(device) for key, value in obs.items()}
            output = agent.act(tensors, state, torch.from_numpy(first).to(device), config.eval.policy, rng)
            batch = env.step(output.action.cpu().numpy())
            require_finite_step(env.spec, batch)
            obs, state, first = batch.obs, output.state, batch.terminated | batch.truncated
            episode_return += batch.task_reward
            episode_length += 1
            for seen, place in zip(visited, _places(batch.privileged), strict=True):
                seen.add(place)
            begun = _places(env.privileged()) if first.any() else []
            for i in np.flatnonzero(first):
                if remaining[i]:
                    cells_visited = len(visited[i]) if visited else 0
                    finished.append(
                        (float(episode_return[i]), int(episode_length[i]), bool(batch.success[i]), cells_visited)
                    )
                    remaining[i] -= 1
                episode_return[i], episode_length[i] = 0.0, 0
                if visited:
                    visited[i] = {begun[i]}
        returns, lengths, successes, cells = (np.array(column) for column in zip(*finished, strict=True))
        return Evaluation(
            returns, lengths, successes if env.spec.task.success is not None else None, cells if visited else None
        )

    def close(self) -> None:
        self._env.close()


def _places(facts: Obs) -> list[tuple[int, ...]]:
    """Where each agent stands; none where the environments do not tell."""
    return list(map(tuple, facts[PLACE].tolist())) if PLACE in facts else []
