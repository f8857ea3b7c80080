"""Refits the weights of several streams on verified episodes: the option `refine_every` of terms and of mix.

After Kim et al. 2025, Toward evaluative thinking: meta policy optimization with evolving reward models (MPO,
arXiv:2504.20157), where a language model, the meta judge, reads what was played and writes the rubric anew. Here a
regression stands in for it (`maths/refit.py`): it changes how much each reward counts, and never what it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from rewardlab.maths.refit import refitted
from rewardlab.parts.reward_transforms import AtEnd
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout, State, StreamSpec

_EPISODES = 200  # the latest, which are learned from
_FEWEST = 20


def refine_option() -> Any:
    return option(0, "rollouts between refits of the weights on verified episodes; 0: they stay", minimum=0, neutral=0)


class Refiner:
    """Verified is whether an episode succeeded; where a task has no success, its return counts.

    Args:
        streams: those that are refitted, not the task's.
        every: rollouts between refits.
    """

    def __init__(self, streams: Sequence[StreamSpec], every: int, context: BuildContext) -> None:
        self._every, self._rollouts, self._by_return = every, 0, context.spec.task.success is None
        self._coefs = {spec.name: spec.coef for spec in streams}
        self._factors = torch.ones(len(streams))
        self._sums = [AtEnd((), context) for _ in range(len(streams) + 1)]  # the task's last
        self._rows: deque[list[float]] = deque(maxlen=_EPISODES)  # weighed sums, then the worth
        self.metrics = tuple(f"reward/{name}_factor" for name in self._coefs)

    def paid(self, streams: Mapping[str, torch.Tensor], rollout: Rollout) -> dict[str, torch.Tensor]:
        """Streams [T, N] times their factors of now; once for each rollout."""
        every = [*(coef * streams[name] for name, coef in self._coefs.items()), rollout.task_reward]
        ended = [sums.pay(each, rollout)[rollout.done] for sums, each in zip(self._sums, every, strict=True)]
        if not self._by_return:
            ended[-1] = rollout.success[rollout.done].float()
        self._rows.extend(torch.stack(ended, dim=1).tolist())
        return self.anew(streams)

    def anew(self, streams: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Any streams times their factors of now."""
        return {name: float(self._factors[i]) * streams[name] for i, name in enumerate(self._coefs)}

    def refit(self) -> Metrics:
        """Ends a rollout; the factors."""
        self._rollouts += 1
        if self._rollouts % self._every == 0 and len(self._rows) >= _FEWEST:
            rows = torch.tensor(list(self._rows), dtype=torch.float64)
            found = refitted(rows[:, :-1], rows[:, -1])
            self._factors = self._factors if found is None else found
        return dict(zip(self.metrics, self._factors.tolist(), strict=True))

    def state_dict(self) -> State:
        return {
            "rollouts": self._rollouts,
            "factors": self._factors.clone(),
            "rows": [list(row) for row in self._rows],
            "sums": [sums.state_dict() for sums in self._sums],
        }

    def load_state_dict(self, state: State) -> None:
        self._rollouts, self._factors = state["rollouts"], state["factors"].cpu().clone()
        self._rows = deque((list(row) for row in state["rows"]), maxlen=_EPISODES)
        for sums, saved in zip(self._sums, state["sums"], strict=True):
            sums.load_state_dict(saved)
