"""Whole numbers may be written as floats wherever an option takes one: `eval.every=1e6`, as `frames=2e6`.

OmegaConf 2.3 refuses every float there, and its nodes are copied and made anew all over Hydra's merging, so that no
node of our own would last. So the conversion itself is told. `1.5`, `true` and `inf` are refused as before.
"""

from __future__ import annotations

from typing import Any

from omegaconf import IntegerNode

_strict = IntegerNode._validate_and_convert_impl


def accept() -> None:
    """From here on, in this process."""
    IntegerNode._validate_and_convert_impl = _converted  # type: ignore[method-assign, assignment]


def _converted(node: IntegerNode, value: Any) -> int:
    whole = isinstance(value, float) and value.is_integer()
    return _strict(node, int(value) if whole else value)
