"""Loads estimators from scikit-learn-intelex, the optional extra ``fast``, if it is installed.

It computes the same models as scikit-learn, several times faster, on x86-64. A record lists its
version if it was used.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_forced_library: str | None = None  # set by `use_library`


def is_installed() -> bool:
    """Whether scikit-learn-intelex is installed."""
    return importlib.util.find_spec("sklearnex") is not None


def has_numba() -> bool:
    """Whether numba is installed, which compiles loops; the extra ``fast`` has it too."""
    return importlib.util.find_spec("numba") is not None


def load_estimator(module: str, name: str) -> Any:
    """Return class ``name`` of ``sklearn.<module>``: the accelerated one if it is installed."""
    library = _forced_library or ("sklearnex" if is_installed() else "sklearn")
    return getattr(importlib.import_module(f"{library}.{module}"), name)


@contextmanager
def use_library(library: str) -> Iterator[None]:
    """Take estimators from ``sklearn`` or from ``sklearnex`` in this block, to compare the two."""
    global _forced_library
    before, _forced_library = _forced_library, library
    try:
        yield
    finally:
        _forced_library = before
