"""The optional accelerator: scikit-learn-intelex, the extra ``fast``.

It computes the same models as scikit-learn, several times faster, on x86-64. Whether it was used
is recorded: it is among every record's versions.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_library: str | None = None  # forced by `use`


def installed() -> bool:
    """Whether the extra ``fast`` is there."""
    return importlib.util.find_spec("sklearnex") is not None


def estimator(module: str, name: str) -> Any:
    """Class ``name`` of ``sklearn.<module>``, accelerated where the extra is installed."""
    library = _library or ("sklearnex" if installed() else "sklearn")
    return getattr(importlib.import_module(f"{library}.{module}"), name)


@contextmanager
def use(library: str) -> Iterator[None]:
    """Take estimators from ``sklearn`` or ``sklearnex`` in this block, to compare the two."""
    global _library
    before, _library = _library, library
    try:
        yield
    finally:
        _library = before
