"""All steps of a data set in one block, which is what offline agents learn from.

What follows a step is read by index: the observations of an episode of L steps are L + 1 rows, and those of all
episodes stand one after the other. So nothing is kept twice, and no step is followed by another episode's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.errors import UserError
from rewardlab.types import Array, Episode, TensorObs, Transitions

_AT_ONCE = 4096  # steps
Label = Callable[[Episode], torch.Tensor]  # what the steps of a whole episode are paid, float32 [L]


class StoredSteps:
    """B steps of E whole episodes.

    Attributes:
        obs: each entry [B + E, *shape], what was seen; the step i of the episode e was taken at row i + e.
        action: int64 [B] or float32 [B, A]. reward: float32 [B]. terminated: bool [B].
        starts: int64 [E + 1], the first step of each episode, and B.
        returns: float64 [E], the undiscounted sum of the rewards of each episode.
        gamma: what the value of the next observation counts, where the task did not terminate.
    """

    def __init__(
        self, obs: TensorObs, action: torch.Tensor, reward: torch.Tensor, terminated: torch.Tensor, starts: Array,
        gamma: float,
    ) -> None:  # fmt: skip
        self.obs, self.action, self.reward, self.terminated = obs, action, reward, terminated
        self.starts, self.gamma = starts, gamma
        lengths = np.diff(starts)
        rows = np.arange(len(reward)) + np.repeat(np.arange(len(lengths)), lengths)
        self._rows = torch.from_numpy(rows.astype(np.int32)).to(reward.device)
        sums = np.concatenate([[0.0], np.cumsum(reward.cpu().numpy(), dtype=np.float64)])
        self.returns = np.diff(sums[starts])

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def nbytes(self) -> int:
        """What it takes of the memory."""
        kept = (*self.obs.values(), self.action, self.reward, self.terminated, self._rows)
        return sum(column.numel() * column.element_size() for column in kept)

    def sample(self, size: int, rng: np.random.Generator) -> Transitions:
        """Steps [size], drawn uniformly with replacement."""
        return self.at(rng.integers(len(self), size=size))

    def at(self, steps: Array) -> Transitions:
        """Those steps, int64 [B]; `extra` has `reward` and `discount`."""
        index = torch.from_numpy(steps).to(self.reward.device)
        rows = self._rows[index]
        discount = self.gamma * (~self.terminated[index]).float()
        return Transitions(
            self.seen(rows),
            self.action[index],
            {"reward": self.reward[index], "discount": discount},
            self.seen(rows + 1),
        )

    def rows(self, steps: Array) -> Array:
        """The row of `obs` at which each of these steps was taken; the next one is what it led to."""
        return steps + self.episodes(steps)

    def episodes(self, steps: Array) -> Array:
        """The number of the episode of each of these steps."""
        found: Array = np.searchsorted(self.starts, steps, side="right") - 1
        return found

    def seen(self, rows: torch.Tensor) -> TensorObs:
        """Observations at those rows."""
        return {name: entry.index_select(0, rows) for name, entry in self.obs.items()}

    def acted_on(self) -> Iterator[TensorObs]:
        """What was acted on, of all steps, in parts: each entry [B, *shape]."""
        for start in range(0, len(self), _AT_ONCE):
            yield self.seen(self._rows[start : start + _AT_ONCE])


def read_steps(file: DemonstrationFile, gamma: float, label: Label, device: torch.device) -> StoredSteps:
    """Read a data set episode by episode.

    Args:
        label: what its steps are paid.

    Raises:
        UserError: it can't be read, does not fit, or has an episode that does not end.
    """
    spec, count, episodes = file.spec, file.steps, file.count
    obs: TensorObs = {
        name: torch.empty(count + episodes, *entry.shape, dtype=getattr(torch, entry.dtype))
        for name, entry in spec.obs.items()
    }
    discrete = spec.action.discrete
    action = torch.empty(count, *spec.action.shape, dtype=torch.int64 if discrete else torch.float32)
    reward, terminated = torch.empty(count), torch.zeros(count, dtype=torch.bool)
    starts = np.zeros(episodes + 1, dtype=np.int64)
    for number, (episode, shown, _) in enumerate(file.each()):
        start, end = int(starts[number]), int(starts[number]) + len(episode)
        if end > count:
            break
        if not (episode.terminated or episode.truncated):
            raise UserError(
                f"{file.where}: episode {number} has no end: its last step neither terminates nor truncates"
            )
        for name, entry in shown.items():
            obs[name][start + number : end + number + 1] = entry
        action[start:end] = episode.action
        reward[start:end] = label(episode)
        terminated[end - 1] = episode.terminated
        starts[number + 1] = end
    if starts[-1] != count:
        raise UserError(f"{file.where}: says that it has {count} steps in {episodes} episodes, and it has others")
    kept = {name: entry.to(device) for name, entry in obs.items()}
    return StoredSteps(kept, action.to(device), reward.to(device), terminated.to(device), starts, gamma)
