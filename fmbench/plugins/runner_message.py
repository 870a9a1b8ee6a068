"""Turns a plug-in's code and runner into a message that JSON can hold, and back.

The process that runs a user's code sends the runner to the process of the command. A runner of a
plug-in is data: its factory only says which code to call with which arguments.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

from fmbench.errors import UserError
from fmbench.models.registry import Runner
from fmbench.plugins.code import PluginCode
from fmbench.plugins.factories import (
    EstimatorFactory,
    FunctionFactory,
    NetworkFactory,
    PluginFactory,
)
from fmbench.records.record import is_storable

FACTORIES: dict[str, Any] = {
    kind.__name__: kind for kind in (FunctionFactory, EstimatorFactory, NetworkFactory)
}
FIELDS = [field.name for field in dataclasses.fields(Runner) if field.name != "factory"]
TUPLE = "tuple"  # JSON has no tuples, so a tuple is written as {"tuple": [...]}
DICT = "dict"  # and a dictionary as {"dict": {...}}


def pack_code(code: PluginCode) -> dict[str, Any]:
    """Return the code as a message; each byte of its text is one character."""
    text = None if code.text is None else code.text.decode("latin-1")
    return dataclasses.asdict(code) | {"text": text}


def unpack_code(message: Mapping[str, Any]) -> PluginCode:
    """Return the code that :func:`pack_code` has packed."""
    text = message["text"]
    return PluginCode(**{**message, "text": None if text is None else text.encode("latin-1")})


def pack_runner(runner: Runner) -> dict[str, Any]:
    """Return a plug-in's runner as a message, without its code.

    Raises:
        UserError: the value of a hyperparameter is of a type that a record cannot hold.
    """
    assert isinstance(runner.factory, PluginFactory)
    factory = {
        field.name: getattr(runner.factory, field.name)
        for field in dataclasses.fields(runner.factory)
        if field.name != "code"
    }
    fields = {name: getattr(runner, name) for name in FIELDS}
    fields["hyperparameters"] = {
        name: dataclasses.asdict(dataclasses.replace(h, value=_pack_value(h.value, name)))
        for name, h in runner.hyperparameters.items()
    }
    fields["quick"] = {name: _pack_value(value, name) for name, value in runner.quick.items()}
    fields["readings"] = {
        question: [{n: _pack_value(v, n) for n, v in answer.items()} for answer in answers]
        for question, answers in runner.readings.items()
    }
    return {"kind": type(runner.factory).__name__, "factory": factory, "fields": fields}


def unpack_runner(message: Any, code: PluginCode) -> Runner:
    """Return the runner that :func:`pack_runner` has packed; its factory calls ``code``.

    Raises:
        UserError: a field has a value of the wrong type.
    """
    import msgspec

    try:
        fields = msgspec.convert(message["fields"], _make_fields_type())
        values = {name: getattr(fields, name) for name in FIELDS}
        factory = msgspec.convert(
            {
                **message["factory"],
                "code": {"location": "", "attribute": "", "source": "", "name": ""},
            },
            FACTORIES[message["kind"]],
        )
        values["hyperparameters"] = {
            name: dataclasses.replace(h, value=_unpack_value(h.value))
            for name, h in fields.hyperparameters.items()
        }
        values["quick"] = {name: _unpack_value(value) for name, value in fields.quick.items()}
        values["readings"] = {
            question: tuple({n: _unpack_value(v) for n, v in answer.items()} for answer in answers)
            for question, answers in fields.readings.items()
        }
        return Runner(factory=dataclasses.replace(factory, code=code), **values)
    # msgspec's error is a ValueError.
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise UserError(f"{code} states something that no runner can have: {error}") from None


@cache
def _make_fields_type() -> Any:
    """Return the type of a runner's fields without the factory, with the types that they have."""
    import msgspec

    types = typing.get_type_hints(Runner)
    return msgspec.defstruct("RunnerFields", [(name, types[name]) for name in FIELDS])


def _pack_value(value: Any, name: str) -> Any:
    """Return a hyperparameter's value in JSON's types, with tuples and dictionaries marked."""
    plain = _use_plain_types(value)
    if not is_storable(_make_lists(plain)):
        raise UserError(
            f"a record cannot hold the value of the hyperparameter {name}, {str(value)[:100]}: use "
            "a finite number, a text, a list or a dictionary, not too large"
        )
    return _mark(plain)


def _use_plain_types(value: Any) -> Any:
    """Return a value with Python's own types: NumPy's float64, for example, is a float."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, list | tuple):
        items = map(_use_plain_types, value)
        return list(items) if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {key: _use_plain_types(item) for key, item in value.items()}
    return value


def _make_lists(value: Any) -> Any:
    """Return a value as JSON holds it: a tuple is a list."""
    if isinstance(value, list | tuple):
        return list(map(_make_lists, value))
    if isinstance(value, dict):
        return {key: _make_lists(item) for key, item in value.items()}
    return value


def _mark(value: Any) -> Any:
    if isinstance(value, list):
        return list(map(_mark, value))
    if isinstance(value, tuple):
        return {TUPLE: list(map(_mark, value))}
    if isinstance(value, dict):
        return {DICT: {key: _mark(item) for key, item in value.items()}}
    return value


def _unpack_value(packed: Any) -> Any:
    if isinstance(packed, list):
        return [_unpack_value(item) for item in packed]
    if isinstance(packed, dict):
        [(kind, content)] = packed.items()
        if kind == TUPLE:
            return tuple(_unpack_value(item) for item in content)
        return {key: _unpack_value(item) for key, item in content.items()}
    return packed
