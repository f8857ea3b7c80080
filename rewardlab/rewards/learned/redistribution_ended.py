"""What is known only when an episode has ended: uniform shares of its return, and IRCR's guidance."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch

from rewardlab.maths.redistribution import between
from rewardlab.maths.returns import paid_at_ends
from rewardlab.parts.buffers.replay import EPISODE_LENGTH, EPISODE_RETURN
from rewardlab.rewards.learned.redistribution_options import Options
from rewardlab.types import Array, BuildContext, Metrics, Rollout, State, Transitions


class Ended:
    """Each step of an episode is paid the same; while it is played, the sum of that is paid with its last step."""

    pays_anew = True
    metrics = ("explore/redistribution_low", "explore/redistribution_high")

    def __init__(self, config: Options, context: BuildContext) -> None:
        self._guides = config.method == "ircr"
        self.best_share = config.best_share if self._guides else 0.0
        self._most = config.best_episodes
        self._memory = config.memory
        self._latest: deque[tuple[int, float]] = deque()  # lengths and returns of ended episodes
        self._steps = 0  # of those
        self._best: list[float] = []  # the best returns ever, which the agent goes on learning from
        self._owed, self._played = np.zeros((2, context.num_envs))
        self._fresh: list[tuple[int, float]] = []

    def pay(self, rollout: Rollout) -> torch.Tensor:
        done = rollout.done.cpu().numpy()
        begun = rollout.first[0].cpu().numpy()
        self._owed[begun], self._played[begun] = 0.0, 0.0
        reward = rollout.task_reward.cpu().numpy()
        returns = paid_at_ends(reward, done, self._owed)
        lengths = paid_at_ends(np.ones_like(reward), done, self._played)
        time, env = done.nonzero()
        self._fresh = list(zip(lengths[time, env].astype(int).tolist(), returns[time, env].tolist(), strict=True))
        device = rollout.task_reward.device
        totals, counts = torch.from_numpy(returns).to(device), torch.from_numpy(lengths).to(device)
        return self._share(totals, counts.clamp(min=1)) * counts

    def pay_anew(self, steps: Transitions) -> torch.Tensor:
        return self._share(steps.extra[EPISODE_RETURN], steps.extra[EPISODE_LENGTH])

    def learn(self, rollout: Rollout) -> Metrics:
        for length, total in self._fresh:
            self._latest.append((length, total))
            self._steps += length
        while self._steps > self._memory and len(self._latest) > 1:
            self._steps -= self._latest.popleft()[0]
        self._best = sorted([*self._best, *(total for _, total in self._fresh)])[-self._most :]
        low, high = self._range()
        return dict(zip(self.metrics, (low, high), strict=True)) if self._latest else {}

    def state_dict(self) -> State:
        return {
            "latest": [list(entry) for entry in self._latest],
            "best": list(self._best),
            "owed": torch.from_numpy(self._owed.copy()),
            "played": torch.from_numpy(self._played.copy()),
        }

    def load_state_dict(self, state: State) -> None:
        self._latest = deque((entry[0], entry[1]) for entry in state["latest"])
        self._steps = sum(length for length, _ in self._latest)
        self._best = list(state["best"])
        self._owed, self._played = _array(state["owed"]), _array(state["played"])

    def _share(self, returns: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return between(returns, *self._range()) if self._guides else returns / lengths

    def _range(self) -> tuple[float, float]:
        """The lowest and the highest return: of the memory and, as in IRCR's code, of the best episodes."""
        returns = [total for _, total in self._latest] + self._best
        return (min(returns), max(returns)) if returns else (0.0, 0.0)


def _array(tensor: torch.Tensor) -> Array:
    found: Array = tensor.cpu().numpy().copy()
    return found
