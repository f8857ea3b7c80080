"""Evaluation: the task's own return on a fixed list of levels, the same for every scheme and run seed.

Where the environment tells the agent's place, the distinct cells of an episode are counted too: how far a policy gets,
whatever its scheme calls a state, and whatever noise is in view. Where it tells what a step costs, an episode's regret
is the sum. An environment may tell more of what a policy did, numbers of an episode's last state: `EnvSpec.tells`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.facts import GAP, PLACE
from rewardlab.schemas import RootConfig
from rewardlab.training import bandit_play
from rewardlab.training.compiled_play import CompiledPlay
from rewardlab.training.environments import evaluation_levels, longest_episode, make_evaluation_env
from rewardlab.training.showing import require_finite, require_finite_step
from rewardlab.training.within import Within
from rewardlab.types import Agent, Array, Conditioner, EnvSpec, Obs, VecEnv


@dataclass(frozen=True)
class Evaluation:
    """Return, length and success of each episode: whole ones, and those that were cut."""

    returns: Array
    lengths: Array
    successes: Array | None  # None where the task has no definition of success
    cells: Array | None  # distinct cells that the agent stood on; None where it stands on none
    cut: int = 0  # how many did not end within `limit` steps: they count with the return so far, as not solved
    limit: int | None = None
    told: dict[str, Array] = field(default_factory=dict)  # name -> a number of each episode's last state
    within: Within | None = None  # what happened in them, where every step is known to be a best one or not

    def row(self) -> dict[str, float | int | None]:
        """The columns of eval.csv that an evaluation decides."""
        return {
            "episodes": len(self.returns),
            "return_mean": float(self.returns.mean()),
            "return_std": float(self.returns.std()),
            "success_rate": None if self.successes is None else float(self.successes.mean()),
            "length_mean": float(self.lengths.mean()),
            "cells_mean": None if self.cells is None else float(self.cells.mean()),
        } | {told_column(name): float(numbers.mean()) for name, numbers in self.told.items()}


def told_column(name: str) -> str:
    """The column of eval.csv that holds the mean of what an environment tells."""
    return f"{name}_mean"


REGRET = "regret"  # the sum of `facts.GAP` over an episode
_STEPS_AT_ONCE = 32  # of a compiled pass
# Return, length, success, distinct cells (-1: none), whether it was cut, and what the environment tells, regret last.
_Played = tuple[float, int, bool, int, bool, tuple[float, ...]]


class Evaluator:
    """Environments of its own, built once; frames spent here are not training frames."""

    def __init__(self, config: RootConfig, spec: EnvSpec, conditioner: Conditioner | None = None) -> None:
        """`spec` is the training environments'."""
        self._config, self._spec, self._conditioner = config, spec, conditioner
        self._limit = longest_episode(config, spec)
        self._lists = evaluation_levels(config)
        self._env, _ = make_evaluation_env(config, spec, conditioner, self._lists)
        self._tells = (*spec.tells, *((REGRET,) if GAP in spec.privileged else ()))
        self._agent: Agent | None = None  # whose compiled pass is at hand
        self._compiled: CompiledPlay | None = None

    @torch.no_grad()
    def evaluate(self, agent: Agent, frames: int, stop: Callable[[], bool]) -> Evaluation | None:
        """Play every environment's preset number of episodes; None if `stop` said so on the way.

        Sampling is seeded by the run seed and `frames` alone: it neither touches nor depends on the training streams.
        """
        rng = seeding.torch_rng(self._config.seed, f"evaluation/{frames}")
        if self._agent is not agent:  # a pass cuts no episodes
            fits = self._limit is None and not self._tells
            self._compiled = CompiledPlay.of(self._env, agent, _STEPS_AT_ONCE, 4, unread={PLACE}) if fits else None
            self._agent = agent
        if self._compiled is not None:
            return self._pass(self._compiled, rng, stop)
        if self._limit is None and bandit_play.fits(self._env, agent):
            found = bandit_play.play(self._env, agent, self._lists, rng, stop)
            if found is None:
                return None
            (paid, regret), lengths = found[0].T, np.full(len(found[0]), self._spec.max_steps)
            return Evaluation(paid, lengths, None, None, told={REGRET: regret}, within=found[1])
        played: list[_Played] = []
        within = None if self._limit is not None else Within.of(self._env.spec, self._lists)
        lists, env = self._lists, self._env
        while True:
            try:
                left = self._play(env, [len(levels) for levels in lists], agent, rng, stop, played, within)
            finally:
                if env is not self._env:
                    env.close()
            if left is None:
                return None
            # Where an episode was cut that never ended, the levels after it are for other environments.
            lists = [levels[len(levels) - count :] for levels, count in zip(lists, left, strict=True) if count]
            if not lists:
                break
            env, _ = make_evaluation_env(self._config, self._spec, self._conditioner, lists)
        returns, lengths, successes, cells, cut, told = (np.array(column) for column in zip(*played, strict=True))
        can_succeed, placed = env.spec.task.success is not None, bool((cells >= 0).all())
        return Evaluation(
            returns,
            lengths,
            successes if can_succeed else None,
            cells if placed else None,
            int(cut.sum()),
            self._limit,
            dict(zip(self._tells, told.T, strict=True)),
            within,
        )

    def _pass(self, compiled: CompiledPlay, rng: torch.Generator, stop: Callable[[], bool]) -> Evaluation | None:
        """`_play` by compiled passes."""
        config, num_envs = self._config, self._env.num_envs
        returns, lengths = np.zeros(num_envs), np.zeros(num_envs, dtype=np.int64)
        left = np.array([len(levels) for levels in self._lists])
        played: list[Array] = []
        with compiled.on(self._lists, seeding.env_seeds(config.seed, "evaluation_envs", num_envs)):
            while left.any():
                if stop():
                    return None
                uniform = torch.rand(_STEPS_AT_ONCE, num_envs, generator=rng)
                played.append(compiled.play(uniform, returns, lengths, left, config.eval.policy == "greedy"))
                compiled.steps.images[0] = compiled.steps.images[-1]
        ended = np.concatenate(played)
        solved = ended[:, 2] > 0 if self._spec.task.success is not None else None
        told = ended[:, 3].astype(np.int64) if PLACE in self._spec.privileged else None
        return Evaluation(ended[:, 0], ended[:, 1].astype(np.int64), solved, told)

    def _play(
        self,
        env: VecEnv,
        quota: list[int],
        agent: Agent,
        rng: torch.Generator,
        stop: Callable[[], bool],
        played: list[_Played],
        within: Within | None,
    ) -> list[int] | None:
        """Play `quota` episodes in each environment.

        Returns:
            How many are left to each whose last episode was cut and did not end while the others played. None: stopped.
        """
        config = self._config
        device = torch.device(config.device)
        limit = np.inf if self._limit is None else self._limit
        obs = env.reset(seeding.env_seeds(config.seed, "evaluation_envs", env.num_envs))
        require_finite(env.spec, obs, "after a reset")
        state = agent.initial_state(env.num_envs)
        first = np.ones(env.num_envs, dtype=bool)
        remaining = np.array(quota)
        overdue = np.zeros(env.num_envs, dtype=bool)  # counted as cut, and going on until it ends
        episode_return, episode_length = np.zeros(env.num_envs), np.zeros(env.num_envs, dtype=np.int64)
        regret = np.zeros(env.num_envs)
        visited = [{place} for place in _places(env.privileged())]
        while (remaining[~overdue] > 0).any():
            if stop():
                return None
            tensors = {key: torch.from_numpy(value).to(device) for key, value in obs.items()}
            output = agent.act(tensors, state, torch.from_numpy(first).to(device), config.eval.policy, rng)
            action = output.action.cpu().numpy()
            batch = env.step(action)
            require_finite_step(env.spec, batch)
            obs, state, first = batch.obs, output.state, batch.terminated | batch.truncated
            episode_return += batch.task_reward
            episode_length += 1
            if within is not None:
                within.add(batch, action, remaining > 0)
            if GAP in batch.privileged:
                regret += batch.privileged[GAP]
            for seen, place in zip(visited, _places(batch.privileged), strict=True):
                seen.add(place)
            begun = _places(env.privileged()) if first.any() else []
            cut = ~first & ~overdue & (episode_length >= limit)
            for i in np.flatnonzero(first | cut):
                if remaining[i] and not overdue[i]:
                    places = len(visited[i]) if visited else -1
                    success = bool(batch.success[i]) and not cut[i]
                    told = tuple(
                        float(regret[i] if name == REGRET else batch.privileged[name][i]) for name in self._tells
                    )
                    played.append(
                        (float(episode_return[i]), int(episode_length[i]), success, places, bool(cut[i]), told)
                    )
                    remaining[i] -= 1
                overdue[i] = cut[i]
                if cut[i]:
                    continue
                episode_return[i], episode_length[i], regret[i] = 0.0, 0, 0.0
                if visited:
                    visited[i] = {begun[i]}
        return [int(count) for count in remaining]

    def close(self) -> None:
        self._env.close()


def _places(facts: Obs) -> list[tuple[int, ...]]:
    """Where each agent stands; none where the environments do not tell."""
    return list(map(tuple, facts[PLACE].tolist())) if PLACE in facts else []
