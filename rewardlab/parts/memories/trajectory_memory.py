"""What each environment has met in its own episode, and along which trajectory."""

from functools import partial
from typing import Any

import numpy as np
import torch

from rewardlab.kernel_cache import kept
from rewardlab.types import Array, State

_EPSILON = np.float32(1e-6)  # added to a distance that divides


class TrajectoryMemory:
    """Per environment, pairs of embeddings: of each observation of the episode so far, and of the way to it.

    The way to an observation is the trajectory up to the one before; the way to an episode's first is zero. An episode
    begins with an empty memory, and outlasts rollouts. Embeddings stay as they were when they came in.
    """

    def __init__(self, num_envs: int, observation: int, trajectory: int) -> None:
        """Args: the lengths O of an observation's and W of a trajectory's embedding."""
        self._observations = np.zeros((num_envs, 0, observation), dtype=np.float32)
        self._trajectories = np.zeros((num_envs, 0, trajectory), dtype=np.float32)
        self._norms = np.zeros((num_envs, 0), dtype=np.float32)  # of the ways
        self._lengths = np.zeros(num_envs, dtype=np.int64)

    def forget(self) -> None:
        """Empty the memory of every environment."""
        self._lengths[:] = 0

    def novelty(
        self, start: torch.Tensor, reached: torch.Tensor, trajectory: torch.Tensor, first: torch.Tensor, plain: bool
    ) -> torch.Tensor:
        """Take a rollout in; how far each state reached is from all that the episode showed before, float32 [T, N].

        The least of |o' - o|^2 / (|w' - w| + 1e-6) over the pairs (o, w) in memory, o' being what was reached and w'
        the way to it; with `plain`, of |o' - o| (Wan et al. 2023, eq. 4 and algorithm A1).

        Args:
            start: [T, N, O], of the observations acted on; read where an episode begins.
            reached: [T, N, O], of the true successors.
            trajectory: [T, N, W], of the trajectories up to the observations acted on.
            first: bool [T, N], where an episode begins.
        """
        steps, num_envs, _ = reached.shape
        self._make_room(int(self._lengths.max()) + steps + 1)
        found = np.zeros((steps, num_envs), dtype=np.float32)
        rows = [np.ascontiguousarray(tensor.cpu().numpy()) for tensor in (start, reached, trajectory, first)]
        kernel: Any = _scan  # numba's own types are too narrow
        kernel(self._observations, self._trajectories, self._norms, self._lengths, *rows, plain, found)
        return torch.from_numpy(found).to(reached.device)

    def _make_room(self, wanted: int) -> None:
        if wanted > self._observations.shape[1]:
            self._observations = _grown(self._observations, 2 * wanted)
            self._trajectories = _grown(self._trajectories, 2 * wanted)
            self._norms = _grown(self._norms, 2 * wanted)

    def state_dict(self) -> State:
        longest = int(self._lengths.max())
        return {
            "observations": torch.from_numpy(self._observations[:, :longest].copy()),
            "trajectories": torch.from_numpy(self._trajectories[:, :longest].copy()),
            "lengths": torch.from_numpy(self._lengths.copy()),
        }

    def load_state_dict(self, state: State) -> None:
        self._observations = state["observations"].cpu().numpy().copy()
        self._trajectories = state["trajectories"].cpu().numpy().copy()
        self._norms = np.linalg.norm(self._trajectories, axis=2)
        self._lengths = state["lengths"].cpu().numpy().copy()


def _grown(entries: Array, room: int) -> Array:
    num_envs, before, *size = entries.shape
    grown = np.zeros((num_envs, room, *size), dtype=np.float32)
    grown[:, :before] = entries
    return grown


# Sums may be taken in another order, so that a distance takes a few vector instructions; infinities keep their meaning.
@partial(kept, fastmath={"reassoc", "contract"})
def _scan(
    observations: Array,
    trajectories: Array,
    norms: Array,
    lengths: Array,
    start: Array,
    reached: Array,
    trajectory: Array,
    first: Array,
    plain: bool,
    found: Array,
) -> None:  # pragma: no cover
    steps, num_envs, size = reached.shape
    width = trajectory.shape[2]
    for env in range(num_envs):
        length = lengths[env]
        for t in range(steps):
            if first[t, env]:
                length = 1
                for d in range(size):
                    observations[env, 0, d] = start[t, env, d]
                for d in range(width):
                    trajectories[env, 0, d] = np.float32(0.0)
                norms[env, 0] = np.float32(0.0)
            norm = np.float32(0.0)
            for d in range(width):
                norm += trajectory[t, env, d] * trajectory[t, env, d]
            norm = np.sqrt(norm)
            least = np.float32(np.inf)
            for m in range(length - 1, -1, -1):  # a view that the rollout showed before ends the search at once, at 0
                squared = np.float32(0.0)
                for d in range(size):
                    gap = reached[t, env, d] - observations[env, m, d]
                    squared += gap * gap
                apart = np.float32(0.0)
                if plain:
                    distance = np.sqrt(squared)
                elif squared >= least * (norm + norms[env, m] + _EPSILON):
                    continue  # two ways are no further apart than their norms add up to
                else:
                    for d in range(width):
                        gap = trajectory[t, env, d] - trajectories[env, m, d]
                        apart += gap * gap
                    distance = squared / (np.sqrt(apart) + _EPSILON)
                if distance < least:
                    least = distance
                    if least == np.float32(0.0):
                        break
            found[t, env] = least
            for d in range(size):
                observations[env, length, d] = reached[t, env, d]
            for d in range(width):
                trajectories[env, length, d] = trajectory[t, env, d]
            norms[env, length] = norm
            length += 1
        lengths[env] = length
