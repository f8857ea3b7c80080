"""`rewardlab check reward=mine`: the contract tests on one choice, a line for each law."""

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rewardlab import contracts, starting
from rewardlab.config import composition
from rewardlab.contracts.result import GROUPS
from rewardlab.errors import UserError, one_line
from rewardlab.schemas import RootConfig

if TYPE_CHECKING:
    from rewardlab.contracts.telling_apart import ToldApart


def main(given: Namespace) -> int:
    """Check the choice that the flags name."""
    return check(given.choice, given.overrides)


def check(choice: str, overrides: Sequence[str]) -> int:
    """Print what became of each law, and what the keys of counts tell apart. Returns 1 if one does not hold.

    Args:
        choice: `env=NAME`, `reward=NAME`, `agent=NAME` or `curriculum=NAME`.
        overrides: options of it.

    Raises:
        UserError: there is no such choice or option, or a scheme and an environment were named that do not fit.
    """
    group, _, name = choice.partition("=")
    if group not in GROUPS or not name:
        raise UserError(f"check {choice}: name what to check, as in reward=rnd or agent=ppo")
    starting.over()
    prepared = composition.compose([choice, *overrides])
    counted = _told_apart(choice, overrides, prepared.config)
    results = contracts.check(group, name, getattr(prepared.config, group))
    width = max((len(result.law) for result in results), default=0)
    for result in results:
        line = f"  {result.law.ljust(width)}  {'passed' if result.passed else 'FAILED'}  {one_line(result.message)}"
        print(line.rstrip())
    for found in counted:
        print(f"  {found.line}")
    failed = sum(not result.passed for result in results)
    print(f"{prepared.labels[group]}: {len(results)} laws, {failed} failed")
    return 1 if failed else 0


def _told_apart(choice: str, overrides: Sequence[str], config: RootConfig) -> "list[ToldApart]":
    """How many states random play has for what counts them, where a scheme and an environment for it were named."""
    named = {given.partition("=")[0].lstrip("+").partition(".")[0] for given in (choice, *overrides)}
    if not named >= {"env", "reward"}:
        return []
    from rewardlab.contracts.telling_apart import told_apart  # torch is heavy: imported by those who check

    return told_apart(config)
