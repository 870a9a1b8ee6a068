"""The optional accelerator: scikit-learn-intelex, the extra ``fast``.

It computes the same models as scikit-learn, several times faster, on x86-64. Whether it is
installed is part of every record's versions.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any


def estimator(module: str, name: str) -> Any:
    """Class ``name`` of ``sklearn.<module>``, accelerated where the extra is installed."""
    package = "sklearnex" if importlib.util.find_spec("sklearnex") else "sklearn"
    return getattr(importlib.import_module(f"{package}.{module}"), name)
