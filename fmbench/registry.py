"""The old name of :mod:`fmbench.models.registry`; it works until the next release."""

import warnings

from fmbench.models.registry import from_source, our_choice, register, stated

__all__ = ["from_source", "our_choice", "register", "stated"]

warnings.warn(
    "fmbench.registry is now fmbench: write `from fmbench import register, our_choice`",
    DeprecationWarning,
    stacklevel=2,
)
