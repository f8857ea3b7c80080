"""Mean and standard deviation of a number, the latest data counting most."""

import torch

from rewardlab.types import State

_EPSILON = 1e-8  # added to the variance: rewards that are all alike would divide by zero


class EmaMoments:
    """Exponential moving averages over batches: of the mean, and of the squared deviation from it.

    The first batch sets both. Before it the mean is 0 and the standard deviation 1, so that normalising leaves
    data as it is. Source: the reward normaliser of DEIR's code (Wan et al. 2023).
    """

    def __init__(self, momentum: float) -> None:
        """`momentum` in [0, 1) is the share of the old value that stays; 0 knows the last batch only."""
        self.momentum = momentum
        self.batches = 0
        self.mean = 0.0
        self.variance = 1.0

    def add(self, data: torch.Tensor) -> None:
        """Take a batch in, of any shape; an empty one changes nothing."""
        if data.numel() == 0:
            return
        values = data.double()
        keep = self.momentum if self.batches else 0.0
        self.mean = keep * self.mean + (1.0 - keep) * float(values.mean())
        self.variance = keep * self.variance + (1.0 - keep) * float((values - self.mean).square().mean())
        self.batches += 1

    @property
    def std(self) -> float:
        """Never 0."""
        return float((self.variance + _EPSILON) ** 0.5)

    def state_dict(self) -> State:
        return {"batches": self.batches, "mean": self.mean, "variance": self.variance}

    def load_state_dict(self, state: State) -> None:
        self.batches, self.mean, self.variance = state["batches"], state["mean"], state["variance"]
