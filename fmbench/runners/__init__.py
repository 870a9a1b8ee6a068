"""The recipes that come with fmbench, one file for each family of models.

A new file in this folder needs no other edit: :func:`load_runners` imports every file here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable

from fmbench.errors import UserError
from fmbench.models import registry
from fmbench.models.registry import Runner
from fmbench.utils.names import suggest_names


def load_runners() -> dict[str, Runner]:
    """Import every file of ``fmbench/runners/`` and return all registered runners by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return registry.list_runners()


def get_runner(name: str) -> Runner:
    """Return the runner called ``name``.

    Raises:
        UserError: there is no such runner; the message suggests the most similar names.
    """
    known = load_runners()
    if name not in known:
        raise UserError(describe_unknown_runner(name, known))
    return known[name]


def describe_unknown_runner(name: str, known: Iterable[str]) -> str:
    """Return the error message for a name that is not among the ``known`` ones."""
    return f"unknown runner {name!r}{suggest_names(name, known)} `fmbench list` shows all"
