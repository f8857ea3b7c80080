"""Replayed steps whose least causal number is that of other steps: whatever it is, they are paid the same.

Source: Cao et al. 2025, Causal information prioritization for efficient reinforcement learning (arXiv:2502.10097),
without its weights of actions, which `causal_effects` has.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.maths.causal import effects
from rewardlab.parts.buffers.causal_effects import VECTOR, CausalEffects, shows_vector
from rewardlab.parts.buffers.replay import Replay
from rewardlab.types import EnvSpec, State, TensorObs, Transitions

MODES = ("none", "least", "random")


class CausalSwap:
    """Exchanges a number of `vector`, in s and s', between the halves of minibatches.

    Args:
        mode: least: the one whose effect on the reward is the smallest; random: any, drawn for each minibatch.
        every: steps played between estimates.
        paid: the column of the buffer that tells what a step was paid.

    Attributes:
        least: which number it is; None: nothing was paid yet that differs.

    Raises:
        UserError: the environment shows no vector of two numbers at least.
    """

    def __init__(self, mode: str, every: int, paid: str, spec: EnvSpec) -> None:
        if not shows_vector(spec) or spec.obs[VECTOR].shape[0] < 2:
            raise UserError(
                f"agent.causal_swap={mode}: swaps one of several numbers, and {spec.id} shows no vector of them; none"
            )
        self._mode, self._count, self._effects = mode, spec.obs[VECTOR].shape[0], CausalEffects(every, paid)
        self.least: int | None = None

    def played(self, steps: int, replay: Replay, rng: np.random.Generator) -> None:
        """Estimate anew, where it is due."""
        drawn = None if self._mode == "random" else self._effects.sample(steps, replay, rng)
        if drawn is not None:
            found = self._effects.of(drawn, effects)
            self.least = None if found is None else int(found[: self._count].argmin())

    def swapped(self, batch: Transitions, rng: np.random.Generator) -> Transitions:
        """The same steps after the exchange, in tensors of their own."""
        number = int(rng.integers(self._count)) if self._mode == "random" else self.least
        half = len(batch.action) // 2
        if number is None or not half:
            return batch
        rows = torch.arange(len(batch.action), device=batch.action.device)
        other = torch.where(rows < half, rows + half, torch.where(rows < 2 * half, rows - half, rows))
        return replace(batch, obs=_taken(batch.obs, number, other), next_obs=_taken(batch.next_obs, number, other))

    def state_dict(self) -> State:
        return {"least": self.least, "due": self._effects.due}

    def load_state_dict(self, state: State) -> None:
        self.least, self._effects.due = state["least"], state["due"]


def _taken(obs: TensorObs, number: int, rows: torch.Tensor) -> TensorObs:
    vector = obs[VECTOR].clone()
    vector[:, number] = vector[rows, number]
    return obs | {VECTOR: vector}
