"""The recipes that come with fmbench, one file a family. A new file here is found by itself."""

from __future__ import annotations

import importlib
import pkgutil

from fmbench.errors import UserError
from fmbench.models import registry
from fmbench.models.registry import Runner
from fmbench.utils.names import suggestion


def runners() -> dict[str, Runner]:
    """Every registered runner by name. Imports each file of ``fmbench/runners/`` once."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return registry.registered()


def get(name: str) -> Runner:
    """The runner called ``name``; raises UserError with the nearest names if there is none."""
    known = runners()
    if name not in known:
        raise UserError(
            f"unknown runner {name!r}{suggestion(name, known)} `fmbench list` shows all"
        )
    return known[name]
