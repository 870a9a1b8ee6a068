"""Reads JSON without changing a number, and walks through its objects.

Numbers become strings with every printed digit. The input is hostile: depth and size are bounded,
and no step recurses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fmbench.errors import UserError

MAX_DEPTH = 60
MAX_VALUES = 1_000_000
MAX_DIGITS = 40
_MAX_KEY = 100  # characters of a key that are looked at

# Keys that name no model.
_GENERIC_KEYS = re.compile(
    r"(?:classification|confusion|report|matrix|cm|results?|metrics?|evaluation|test|testing|data|"
    r"scores?|output|outputs|overall|summary|performance|validation|val|train|training|models?|"
    r"[^a-z])*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class JsonPlace:
    """One object or list, and where it stands: the keys that lead to it, and its order."""

    value: Any
    keys: tuple[str, ...]
    order: int
    parent: Any = None

    @property
    def model(self) -> str:
        """The last key that may be a model's name; empty if there is none."""
        named = [key for key in self.keys if not _GENERIC_KEYS.fullmatch(key[:_MAX_KEY])]
        return " ".join(named[-1][: 2 * _MAX_KEY].split())[:_MAX_KEY] if named else ""

    @property
    def images(self) -> str:
        """``training`` or ``validation`` if a key says so."""
        path = " ".join(self.keys).lower().replace("_", " ")
        if re.search(r"\btrain(?:ing)?\b", path):
            return "training"
        return "validation" if re.search(r"\b(?:val|valid|validation|dev)\b", path) else ""


def parse_json(text: str, name: str) -> Any:
    """Parse a JSON text; each number becomes a string.

    Raises:
        UserError: it is not valid JSON, or it is nested too deeply.
    """
    try:
        return json.loads(
            text, parse_float=_keep_digits, parse_int=_keep_digits, parse_constant=str
        )
    except RecursionError:
        raise UserError(f"{name}: the JSON is nested too deeply") from None
    except ValueError as error:
        raise UserError(f"{name}: not valid JSON: {error}") from None


def find_json(text: str, name: str) -> Any | None:
    """Parse a text that may be JSON, as :func:`parse_json` does; None if it is no JSON.

    Raises:
        UserError: it is nested too deeply.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(
            text, parse_float=_keep_digits, parse_int=_keep_digits, parse_constant=str
        )
    except RecursionError:
        raise UserError(f"{name}: the JSON is nested too deeply") from None
    except ValueError:
        return None  # such as NumPy's print


def _keep_digits(text: str) -> str:
    """Return a number without an exponent; a number that is too long stays as it is."""
    if len(text) > MAX_DIGITS or "e" not in text.lower():
        return text
    exponent = int(re.split("[eE]", text)[1])
    return format(Decimal(text), "f") if abs(exponent) <= MAX_DIGITS else text


def walk_json(content: Any) -> Iterator[JsonPlace]:
    """Yield every object and list, in the printed order, the outer ones first.

    Raises:
        UserError: too many values, or nested too deeply.
    """
    stack: list[tuple[Any, tuple[str, ...], Any]] = [(content, (), None)]
    order = n_values = 0
    while stack:
        value, keys, parent = stack.pop()
        if len(keys) > MAX_DEPTH:
            raise UserError(f"the JSON is nested more than {MAX_DEPTH} levels deep")
        if not isinstance(value, (dict, list)):
            continue
        n_values += len(value)
        if n_values > MAX_VALUES:
            raise UserError(f"the JSON has more than {MAX_VALUES:,} values: give only the results")
        yield JsonPlace(value, keys, order, parent)
        order += 1
        items = value.items() if isinstance(value, dict) else enumerate(value)
        stack += [(item, (*keys, str(key)), value) for key, item in items][::-1]


def find_strings(content: Any) -> list[str]:
    """Return the texts of several lines in a JSON content, such as a printed report."""
    texts = []
    for place in walk_json(content):
        values = place.value.values() if isinstance(place.value, dict) else place.value
        texts += [value for value in values if isinstance(value, str) and "\n" in value]
    return texts
