"""`rewardlab check reward=mine`: the contract tests on one choice, a line for each law."""

from argparse import Namespace
from collections.abc import Sequence

from rewardlab import contracts, starting
from rewardlab.config import composition
from rewardlab.contracts.result import GROUPS
from rewardlab.errors import UserError, one_line


def main(given: Namespace) -> int:
    """Check the choice that the flags name."""
    return check(given.choice, given.overrides)


def check(choice: str, overrides: Sequence[str]) -> int:
    """Print what became of each law. Returns 1 if one does not hold.

    Args:
        choice: `env=NAME`, `reward=NAME`, `agent=NAME` or `curriculum=NAME`.
        overrides: options of it.

    Raises:
        UserError: there is no such choice or option.
    """
    group, _, name = choice.partition("=")
    if group not in GROUPS or not name:
        raise UserError(f"check {choice}: name what to check, as in reward=rnd or agent=ppo")
    starting.over()
    prepared = composition.compose([choice, *overrides])
    results = contracts.check(group, name, getattr(prepared.config, group))
    width = max((len(result.law) for result in results), default=0)
    for result in results:
        line = f"  {result.law.ljust(width)}  {'passed' if result.passed else 'FAILED'}  {one_line(result.message)}"
        print(line.rstrip())
    failed = sum(not result.passed for result in results)
    print(f"{prepared.labels[group]}: {len(results)} laws, {failed} failed")
    return 1 if failed else 0
