"""The old name of :mod:`fmbench.models.registry`, kept for one more release for users' files."""

import warnings

from fmbench.models.registry import (
    BEST_EPOCH,
    Hyperparameter,
    Runner,
    from_source,
    our_choice,
    register,
    stated,
)

__all__ = [
    "BEST_EPOCH",
    "Hyperparameter",
    "Runner",
    "from_source",
    "our_choice",
    "register",
    "stated",
]

warnings.warn(
    "fmbench.registry is now fmbench.models.registry: write `from fmbench import register, stated, "
    "from_source, our_choice`",
    DeprecationWarning,
    stacklevel=2,
)
