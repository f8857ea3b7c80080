"""What the rewards of a task are divided by, so that returns are of about 1 at most."""

import torch

from rewardlab.parts.moments.return_filter import ReturnFilter
from rewardlab.types import State


class ReturnScale:
    """The running standard deviation of the discounted return, but never less than 1.

    Step sizes, the bound of gradients and the weight of the value loss suit returns of about 1. Pendulum's are some
    hundreds below 0: the error of the values fills the gradient, and once that is cut to its norm nothing is left to
    the policy. Smaller returns stay as they are: enlarged, the noise before a first reward would look like one.

    The floor of PPO's normalised advantages then counts as a share of a return. Environments that began together are in
    one phase of their episodes: all of Pendulum's balance, advantages are noise, and at their full size undo the swing.

    Source: Engstrom et al. 2020, Implementation matters in deep policy gradients (arXiv:2005.12729), section 3, and
    CleanRL's ppo_continuous_action, which divide by the deviation whatever it is.
    """

    def __init__(self, num_envs: int, gamma: float, device: torch.device | str = "cpu") -> None:
        self._returns = ReturnFilter(num_envs, gamma, device)

    def taking_in(self, rewards: torch.Tensor) -> float:
        """What rewards [T, N] are divided by, once they are taken in."""
        self._returns.normalise(rewards)
        return self.divisor

    def add_returns(self, returns: torch.Tensor) -> None:
        """Take discounted returns [B] in that are known already, such as those of demonstrations."""
        self._returns.add_sums(returns)

    @property
    def divisor(self) -> float:
        return max(1.0, self._returns.std)

    def state_dict(self) -> State:
        return self._returns.state_dict()

    def load_state_dict(self, state: State) -> None:
        self._returns.load_state_dict(state)
