"""Arithmetic on named tensors, written as text: what a config may compute without running code.

Numbers, names, `+ - * / **`, comparisons (1.0 where true), indices of the last dimension as in `agent_pos[0]`, and the
functions in `FUNCTIONS`. Anything else is refused when the text is parsed.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import reduce

import torch

FUNCTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "abs": torch.abs,
    "sqrt": torch.sqrt,
    "exp": torch.exp,
    "log": torch.log,
    "min": lambda *values: reduce(torch.minimum, values),
    "max": lambda *values: reduce(torch.maximum, values),
    "where": lambda condition, yes, no: torch.where(condition != 0, yes, no),
}
_ARITY = {"min": (2, 99), "max": (2, 99), "where": (3, 3)}
_LONGEST = 500  # characters
_OPERATORS: dict[type[ast.AST], Callable[..., torch.Tensor]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class Expression:
    """A parsed text. `names` are those that it reads, in their order, each once.

    Raises:
        ValueError: it does not parse, or holds what is not allowed; one line.
    """

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise ValueError(f"must be at most {_LONGEST} characters, not {len(text)}")
        try:
            self._root = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"{text!r} is no expression") from None
        names: list[str] = []
        _check(self._root, names)
        self.names = tuple(dict.fromkeys(names))

    def __call__(self, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """float32; names are [...] or, where indexed, [..., K]; shapes broadcast."""
        return _evaluate(self._root, values)


def _check(node: ast.AST, names: list[str]) -> None:
    """Refuse what is not allowed, and note the names that are read."""
    if isinstance(node, ast.Name):
        names.append(node.id)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        pass
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        _check(node.left, names)
        _check(node.right, names)
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        _check(node.operand, names)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _OPERATORS:
        _check(node.left, names)
        _check(node.comparators[0], names)
    elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and _index(node) is not None:
        names.append(node.value.id)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        _check_call(node, node.func.id, names)
    else:
        raise ValueError(f"{ast.unparse(node)!r} is not allowed: only numbers, names, name[0], + - * / **, < <= > >="
                         f" == !=, {', '.join(FUNCTIONS)}")  # fmt: skip


def _check_call(node: ast.Call, name: str, names: list[str]) -> None:
    if name not in FUNCTIONS:
        raise ValueError(f"no function {name} (allowed: {', '.join(FUNCTIONS)})")
    fewest, most = _ARITY.get(name, (1, 1))
    if not fewest <= len(node.args) <= most:
        raise ValueError(f"{name} takes {fewest if fewest == most else f'{fewest} or more'} values")
    for argument in node.args:
        _check(argument, names)


def _index(node: ast.Subscript) -> int | None:
    """The whole number in brackets, which may be negative, else None."""
    inner, sign = node.slice, 1
    if isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.USub):
        inner, sign = inner.operand, -1
    if isinstance(inner, ast.Constant) and type(inner.value) is int:
        return sign * inner.value
    return None


def _evaluate(node: ast.AST, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
    if isinstance(node, ast.Name):
        return values[node.id].float()
    if isinstance(node, ast.Constant):
        return torch.tensor(node.value, dtype=torch.float32)
    if isinstance(node, ast.Subscript):
        assert isinstance(node.value, ast.Name)
        index = _index(node)
        assert index is not None
        return values[node.value.id][..., index].float()
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_evaluate(node.left, values), _evaluate(node.right, values))
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_evaluate(node.operand, values))
    if isinstance(node, ast.Compare):
        left, right = _evaluate(node.left, values), _evaluate(node.comparators[0], values)
        return _OPERATORS[type(node.ops[0])](left, right).float()
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    return FUNCTIONS[node.func.id](*(_evaluate(argument, values) for argument in node.args))
