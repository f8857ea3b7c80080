"""The laws that every environment, scheme, agent and curriculum obeys; in the package, for users' own ones too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewardlab.contracts.result import LawResult


def check(group: str, name: str, config: Any) -> list[LawResult]:
    """Test one choice against the laws of its group; but for environments on made-up rollouts, without any.

    Args:
        group: env, reward, agent or curriculum.
        name: what the user calls the choice.
        config: its typed config, an instance of the plug-in's `Config`.

    Raises:
        UserError: the group has no laws, the choice fits none of the made-up worlds, or the environment can't be made.
    """
    from rewardlab.contracts.checking import check_choice  # torch is heavy: imported by those who check

    return check_choice(group, name, config)
