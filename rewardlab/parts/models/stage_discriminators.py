"""For each stage of a task, a network that tells states on the way beyond it from states that lead no further.

Paper: Mu et al. 2024, DrS: learning reusable dense rewards for multi-stage tasks (arXiv:2404.16779)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from rewardlab.maths.adversarial import told_apart
from rewardlab.networks.adam import Adam
from rewardlab.networks.flat import can_onehot, encode_flat
from rewardlab.networks.picture import flat_network
from rewardlab.parts.buffers.replay import Replay
from rewardlab.types import BuildContext, State, TensorObs, Transitions

ENOUGH, WINDOW = 0.95, 100  # the share of the latest episodes that get beyond a stage at which its network is done


class StageDiscriminators:
    """Networks 0 to `stages` - 1, and the states of episodes by the best stage that these reached, 0 to `stages`.

    Args:
        stages: how many there are before success, which is the last.
        hidden: width of the networks' one layer.
        memory: steps that are kept for each stage.

    Attributes:
        trained: whether each has learned at all. done: whether each is left as it is.
    """

    def __init__(self, context: BuildContext, stages: int, hidden: int, learning_rate: float, memory: int) -> None:
        self._context, self._obs = context, context.spec.obs
        self._onehot = can_onehot(self._obs)
        self.judges = nn.ModuleList(
            flat_network(self._obs, (hidden, 1), context.generator, onehot=self._onehot, activation="tanh")
            for _ in range(stages)
        ).to(context.device)
        self._optimisers = [Adam(judge.parameters(), learning_rate) for judge in self.judges]
        self._kept = [Replay(memory, context.device) for _ in range(stages + 1)]
        self._best: deque[int] = deque(maxlen=WINDOW)  # the best stages of the latest episodes
        self.trained, self.done = [False] * stages, [False] * stages

    @property
    def counts(self) -> list[int]:
        """How many steps there are of episodes that reached each stage and none beyond, [stages + 1]."""
        return [len(kept) for kept in self._kept]

    def keep(self, obs: TensorObs, stage: torch.Tensor) -> None:
        """Take an episode in, cut after the last step in its best stage: what comes later lost that stage.

        Args:
            obs: what its steps led to, each entry [L, ...]. stage: int64 [L], the stages of these.
        """
        best = int(stage.max())
        end = int((stage == best).nonzero()[-1]) + 1
        self._kept[best].add(Transitions({name: entry[:end] for name, entry in obs.items()}, stage[:end]))

    def count(self, best: int) -> None:
        """Note the best stage of an episode that was played; once enough got beyond a stage, its network is done."""
        self._best.append(best)
        if len(self._best) == WINDOW:
            for k in range(len(self.done)):
                self.done[k] = self.done[k] or sum(each > k for each in self._best) > ENOUGH * WINDOW

    def learn(self, updates: int, batch_size: int) -> float | None:
        """Gradient steps of every network that is not done and has states on both sides; their mean loss."""
        losses: list[torch.Tensor] = []
        for k, (judge, optimiser) in enumerate(zip(self.judges, self._optimisers, strict=True)):
            no_further, beyond = self._kept[: k + 1], self._kept[k + 1 :]
            if self.done[k] or not any(map(len, no_further)) or not any(map(len, beyond)):
                continue
            self.trained[k] = True
            for _ in range(updates):
                inputs = torch.cat([self._drawn(beyond, batch_size), self._drawn(no_further, batch_size)])
                loss = told_apart(*judge(inputs).squeeze(-1).chunk(2))
                optimiser.step(optimiser.gradient(loss))
                losses.append(loss.detach())
        return float(torch.stack(losses).mean()) if losses else None

    def told(self, obs: TensorObs) -> torch.Tensor:
        """The networks' logits, float32 [B, stages + 1]; 0 where one has not learned, and at success."""
        inputs = encode_flat(obs, self._obs, onehot=self._onehot)
        nothing = inputs.new_zeros(len(inputs))
        logits = [
            judge(inputs).squeeze(-1) if trained else nothing
            for judge, trained in zip(self.judges, self.trained, strict=True)
        ]
        return torch.stack([*logits, nothing], dim=-1)

    def state_dict(self) -> State:
        return {
            "judges": self.judges.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "kept": [kept.state_dict() for kept in self._kept],
            "best": list(self._best),
            "trained": list(self.trained),
            "done": list(self.done),
        }

    def load_state_dict(self, state: State) -> None:
        self.load_judges(state)
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        for kept, saved in zip(self._kept, state["kept"], strict=True):
            kept.load_state_dict(saved)
        self._best = deque(state["best"], maxlen=WINDOW)
        self.done = list(state["done"])

    def load_judges(self, state: State) -> None:
        """The networks alone.

        Raises:
            KeyError, RuntimeError: they are of other stages, observations or widths.
        """
        self.judges.load_state_dict(state["judges"])
        self.trained = list(state["trained"])

    def _drawn(self, kept: Sequence[Replay], count: int) -> torch.Tensor:
        """Inputs [count, D] of steps drawn alike from several memories."""
        sizes = np.array([len(each) for each in kept])
        shares = self._context.numpy_rng.multinomial(count, sizes / sizes.sum())
        drawn = [
            each.sample(share, self._context.numpy_rng)[0].obs
            for each, share in zip(kept, shares, strict=True)
            if share
        ]
        obs = {name: torch.cat([steps[name] for steps in drawn]) for name in self._obs}
        return encode_flat(obs, self._obs, onehot=self._onehot)
