"""What curricula have in common that begin episodes of a form-filling world in states of their own making."""

from __future__ import annotations

import numpy as np

from rewardlab.errors import UserError
from rewardlab.facts import MATCHED
from rewardlab.schemas import CurriculumConfig
from rewardlab.types import Array, BuildContext, Metrics, Outcomes, State


class FormStarts:
    """Every training episode begins in a state that `places` makes."""

    assumes: frozenset[str] = frozenset({"state_restore"})
    metrics: tuple[str, ...] = ()

    def __init__(self, config: CurriculumConfig, context: BuildContext) -> None:
        """Raises:
        UserError: the world has no forms.
        """
        if not (context.spec.placeable and MATCHED in context.spec.privileged):
            raise UserError(
                f"curriculum={config.name or config.plugin}: changes instructions and pages, and {context.spec.id} has"
                " none; use env=formfill"
            )
        self._rng = context.numpy_rng

    def trails(self) -> None:
        return None

    def propose(self, count: int) -> tuple[Array, Array]:
        """See `PlaceCurriculum`: no beginning is told from others."""
        return np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)

    def feedback(self, ended: Outcomes) -> None:
        """Nothing is learned from how episodes end."""


class ScheduledFormStarts(FormStarts):
    """They change with the budget, whatever the agent does.

    Attributes:
        share: how much of the change is behind, linear in the budget up to 1.
    """

    def __init__(self, config: CurriculumConfig, context: BuildContext, until: float) -> None:
        """Args:
        until: the share of the budget at which `share` is 1.
        """
        super().__init__(config, context)
        self._until, self.share = until, 0.0

    def update(self, progress: float) -> Metrics:
        self.share = min(progress / self._until, 1.0)
        return {}

    def state_dict(self) -> State:
        return {"share": self.share}

    def load_state_dict(self, state: State) -> None:
        self.share = state["share"]
