"""A reward that is learned: an ensemble of small networks over what a step was, and how their answers become one.

Source: Lee et al. 2021, PEBBLE (arXiv:2106.05091): three networks of three layers with tanh at the end, whose mean is
paid. How else several become one: Coste et al. 2024, Reward model ensembles help mitigate overoptimization
(arXiv:2310.02743).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from rewardlab.networks.adam import Adam
from rewardlab.networks.ensemble import Ensemble
from rewardlab.types import State

AGGREGATES = ("mean", "median", "min", "mean_minus_std")
OUTPUTS = ("tanh", "linear")
_SLOPE = 0.01  # of leaky ReLU below 0
_WORK = 3.0  # of a gradient step for each input and weight: forwards once, backwards twice as much
_LAST_GAIN = 0.1  # of the last layer: rewards begin near 0


def aggregated(rewards: torch.Tensor, kind: str) -> torch.Tensor:
    """One reward of those of E members, [E, ...] -> [...]; kind is one of `AGGREGATES`.

    The median of an even number is the mean of the two in the middle; the standard deviation is that of the members.
    """
    if kind == "median":
        ordered = rewards.sort(dim=0).values
        return 0.5 * (ordered[(len(rewards) - 1) // 2] + ordered[len(rewards) // 2])
    if kind == "min":
        return rewards.amin(dim=0)
    mean = rewards.mean(dim=0)
    return mean if kind == "mean" else mean - rewards.std(dim=0, correction=0)


class RewardModel(nn.Module):
    """Inputs [B, D], or of each member its own [E, B, D] -> the rewards of all members [E, B].

    Args:
        hidden: widths of the layers between.
        output: `tanh` keeps rewards within (-1, 1), `linear` does not.
        outputs: numbers of the last layer.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        members: int,
        output: str,
        generator: torch.Generator,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        self.members = members
        self.ensemble = Ensemble(members, (inputs, *hidden, outputs), generator, slope=_SLOPE, last_gain=_LAST_GAIN)
        self._tanh = output == "tanh"

    def forward(self, inputs: torch.Tensor, counts: Sequence[torch.Tensor] | None = None) -> torch.Tensor:
        """See above; `counts` as in `Ensemble`."""
        return self.bounded(self.unbounded(inputs, counts))

    def unbounded(self, inputs: torch.Tensor, counts: Sequence[torch.Tensor] | None = None) -> torch.Tensor:
        """The same before tanh."""
        rewards: torch.Tensor = self.ensemble(inputs, counts).squeeze(-1)
        return rewards

    def bounded(self, rewards: torch.Tensor) -> torch.Tensor:
        """What the last layer says, as `output` has it."""
        return rewards.tanh() if self._tanh else rewards

    @property
    def weights(self) -> int:
        """Their number, of all members together: a row costs as many multiplications."""
        return sum(parameter.numel() for parameter in self.parameters())


class Fitted(Protocol):
    """What `Fitting` asks of a model: how many networks it is, and how many multiplications a row costs."""

    members: int

    @property
    def weights(self) -> int: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


@dataclass
class Progress:
    """A fit on its way: gradient steps that are left, and of this pass over the data those taken, and how many answers
    were right of how many.
    """

    left: int = 0
    taken: int = 0
    right: float = 0.0
    seen: float = 0.0


class Fitting:
    """Fits a model in pieces that are counted by their work, not by a clock: the same on every machine.

    A fit of hundreds of passes would stop the learner for minutes. A piece takes a part of a second, the learner goes
    on, and the next piece follows after its next rollout.

    Args:
        accuracy: a fit ends early once a pass was right that often, or had nothing to be right about.
        piece: multiplications of a piece at most; one gradient step is taken always.
    """

    def __init__(self, model: Fitted, learning_rate: float, accuracy: float, piece: float) -> None:
        self.model, self._accuracy, self._piece, self._learning_rate = model, accuracy, piece, learning_rate
        self.optimiser = Adam(model.parameters(), learning_rate)
        self._progress = Progress()

    @property
    def going(self) -> bool:
        return self._progress.left > 0

    @property
    def rows_at_once(self) -> int:
        """Inputs of each member that a gradient step may take at most."""
        return int(self._piece / (_WORK * self.model.weights))

    def begin(self, steps: int) -> None:
        """A fit of at most so many gradient steps, in place of one that still goes."""
        self._progress = Progress(left=steps)

    def forget(self) -> None:
        """Begin with gradient moments of 0 again, as for weights that were drawn anew."""
        self.optimiser = Adam(self.model.parameters(), self._learning_rate)

    def go_on(self, a_pass: int, step: Callable[[], tuple[torch.Tensor, float, float, int]]) -> list[float]:
        """One piece; the losses.

        Args:
            a_pass: gradient steps of a pass over the data.
            step: the loss of a minibatch, how many answers were right, of how many, and inputs of each member.
        """
        told, done = self._progress, 0.0
        losses: list[float] = []
        while told.left and (not losses or done * (1 + 1 / len(losses)) <= self._piece):
            loss, right, seen, rows = step()
            done += _WORK * rows * self.model.weights
            self.optimiser.step(self.optimiser.gradient(loss))
            losses.append(float(loss.detach()) / self.model.members)
            told.left, told.taken = told.left - 1, told.taken + 1
            told.right, told.seen = told.right + right, told.seen + seen
            if told.taken == a_pass:
                if told.right >= self._accuracy * told.seen:
                    told.left = 0
                    break
                told.taken, told.right, told.seen = 0, 0.0, 0.0
        return losses

    def state_dict(self) -> State:
        return {"optimiser": self.optimiser.state_dict(), "progress": dict(vars(self._progress))}

    def load_state_dict(self, state: State) -> None:
        self.optimiser.load_state_dict(state["optimiser"])
        self._progress = Progress(**state["progress"])
