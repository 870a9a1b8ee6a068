"""Reads a formula that a paper prints for a metric, and computes its value exactly.

A formula may hold numbers, names of metrics of one class, ``+ - * /`` and parentheses, such as
``2 * precision * recall / (precision + recall)``. Nothing in it is ever run as code.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from fmbench.metrics.registry import METRICS, find_metric

MAX_LENGTH = 200
_OPERATIONS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv
}  # fmt: skip
_CHARACTERS = re.compile(r"[A-Za-z0-9_ .+*/()-]+")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class Formula:
    """A formula that was read from ``text``; ``metrics`` are the names in it, each once."""

    text: str
    tree: ast.expr
    metrics: tuple[str, ...]

    def compute(self, values: Mapping[str, Fraction]) -> Fraction:
        """Compute the formula from the value of each of its metrics.

        Raises:
            ZeroDivisionError: it divides by zero for these values.
        """
        return self._compute(self.tree, values)

    def _compute(self, node: ast.expr, values: Mapping[str, Fraction]) -> Fraction:
        match node:
            case ast.BinOp():
                operation = _OPERATIONS[type(node.op)]
                return operation(
                    self._compute(node.left, values), self._compute(node.right, values)
                )
            case ast.Name():
                return values[find_metric(node.id).name]
            case _:
                return Fraction(self.text[node.col_offset : node.end_col_offset])


def parse_formula(text: str) -> Formula:
    """Read a formula.

    Raises:
        ValueError: it is not a formula as above; the message says what is not allowed.
    """
    text = text.strip()
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a formula has at most {MAX_LENGTH} characters, not {len(text)}")
    try:
        if not _CHARACTERS.fullmatch(text):
            raise ValueError
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of texts such as "1or 2"
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"{text!r} is not a formula; write it like 2 * precision / (precision + recall)"
        ) from None
    metrics: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            metrics[find_class_metric(node.id)] = None
        elif isinstance(node, ast.expr) and not _is_allowed(node, text):
            part = text[node.col_offset : node.end_col_offset]
            raise ValueError(f"{part!r} is not allowed; use numbers, metrics, + - * / and ( )")
    return Formula(text, tree, tuple(metrics))


def find_class_metric(text: str) -> str:
    """Find the name of a metric of one class, by its name or synonym.

    Raises:
        ValueError: there is no such metric; the message lists the names.
    """
    allowed = [name for name, metric in METRICS.items() if metric.is_per_class]
    try:
        name = find_metric(text).name
    except ValueError:
        name = ""
    if name not in allowed:
        raise ValueError(f"{text!r} is not one of: {', '.join(allowed)}")
    return name


def _is_allowed(node: ast.expr, text: str) -> bool:
    if isinstance(node, ast.BinOp):
        return type(node.op) in _OPERATIONS
    part = text[node.col_offset : node.end_col_offset]
    return isinstance(node, ast.Constant) and _NUMBER.fullmatch(part) is not None
