"""Whether a value read from JSON is of a declared type."""

from __future__ import annotations

import functools
import typing
from types import UnionType
from typing import Any, Literal

# Of a class, by field; worked out once, or it is half of the time that reading a folder takes.
hints = functools.cache(typing.get_type_hints)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value read from JSON is of the type that a field declares."""
    if hint is Any:
        return True
    if typing.is_typeddict(hint):
        wanted = hints(hint)
        return (
            isinstance(value, dict)
            and hint.__required_keys__ <= value.keys() <= wanted.keys()
            and all(fits(v, wanted[name]) for name, v in value.items())
        )
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return value in arguments
    if origin is UnionType:
        return any(fits(value, option) for option in arguments)
    if origin is list:
        return isinstance(value, list) and all(fits(v, arguments[0]) for v in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(v, arguments[1]) for v in value.values())
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint
