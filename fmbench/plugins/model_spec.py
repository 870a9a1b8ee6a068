"""Step 1 of 4: parses the text that a user types for a model into a :class:`ModelSpec`.

The four steps from a text to a runner::

    text -> ModelSpec (model_spec) -> PluginCode (code) -> PluginFactory (factories) -> Runner
                                                           '------ (runner_builder) -------'

A text is a name and parameters: ``lenet5``, ``./my_model.py:make_model``,
``sklearn.svm:SVC C=10 kernel=rbf``. Commands accept the texts that the tables print. A parameter's
value is TOML or JSON (``10``, ``[100, 10]``, ``true``, ``null``); anything else is a string.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any

from fmbench.errors import UserError
from fmbench.records.record import is_storable

IDENTIFIER = r"[^\W\d]\w*"
MODULE_ATTRIBUTE = re.compile(rf"{IDENTIFIER}(\.{IDENTIFIER})*:{IDENTIFIER}(\.{IDENTIFIER})*")


@dataclass(frozen=True)
class ModelSpec:
    """A model that a user names: ``target`` is a runner, ``FILE.py:NAME`` or ``module:NAME``."""

    target: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        parameters = (f"{name}={format_value(value)}" for name, value in self.parameters.items())
        return " ".join([self.target, *parameters])

    @property
    def is_code(self) -> bool:
        """Whether it names code in a file or a module, and not a runner."""
        return ":" in self.target or self.target.endswith(".py")

    @property
    def is_file(self) -> bool:
        """Whether it names code in a file."""
        return self.is_code and self.file.suffix == ".py"

    @property
    def file(self) -> Path:
        """The part before the colon, as a path."""
        return Path(self.target.rpartition(":")[0] or self.target)

    @property
    def attribute(self) -> str:
        """The part after the colon; empty without a colon."""
        return self.target.rpartition(":")[2] if ":" in self.target else ""


def parse_model_spec(text: str, parameters: Sequence[str] = ()) -> ModelSpec:
    """Parse a model with its parameters; ``parameters`` are further ones as ``name=value``.

    A file below the current folder is always written relative to that folder, so that the same
    file gives the same text.

    Raises:
        UserError: a parameter is not of the form ``name=value``, or JSON cannot hold its value.
    """
    target, *inline = re.split(rf"\s+(?={IDENTIFIER}=)", text.strip())
    spec = ModelSpec(target, dict(map(parse_parameter, [*inline, *parameters])))
    if not spec.is_file:
        return spec
    path = os.path.normpath(spec.file)
    if Path(path).is_absolute() and Path(path).is_relative_to(Path.cwd()):
        path = str(Path(path).relative_to(Path.cwd()))
    if not Path(path).is_absolute() and not path.startswith(".."):
        path = f"./{path}"
    attribute = f":{spec.attribute}" if spec.attribute else ""
    return ModelSpec(f"{path}{attribute}", spec.parameters)


def parse_parameter(text: str) -> tuple[str, Any]:
    """Parse ``name=value`` into a pair.

    Raises:
        UserError: the text has another form, or JSON cannot hold the value.
    """
    name, equals, value_text = (part.strip() for part in text.partition("="))
    if not equals or not re.fullmatch(IDENTIFIER, name):
        raise UserError(f"-p {text!r}: write it as name=value, for example -p max_iter=50")
    value = parse_value(value_text)
    if not is_storable(value):
        raise UserError(
            f"-p {name}: a record cannot hold {value_text[:60]}: use a finite number, a text, a "
            "list or a table, not too large"
        )
    return name, value


def parse_value(text: str) -> Any:
    """Parse a value from TOML or JSON; ``None`` and ``null`` give None, other text a string."""
    if text in ("None", "null"):
        return None
    with contextlib.suppress(ValueError, RecursionError):  # it is not TOML
        content = tomllib.loads(f"value = {text}")
        # With other keys, the text contained more than one value.
        if content.keys() == {"value"}:
            return text if isinstance(content["value"], date | time) else content["value"]
    with contextlib.suppress(ValueError, RecursionError):  # it is not JSON
        return json.loads(text)
    return text


def format_value(value: Any) -> str:
    """Return a text that :func:`parse_value` parses into ``value``."""
    if (
        isinstance(value, str)
        and value
        and parse_value(value) == value
        and not re.search(r"\s", value)
    ):
        return value
    # Without spaces, because a space separates two parameters.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace(" ", "\\u0020")


def is_same_kind(value: Any, example: Any) -> bool:
    """Return whether a value can replace ``example``: the same type, or both are numbers."""
    if example is None or type(value) is type(example):
        return True
    return {type(value), type(example)} <= {int, float}
