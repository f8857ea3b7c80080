"""HER: replays every episode again as if what it achieved had been its goal.

Paper: Andrychowicz et al. 2017, Hindsight experience replay
Assumes: an environment with goals, an agent that learns from replay

Each step of an episode is kept once as it was and `k` times more with another goal, which is shown in place of the
desired one and decides anew what the step is paid and whether it terminates (the environment's `goal_outcome`). Goals
are what was achieved (section 4.5 of the paper):

- strategy=future: after the step, in the same episode, the step itself included; the paper's best, with k = 4 or 8.
- strategy=episode: anywhere in the same episode.
- strategy=random: anywhere in the `memory` latest steps of training.
- strategy=final: at the end of the episode; one goal, so k is not asked.

Where an episode stopped because it reached its own goal, it is cut off for another one: what follows is bootstrapped
from its last state. The task's return and every statistic are those of the episodes as they were.
"""

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab import discovery
from rewardlab.errors import UserError
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RewardConfig, option
from rewardlab.types import Array, BuildContext, Episode, Metrics, Rollout, State, TensorObs, Windows

VERSION = 1
STRATEGIES = ("future", "episode", "random", "final")


@dataclass
class Config(RewardConfig):
    strategy: str = option("future", "where goals come from", choices=STRATEGIES)
    k: int = option(4, "goals for each step, beside its own; final takes one", above=0, maximum=100)
    memory: int = option(100_000, "strategy=random: latest steps of training whose goals are remembered", above=0)


class Scheme(BaseScheme):
    """Pays the task's reward; what it adds are the relabelled steps."""

    relabels = True
    whole_episodes = True

    metrics = ("explore/her_reward_mean",)

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        if context.goal_outcome is None:
            raise UserError(
                f"reward=her: needs goals, which {context.spec.id} has not; use {discovery.worlds_with_goals()}"
            )
        self._config, self._outcome = config, context.goal_outcome
        self._remembered: Array = np.zeros((0, context.spec.obs["achieved"].shape[0]), dtype=np.float32)
        self._next = 0  # where the oldest goal is, once memory is full
        self._paid: list[float] = []  # since the last update: the mean reward of the relabelled steps of each episode

    def relabel(self, episode: Episode, steps: int, rng: np.random.Generator) -> Windows | None:
        """Windows of `steps` steps, one for each step and goal, in the order of steps; see `RewardScheme`."""
        achieved = episode.next_obs["achieved"].cpu().numpy()
        length = len(achieved)
        start = np.repeat(np.arange(length), 1 if self._config.strategy == "final" else self._config.k)
        goal = self._goals(achieved, start, rng)
        # Rows after the episode's last step repeat it: they follow an end, so nobody reads them.
        rows = np.minimum(start + np.arange(steps)[:, None], length - 1)
        shown = np.broadcast_to(goal, (steps, *goal.shape))
        width = goal.shape[-1]
        reward, terminated = self._outcome(achieved[rows].reshape(-1, width), shown.reshape(-1, width))
        reward, terminated = reward.reshape(rows.shape), terminated.reshape(rows.shape)
        self._paid.append(float(reward[0].mean()))
        device = episode.action.device
        return Windows(
            obs=_shown(episode.obs, rows, shown),
            next_obs=_shown(episode.next_obs, rows, shown),
            action=episode.action[torch.from_numpy(rows).to(device)],
            task_reward=torch.from_numpy(reward).to(device),
            terminated=torch.from_numpy(terminated).to(device),
            truncated=torch.from_numpy(rows == length - 1).to(device),
        )

    def _goals(self, achieved: Array, start: Array, rng: np.random.Generator) -> Array:
        """float32 [M, G]: a goal for each window, of those that its strategy allows."""
        length, strategy = len(achieved), self._config.strategy
        if strategy == "future":
            rows = rng.integers(start, length)
        elif strategy == "episode":
            rows = rng.integers(length, size=start.shape)
        elif strategy == "final":
            rows = np.full(start.shape, length - 1)
        else:
            self._remember(achieved)
            achieved = self._remembered
            rows = rng.integers(len(achieved), size=start.shape)
        goals: Array = achieved[rows]
        return goals

    def _remember(self, achieved: Array) -> None:
        kept, size = achieved[-self._config.memory :], self._config.memory
        free = size - len(self._remembered)
        self._remembered = np.concatenate([self._remembered, kept[:free]])
        overwriting = kept[free:]
        self._remembered[(self._next + np.arange(len(overwriting))) % size] = overwriting
        self._next = (self._next + len(overwriting)) % size

    def update(self, rollout: Rollout) -> Metrics:
        paid, self._paid = self._paid, []
        return {"explore/her_reward_mean": sum(paid) / len(paid)} if paid else {}

    def state_dict(self) -> State:
        return {"remembered": torch.from_numpy(self._remembered.copy()), "next": self._next}

    def load_state_dict(self, state: State) -> None:
        self._remembered, self._next = state["remembered"].cpu().numpy().copy(), state["next"]


def _shown(obs: TensorObs, rows: Array, goal: Array) -> TensorObs:
    """Entries [L, ...] -> [W, M, ...], with the goals in place of the one that was pursued."""
    taken = {name: entry[torch.from_numpy(rows).to(entry.device)] for name, entry in obs.items()}
    return taken | {"goal": torch.from_numpy(goal.copy()).to(obs["goal"].device)}
