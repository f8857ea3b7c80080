"""The code in an answer."""

import re

_FENCED = re.compile(r"^```[ \t]*(?:python|py)?[ \t]*\n(.*?)(?:^```|\Z)", re.DOTALL | re.MULTILINE)


def code_in(answer: str) -> str:
    """The longest fenced block of an answer, also one that is cut off, else all of it."""
    blocks = _FENCED.findall(answer)
    found: str = max(blocks, key=len) if blocks else answer
    return found.strip() + "\n"
