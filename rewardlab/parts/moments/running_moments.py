"""Running mean and standard deviation of everything seen so far."""

from collections.abc import Callable

import torch

from rewardlab.maths import compiled
from rewardlab.maths.distinct import distinct_of
from rewardlab.maths.moments import combine, moments
from rewardlab.parts.both_ends import row_blocks
from rewardlab.types import Rollout, State, TensorObs

_EPSILON = 1e-8  # added to a variance: entries that never changed would divide by zero


class RunningMoments:
    """Mean and standard deviation over all data so far, exact up to float64 rounding.

    Before any data the mean is 0 and the standard deviation 1, so that normalising leaves data as it is. The sums are
    kept on the CPU, for not every device computes in float64; what is applied to data is on `device`.
    """

    def __init__(self, shape: tuple[int, ...] = (), device: torch.device | str = "cpu") -> None:
        self.count = 0.0
        self._device = torch.device(device)
        self._mean = torch.zeros(shape, dtype=torch.float64)
        self._squares = torch.zeros(shape, dtype=torch.float64)

    def add(self, data: torch.Tensor, times: torch.Tensor | None = None) -> None:
        """Take data [B, *shape] in, each row as often as `times` says, [B], or once."""
        so_far = (self.count, self._mean, self._squares)
        found = moments(data.cpu(), None if times is None else times.cpu())
        self.count, self._mean, self._squares = combine(so_far, found)

    @property
    def mean(self) -> torch.Tensor:
        """float32 [*shape]."""
        return self._mean.float().to(self._device)

    @property
    def std(self) -> torch.Tensor:
        """float32 [*shape]: the population's, never 0."""
        if self.count == 0.0:
            return torch.ones(self._mean.shape, device=self._device)
        return (self._squares / self.count + _EPSILON).sqrt().float().to(self._device)

    def add_successors(self, rollout: Rollout, flat: Callable[[TensorObs], torch.Tensor]) -> None:
        """Take in what was reached, next_obs, as often as it was; `flat` makes rows [U, *shape] of observations."""
        distinct, begun = distinct_of(rollout), 0
        times = distinct.there.flatten().bincount(minlength=len(next(iter(distinct.rows.values()))))
        for block in row_blocks(distinct.rows):
            rows = flat(block)
            counted = times[begun : begun + len(rows)]
            if counted.any():
                self.add(rows, counted)
            begun += len(rows)

    def normalise(self, data: torch.Tensor, clip: float) -> torch.Tensor:
        """(data - mean) / std within +-clip, [..., *shape] -> the same."""
        mean, std = self.mean, self.std
        if not compiled.compiles(data):
            return (data - mean).div_(std).clamp_(-clip, clip)
        whitened = torch.empty(data.shape)  # one compiled pass: it is most of RND's preparation
        rows = (tensor.reshape(-1, mean.numel()).numpy() for tensor in (data, mean, std, whitened))
        given, middle, spread, out = rows
        compiled.whiten(given, middle[0], spread[0], clip, out)
        return whitened

    def state_dict(self) -> State:
        return {"count": self.count, "mean": self._mean.clone(), "squares": self._squares.clone()}

    def load_state_dict(self, state: State) -> None:
        self.count = state["count"]
        self._mean.copy_(state["mean"])
        self._squares.copy_(state["squares"])
