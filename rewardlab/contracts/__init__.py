"""The laws that every reward scheme, agent and curriculum obeys, in the installed package for users' own ones too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewardlab.contracts.result import LawResult


def check(group: str, name: str, config: Any) -> list[LawResult]:
    """Test one choice against the laws of its group, on made-up rollouts: no environment is needed.

    Args:
        group: reward, agent or curriculum.
        name: what the user calls the choice.
        config: its typed config, an instance of the plug-in's `Config`.

    Raises:
        UserError: the group has no laws, or the choice fits none of the made-up worlds.
    """
    from rewardlab.contracts.checking import check_choice  # torch is heavy: imported by those who check

    return check_choice(group, name, config)
