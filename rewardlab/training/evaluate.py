"""Evaluation: the task's own return on a fixed list of levels, the same for every scheme and run seed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.schemas import RootConfig
from rewardlab.training.build import make_evaluation_env
from rewardlab.types import Agent, Array, Conditioner


@dataclass(frozen=True)
class Evaluation:
    """Whole episodes: return, length and success of each."""

    returns: Array
    lengths: Array
    successes: Array | None  # None where the task has no definition of success

    def row(self) -> dict[str, float | int | None]:
        """The columns of eval.csv that an evaluation decides."""
        return {
            "episodes": len(self.returns),
            "return_mean": float(self.returns.mean()),
            "return_std": float(self.returns.std()),
            "success_rate": None if self.successes is None else float(self.successes.mean()),
            "length_mean": float(self.lengths.mean()),
        }


class Evaluator:
    """Environments of its own, built once; frames spent here are not training frames."""

    def __init__(self, config: RootConfig, conditioner: Conditioner | None = None) -> None:
        self._config = config
        self._env, self._quota = make_evaluation_env(config, conditioner)

    @torch.no_grad()
    def evaluate(self, agent: Agent, frames: int, stop: Callable[[], bool]) -> Evaluation | None:
        """Play every environment's preset number of episodes; None if `stop` said so on the way.

        Sampling is seeded by the run seed and `frames` alone: it neither touches nor depends on the training streams.
        """
        config, env = self._config, self._env
        device = torch.device(config.device)
        rng = seeding.torch_rng(config.seed, f"evaluation/{frames}")
        obs = env.reset(seeding.env_seeds(config.seed, "evaluation_envs", env.num_envs))
        state = agent.initial_state(env.num_envs)
        first = np.ones(env.num_envs, dtype=bool)
        remaining = np.array(self._quota)
        episode_return, episode_length = np.zeros(env.num_envs), np.zeros(env.num_envs, dtype=np.int64)
        finished: list[tuple[float, int, bool]] = []
        while remaining.any():
            if stop():
                return None
            tensors = {key: torch.from_numpy(value).to(device) for key, value in obs.items()}
            output = agent.act(tensors, state, torch.from_numpy(first).to(device), config.eval.policy, rng)
            batch = env.step(output.action.cpu().numpy())
            obs, state, first = batch.obs, output.state, batch.terminated | batch.truncated
            episode_return += batch.task_reward
            episode_length += 1
            for i in np.flatnonzero(first):
                if remaining[i]:
                    finished.append((float(episode_return[i]), int(episode_length[i]), bool(batch.success[i])))
                    remaining[i] -= 1
                episode_return[i], episode_length[i] = 0.0, 0
        returns, lengths, successes = (np.array(column) for column in zip(*finished, strict=True))
        return Evaluation(returns, lengths, successes if env.spec.task.success is not None else None)

    def close(self) -> None:
        self._env.close()
