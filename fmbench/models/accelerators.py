"""Finds the libraries of the optional extra ``fast``, which make models for the CPU faster.

scikit-learn-intelex computes some of scikit-learn's models several times faster, on x86-64. numba
compiles loops of fmbench's own. A record lists their versions where they are installed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_only_sklearn = False  # set by `use_only_sklearn`


def has_intelex() -> bool:
    """Whether scikit-learn-intelex may be used.

    It may if it is installed, and no block of :func:`use_only_sklearn` runs.
    """
    return not _only_sklearn and importlib.util.find_spec("sklearnex") is not None


def has_numba() -> bool:
    """Whether numba is installed and allowed; inside :func:`use_only_sklearn` it is not."""
    return not _only_sklearn and importlib.util.find_spec("numba") is not None


def compile_loops(classifier: Any) -> None:
    """Compile what a fit of ``classifier`` needs: its method, or that of a step of a pipeline.

    A classifier that has no such method, ``compile_loops``, has nothing to compile.
    """
    steps = [step for _, step in getattr(classifier, "steps", ())]
    for part in (classifier, *steps):
        if hasattr(part, "compile_loops"):
            part.compile_loops()


def load_estimator(module: str, name: str) -> Any:
    """Return class ``name`` of ``sklearn.<module>``: the accelerated one if it is installed."""
    library = "sklearnex" if has_intelex() else "sklearn"
    return getattr(importlib.import_module(f"{library}.{module}"), name)


@contextmanager
def use_only_sklearn(only: bool = True) -> Iterator[None]:
    """If ``only``, use neither library in this block, to compare with plain scikit-learn."""
    global _only_sklearn
    before, _only_sklearn = _only_sklearn, only
    try:
        yield
    finally:
        _only_sklearn = before
