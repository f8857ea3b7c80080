"""What conditioners have in common: the defaults of what only some of them can do."""

from __future__ import annotations

from rewardlab.types import Array, AuxLoss, Obs


class BaseConditioner:
    """Its goals last until they are reached or the episode ends, and what it reads are full-state facts.

    Attributes:
        reads: entries of the world's observation that it reads besides; it finds them among the facts, each by its name
            behind `facts.SEEN`.
        patience: after so many steps a goal is given up; None: never.
        ends_values: whether what follows the end of a goal is another task: the agent then learns that nothing follows
            where a goal was reached or is past reaching, and does not see what follows where it was given up.
    """

    reads: tuple[str, ...] = ()
    patience: int | None = None
    ends_values: bool = False

    def past(self, goal: Obs, start: Obs, facts: Obs) -> Array | None:
        """bool [B]: whether goals set in `start` can't be reached any more in `facts`; None: no goal ever is."""
        return None

    def aux_losses(self) -> tuple[AuxLoss, ...]:
        """Terms that it hands to the agent, as a scheme may."""
        return ()
