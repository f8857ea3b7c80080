"""What became of a law."""

from dataclasses import dataclass

GROUPS = ("env", "reward", "agent", "curriculum")  # those that have laws


class Broken(Exception):
    """A law does not hold: says what was found and what should have been."""


@dataclass(frozen=True)
class LawResult:
    """`law` is its name; `message` says what went wrong, or is empty."""

    law: str
    passed: bool
    message: str


def require(holds: bool, message: str) -> None:
    """
    Raises:
        Broken: `holds` is false.
    """
    if not holds:
        raise Broken(message)
