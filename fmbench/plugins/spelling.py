"""How a person writes a model: a name or a place of code, and parameters.

``lenet5``, ``./my_model.py:make_model``, ``sklearn.svm:SVC C=10 kernel=rbf``: what every verb
accepts is what the tables print. A value is TOML or JSON (``10``, ``[100, 10]``, ``true``,
``null``); whatever is neither is a word.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any

from fmbench.errors import UserError

IDENTIFIER = r"[^\W\d]\w*"
DOTTED = re.compile(rf"{IDENTIFIER}(\.{IDENTIFIER})*:{IDENTIFIER}(\.{IDENTIFIER})*")


@dataclass(frozen=True)
class Spelling:
    """``target`` is a runner's name, ``FILE.py:NAME`` or ``module.name:NAME``."""

    target: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.target, *(f"{k}={written(v)}" for k, v in self.parameters.items())])

    @property
    def is_code(self) -> bool:
        """Whether it names a place of code, and not a runner that is known by its name."""
        return ":" in self.target or self.target.endswith(".py")

    @property
    def is_file(self) -> bool:
        """Whether that place is a file."""
        return self.is_code and self.file.suffix == ".py"

    @property
    def file(self) -> Path:
        """What stands before the colon, as a path."""
        return Path(self.target.rpartition(":")[0] or self.target)

    @property
    def attribute(self) -> str:
        """What stands behind the colon."""
        return self.target.rpartition(":")[2] if ":" in self.target else ""


def parse(text: str, parameters: Sequence[str] = ()) -> Spelling:
    """A spelling with its parameters, and further ones as ``name=value``.

    The same file is spelled in the same way wherever it is named from: relative to the current
    folder if it is in it.

    Raises:
        UserError: a parameter is not of the form ``name=value``, or its value is no JSON.
    """
    target, *inline = re.split(rf"\s+(?={IDENTIFIER}=)", text.strip())
    spelling = Spelling(target, dict(map(parameter, [*inline, *parameters])))
    if not spelling.is_file:
        return spelling
    path = os.path.normpath(spelling.file)
    if Path(path).is_absolute() and Path(path).is_relative_to(Path.cwd()):
        path = str(Path(path).relative_to(Path.cwd()))
    if not Path(path).is_absolute() and not path.startswith(".."):
        path = f"./{path}"
    behind = f":{spelling.attribute}" if spelling.attribute else ""
    return Spelling(f"{path}{behind}", spelling.parameters)


def parameter(text: str) -> tuple[str, Any]:
    """``name=value`` as a pair; raises UserError if it is anything else."""
    name, equals, words = (part.strip() for part in text.partition("="))
    if not equals or not re.fullmatch(IDENTIFIER, name):
        raise UserError(f"-p {text!r}: write it as name=value, for example -p max_iter=50")
    value = read(words)
    if not is_json(value):
        raise UserError(f"-p {name}: {words} is no finite number, word, list or table")
    return name, value


def read(text: str) -> Any:
    """The value that a text stands for; ``None`` and ``null`` are Python's None."""
    if text in ("None", "null"):
        return None
    with contextlib.suppress(ValueError, RecursionError):
        content = tomllib.loads(f"value = {text}")
        if content.keys() == {"value"}:  # more than one key was more than a value
            return text if isinstance(content["value"], date | time) else content["value"]
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    return text


def is_json(value: Any) -> bool:
    """Whether a record can hold a value: no date, no infinity, nothing but JSON's types."""
    if isinstance(value, dict):
        return all(type(name) is str and is_json(v) for name, v in value.items())
    if isinstance(value, list):
        return all(map(is_json, value))
    return value is None or (
        type(value) in (bool, int, float, str)
        and not (isinstance(value, float) and not math.isfinite(value))
    )


def alike(value: Any, other: Any) -> bool:
    """Whether a value can stand for another: of the same type, or both numbers."""
    if other is None or type(value) is type(other):
        return True
    return {type(value), type(other)} <= {int, float}


def written(value: Any) -> str:
    """The text that :func:`read` makes ``value`` of."""
    if isinstance(value, str) and value and read(value) == value and not re.search(r"\s", value):
        return value
    # No space: the next word is the next parameter.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace(" ", "\\u0020")
