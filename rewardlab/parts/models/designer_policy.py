"""A teacher that draws levels, learning by PPO from what each level was worth.

Dennis et al. 2020, Emergent complexity and zero-shot transfer via unsupervised environment design (PAIRED); network and
constants of facebookresearch/dcd (Jiang et al. 2021, Replay-guided adversarial environment design), whose gru is an
LSTM and whose convolution has 128 filters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from rewardlab.errors import Diverged
from rewardlab.maths import distributions
from rewardlab.maths.gae import gae, normalised
from rewardlab.maths.losses import clipped_policy_loss, value_loss
from rewardlab.networks.adam import Adam, clip_norm
from rewardlab.networks.init import mlp, seeded_conv2d, seeded_linear
from rewardlab.networks.memory import Memory
from rewardlab.parts.state import load_state, state_of
from rewardlab.types import Array, Metrics, State

NOISE = 50  # numbers from U(0, 1) beside what is seen, drawn anew for each turn
_KERNEL, _CLOCK, _HIDDEN = 3, 10, 32
_GAMMA, _LAMBDA, _CLIP, _MAX_GRAD_NORM, _ADAM_EPS = 0.995, 0.95, 0.2, 0.5, 1e-5
_VALUE_COEF = 0.25  # 0.5 of half the squared error
_STD_FLOOR = 1e-5


class Canvas(Protocol):
    """What N levels are drawn on, an action of each in every turn.

    Attributes:
        most: turns of the longest drawing. cells: what an action is below.
        shape: height, width and channels of what is seen.
        open: which still take actions, bool [N]; one that does not never will.
    """

    most: int
    cells: int
    shape: tuple[int, int, int]

    @property
    def open(self) -> Array: ...

    def seen(self) -> Array:
        """uint8 [N, *shape]."""

    def act(self, cell: Array) -> None:
        """A turn of all that are open; cell: int64 [N]."""


@dataclass(frozen=True)
class Drawn:
    """The turns of N drawings, [T, N, ...]; what stands after a drawing's last turn means nothing.

    seen: uint8 [T, N, *shape]. noise: [T, N, NOISE]. action: int64 [T, N]. log_prob, values: [T, N].
    open: bool [T, N], the turns that were taken. last: bool [T, N], the last one of each.
    """

    seen: torch.Tensor
    noise: torch.Tensor
    action: torch.Tensor
    log_prob: torch.Tensor
    values: torch.Tensor
    open: torch.Tensor
    last: torch.Tensor


class DesignerPolicy:
    """It sees the level so far, the number of the turn and noise.

    Args:
        most, cells, shape: those of each canvas.
        filters: of the convolution.
        memory_size: width of a gru over the turns; 0: none.
    """

    metrics: tuple[str, ...] = ("loss/teacher_entropy", "loss/teacher_value")

    def __init__(
        self,
        most: int,
        cells: int,
        shape: tuple[int, int, int],
        generator: torch.Generator,
        *,
        filters: int = 32,
        memory_size: int = 0,
        learning_rate: float = 1e-4,
        epochs: int = 5,
        entropy_coef: float = 0.0,
    ) -> None:
        self._epochs, self._entropy_coef = epochs, entropy_coef
        self._network = _Network(most, cells, shape, filters, memory_size, generator)
        self._optimiser = Adam(self._network.parameters(), learning_rate, _ADAM_EPS)
        self._drawn: Drawn | None = None

    @torch.no_grad()
    def draw(self, canvas: Canvas, rng: torch.Generator) -> None:
        """Take all turns on a canvas, and keep them until `update`."""
        state: torch.Tensor | None = None
        turns: list[tuple[torch.Tensor, ...]] = []
        while (is_open := canvas.open).any():
            seen = torch.from_numpy(canvas.seen())[None]
            noise = torch.rand(1, len(is_open), NOISE, generator=rng)
            logits, values, state = self._network(seen, noise, len(turns), state)
            action = distributions.sample({"logits": logits[0]}, rng)
            log_prob = distributions.log_prob({"logits": logits[0]}, action)
            canvas.act(action.numpy())
            taken, after = torch.from_numpy(is_open), torch.from_numpy(canvas.open)
            turns.append((seen[0], noise[0], action, log_prob, values[0], taken, taken & ~after))
        self._drawn = Drawn(*(torch.stack(column) for column in zip(*turns, strict=True)))

    def update(self, rewards: Array) -> Metrics:
        """Learn from what the levels that were drawn last were worth: the pay for the last turn of each, once.

        Args:
            rewards: float [N].

        Raises:
            Diverged: the loss is not finite; the weights are as before.
        """
        drawn, self._drawn = self._drawn, None
        assert drawn is not None, "nothing was drawn since the last update"
        advantages = turn_advantages(torch.from_numpy(rewards).float(), drawn)
        taken = drawn.open
        returns, advantage = (advantages + drawn.values)[taken], normalised(advantages[taken], _STD_FLOOR)
        told = []
        for _ in range(self._epochs):
            logits, values, _ = self._network(drawn.seen, drawn.noise, 0, None)
            log_prob, entropies = distributions.log_prob_and_entropy({"logits": logits[taken]}, drawn.action[taken])
            ratio = (log_prob - drawn.log_prob[taken]).exp()
            policy, entropy = clipped_policy_loss(ratio, advantage, _CLIP), entropies.mean()
            value = value_loss(values[taken][:, None], returns[:, None], drawn.values[taken][:, None], _CLIP)
            loss = policy + _VALUE_COEF * value - self._entropy_coef * entropy
            if not math.isfinite(float(loss.detach())):
                raise Diverged(f"the teacher's loss is {float(loss.detach()):g}")
            gradient = self._optimiser.gradient(loss)
            clip_norm(gradient, _MAX_GRAD_NORM)
            self._optimiser.step(gradient)
            told.append((float(entropy.detach()), float(value.detach())))
        return dict(zip(self.metrics, torch.tensor(told).mean(dim=0).tolist(), strict=True))

    def state_dict(self) -> State:
        """Without what was drawn: a level is drawn, played and learned from within one iteration."""
        return state_of(self._pieces())

    def load_state_dict(self, state: State) -> None:
        load_state(self._pieces(), state)

    def _pieces(self) -> dict[str, nn.Module | Adam]:
        return {"network": self._network, "optimiser": self._optimiser}


def turn_advantages(rewards: torch.Tensor, drawn: Drawn) -> torch.Tensor:
    """Generalised advantages of the turns, [T, N], the level's reward [N] being paid for its last one."""
    paid = torch.where(drawn.last, rewards, 0.0)
    values = torch.cat([drawn.values, torch.zeros_like(drawn.values[:1])])
    cut = torch.zeros_like(drawn.last)
    return gae(paid, values, torch.zeros_like(paid), drawn.last, cut, gamma=_GAMMA, gae_lambda=_LAMBDA)


class _Network(nn.Module):
    """seen uint8 [T, N, H, W, C] and noise [T, N, NOISE] of turns from `turn` on -> logits [T, N, cells], values
    [T, N], and the gru's state after them.
    """

    def __init__(
        self,
        most: int,
        cells: int,
        shape: tuple[int, int, int],
        filters: int,
        memory_size: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        height, width, channels = shape
        self.convolution = seeded_conv2d(channels, filters, _KERNEL, generator)
        self.clock = seeded_linear(most, _CLOCK, generator, gain=1.0)
        read = (height - _KERNEL + 1) * (width - _KERNEL + 1) * filters + _CLOCK + NOISE
        self.memory = Memory(read, memory_size, generator) if memory_size else None
        read = memory_size or read
        widths = (read, _HIDDEN, _HIDDEN)
        self.actor = mlp((*widths, cells), generator, activation="tanh", last_gain=0.01)
        self.critic = mlp((*widths, 1), generator, activation="tanh")

    def forward(
        self, seen: torch.Tensor, noise: torch.Tensor, turn: int, state: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        turns, count = seen.shape[:2]
        picture = torch.relu(self.convolution(seen.flatten(0, 1).permute(0, 3, 1, 2).float())).reshape(turns, count, -1)
        times = functional.one_hot(torch.arange(turn, turn + turns), self.clock.in_features).float()
        time = self.clock(times)[:, None].expand(-1, count, -1)
        read = torch.cat([picture, time, noise], dim=-1)
        if self.memory is not None:
            state = noise.new_zeros(count, self.memory.size) if state is None else state
            begins = torch.zeros(turns, count, dtype=torch.bool)
            read, state = self.memory(read, state, begins)
        return self.actor(read), self.critic(read)[..., 0], state
