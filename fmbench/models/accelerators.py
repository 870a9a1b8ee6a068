"""Finds the libraries of the optional extra ``fast``, which make models for the CPU faster.

scikit-learn-intelex computes some of scikit-learn's models several times faster, on x86-64. numba
compiles loops of fmbench's own. A record lists their versions where they are installed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

MAX_REASON = 200  # characters of what a library says when it cannot be imported

_only_sklearn = False  # set by `use_only_sklearn`
_fallbacks: list[str] = []  # why `load_estimator` has used scikit-learn in this process


def has_intelex() -> bool:
    """Whether scikit-learn-intelex may be used.

    It may if it is installed and can be imported, and no block of :func:`use_only_sklearn` runs.
    """
    return not _only_sklearn and _is_installed("sklearnex") and find_intelex_problem() is None


@cache
def find_intelex_problem() -> str | None:
    """Say on one line why scikit-learn-intelex, which is installed, cannot be used.

    None if it can be used, or is not installed. The first call imports it.
    """
    if not _is_installed("sklearnex"):
        return None
    try:
        for module in ("daal4py", "sklearnex"):
            importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - whatever a library raises while it is loaded
        why = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_REASON]
        return (
            f"scikit-learn-intelex cannot be imported ({why}): the slower scikit-learn is used "
            "instead; install scikit-learn-intelex again, or uninstall it"
        )
    return None


def has_numba() -> bool:
    """Whether numba is installed and allowed; inside :func:`use_only_sklearn` it is not."""
    return not _only_sklearn and _is_installed("numba")


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def compile_loops(classifier: Any) -> None:
    """Compile what a fit of ``classifier`` needs: its method, or that of a step of a pipeline.

    A classifier that has no such method, ``compile_loops``, has nothing to compile.
    """
    steps = [step for _, step in getattr(classifier, "steps", ())]
    for part in (classifier, *steps):
        if hasattr(part, "compile_loops"):
            part.compile_loops()


def load_estimator(module: str, name: str) -> Any:
    """Return class ``name`` of ``sklearn.<module>``: the accelerated one if it can be used."""
    library = "sklearnex" if has_intelex() else "sklearn"
    if library == "sklearn" and not _only_sklearn and (problem := find_intelex_problem()):
        _fallbacks.append(problem)
    return getattr(importlib.import_module(f"{library}.{module}"), name)


def list_fallbacks() -> list[str]:
    """List, for a record's warnings, why this process has used scikit-learn instead."""
    return list(_fallbacks)


@contextmanager
def use_only_sklearn(only: bool = True) -> Iterator[None]:
    """If ``only``, use neither library in this block, to compare with plain scikit-learn."""
    global _only_sklearn
    before, _only_sklearn = _only_sklearn, only
    try:
        yield
    finally:
        _only_sklearn = before
