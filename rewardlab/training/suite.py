"""`eval.suite`: held-out levels by name, which evaluations play beside their own levels, and a table of their own.

Every environment plays one episode: the first to finish would be the short ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.errors import UserError
from rewardlab.facts import PLACE
from rewardlab.schemas import NO_SUITE, RootConfig
from rewardlab.training.showing import require_finite, require_finite_step
from rewardlab.training.wrappers.goal_env import GoalEnv
from rewardlab.types import Agent, Array, Conditioner, EnvSpec, HeldOut, VecEnv

COLUMNS = ("episodes", "success_rate", "return_mean", "length_mean", "optimal_return", "walk", "regret")


def check_suite(config: RootConfig) -> None:
    """Raises:
    UserError: the environment has no such levels.
    """
    suite, offered = config.eval.suite, config.env.SUITES
    if suite != NO_SUITE and suite not in offered:
        has = f"env={config.env.name} has {', '.join(offered)}" if offered else f"env={config.env.name} has none"
        raise UserError(f"eval.suite={suite}: {has}; mazes are for env=maze and its presets")


class Suite:
    """Environments of its own, built once; frames spent here are not training frames.

    Attributes:
        columns: of the table, `frames` and `COLUMNS` of each level as `NAME/COLUMN`.
    """

    def __init__(self, config: RootConfig, spec: EnvSpec, conditioner: Conditioner | None = None) -> None:
        """`spec` is the training environments'."""
        self._config = config
        told = (PLACE,) if PLACE in spec.privileged else ()
        facts = tuple(dict.fromkeys((*config.curriculum.privileged(), *told)))
        held: list[HeldOut] = config.env.held_out(config.eval.suite, config.eval.suite_episodes, facts)
        self._held = held
        self._envs: list[VecEnv] = [
            each.env if conditioner is None else GoalEnv(each.env, conditioner, kept=told) for each in held
        ]
        names = dict.fromkeys(name for each in held for name in each.names)
        self.columns = ("frames", *(f"{name}/{column}" for name in names for column in COLUMNS))

    @torch.no_grad()
    def evaluate(self, agent: Agent, frames: int, stop: Callable[[], bool]) -> dict[str, float] | None:
        """A row of the table; None if `stop` said so on the way.

        Sampling is seeded by the run seed and `frames` alone: it neither touches nor depends on the training streams.
        """
        rng = seeding.torch_rng(self._config.seed, f"suite/{frames}")
        row: dict[str, float] = {"frames": frames}
        for held, env in zip(self._held, self._envs, strict=True):
            played = self._play(env, agent, rng, stop)
            if played is None:
                return None
            returns, lengths, solved = played
            names = np.array(held.names)
            for name in dict.fromkeys(held.names):
                here = names == name
                best, paid = float(held.optimal[here].mean()), float(returns[here].mean())
                told = (
                    int(here.sum()), float(solved[here].mean()), paid, float(lengths[here].mean()), best,
                    float(held.walk[here].mean()), best - paid,
                )  # fmt: skip
                row |= {f"{name}/{column}": value for column, value in zip(COLUMNS, told, strict=True)}
        return row

    def _play(
        self, env: VecEnv, agent: Agent, rng: torch.Generator, stop: Callable[[], bool]
    ) -> tuple[Array, Array, Array] | None:
        """Return, length and success of the first episode of each environment, [N] each."""
        device, policy = torch.device(self._config.device), self._config.eval.policy
        obs = env.reset(seeding.env_seeds(self._config.seed, "suite_envs", env.num_envs))
        require_finite(env.spec, obs, "after a reset")
        state, first = agent.initial_state(env.num_envs), np.ones(env.num_envs, dtype=bool)
        returns, lengths = np.zeros(env.num_envs), np.zeros(env.num_envs, dtype=np.int64)
        solved, over = np.zeros(env.num_envs, dtype=bool), np.zeros(env.num_envs, dtype=bool)
        while not over.all():
            if stop():
                return None
            tensors = {key: torch.from_numpy(value).to(device) for key, value in obs.items()}
            output = agent.act(tensors, state, torch.from_numpy(first).to(device), policy, rng)
            batch = env.step(output.action.cpu().numpy())
            require_finite_step(env.spec, batch)
            obs, state, first = batch.obs, output.state, batch.terminated | batch.truncated
            returns += np.where(over, 0.0, batch.task_reward)
            lengths += ~over
            solved |= batch.success & ~over
            over |= first
        return returns, lengths, solved

    def close(self) -> None:
        for env in self._envs:
            env.close()
