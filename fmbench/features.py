"""The old name of :mod:`fmbench.models.features`; it works until the next release."""

import warnings

from fmbench.models.features import Flatten, standardised

__all__ = ["Flatten", "standardised"]

warnings.warn(
    "fmbench.features is now fmbench.models.features; `from fmbench import standardised` works too",
    DeprecationWarning,
    stacklevel=2,
)
