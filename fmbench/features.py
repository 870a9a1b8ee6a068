"""The old name of :mod:`fmbench.models.features`, kept for one more release for users' files."""

import warnings

from fmbench.models.features import Flatten, Hog, standardised

__all__ = ["Flatten", "Hog", "standardised"]

warnings.warn(
    "fmbench.features is now fmbench.models.features: write `from fmbench import standardised`, "
    "or import from the new name",
    DeprecationWarning,
    stacklevel=2,
)
