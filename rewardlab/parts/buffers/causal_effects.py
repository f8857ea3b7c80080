"""What the numbers of `vector`, and continuous actions, do to what a step is paid: estimated again and again on replay.

Cao et al. 2025, Causal information prioritization for efficient reinforcement learning (arXiv:2502.10097), estimates
this with DirectLiNGAM; here see `maths.causal`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.maths.causal import action_weights, sparse_effects
from rewardlab.parts.buffers.replay import Replay
from rewardlab.types import EnvSpec, State, Transitions

VECTOR = "vector"
_SAMPLES = 10_000
_FEWEST = 50  # steps that are paid unlike most, before actions are told apart

Estimator = Callable[[torch.Tensor, torch.Tensor], torch.Tensor | None]


class CausalEffects:
    """Says when an estimate is due, and makes it.

    Args:
        every: steps played between estimates.
        paid: the column of the buffer that tells what a step was paid.

    Attributes:
        due: steps played until the next estimate.
    """

    def __init__(self, every: int, paid: str) -> None:
        self._every, self._paid = every, paid
        self.due = 0

    def sample(self, steps: int, replay: Replay, rng: np.random.Generator) -> Transitions | None:
        """What the next estimate is made on; None: it is not due."""
        self.due -= steps
        if self.due > 0:
            return None
        self.due = self._every
        return replay.sample(min(_SAMPLES, len(replay)), rng)[0]

    def paid(self, drawn: Transitions) -> torch.Tensor:
        return drawn.extra[self._paid].cpu()

    def of(self, drawn: Transitions, estimator: Estimator) -> torch.Tensor | None:
        """The effects of the numbers of `vector`, then of continuous actions."""
        inputs = drawn.obs[VECTOR]
        if drawn.action.is_floating_point():  # numbers of discrete actions are names
            inputs = torch.cat([inputs, drawn.action.flatten(1)], dim=1)
        return estimator(inputs.cpu(), self.paid(drawn))


class CausalActions:
    """How much each action counts in the policy's entropy.

    Args: as of `CausalEffects`.

    Attributes:
        weights: float32 [A], of mean 1; ones until 50 of the steps that are drawn were paid unlike most.

    Raises:
        UserError: there are not two continuous actions at least, or the environment shows no vector.
    """

    def __init__(self, every: int, paid: str, spec: EnvSpec) -> None:
        if spec.action.discrete or int(np.prod(spec.action.shape)) < 2:
            raise UserError(
                f"agent.causal_actions=true: weighs one continuous action against others, and {spec.id} has"
                f" {'discrete ones' if spec.action.discrete else 'one'}; false"
            )
        if not shows_vector(spec):
            raise UserError(f"agent.causal_actions=true: reads vector, which {spec.id} does not show; false")
        self._effects = CausalEffects(every, paid)
        self.weights = torch.ones(int(np.prod(spec.action.shape)))

    def played(self, steps: int, replay: Replay, rng: np.random.Generator) -> None:
        """Estimate anew, where it is due."""
        drawn = self._effects.sample(steps, replay, rng)
        if drawn is None:
            return
        paid = self._effects.paid(drawn)
        if int((paid != paid.mode().values).sum()) < _FEWEST:
            return
        found = self._effects.of(drawn, sparse_effects)
        if found is not None:
            self.weights = action_weights(found[-len(self.weights) :])

    def state_dict(self) -> State:
        return {"weights": self.weights.clone(), "due": self._effects.due}

    def load_state_dict(self, state: State) -> None:
        self.weights, self._effects.due = state["weights"].clone(), state["due"]


def shows_vector(spec: EnvSpec) -> bool:
    entry = spec.obs.get(VECTOR)
    return entry is not None and entry.dtype == "float32" and len(entry.shape) == 1
