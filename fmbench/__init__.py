"""fmbench: are these reported Fashion-MNIST accuracies true?

The Python API. Each name is imported when it is first used, so that ``import fmbench`` is quick.
``fmbench/README.md`` explains the packages.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fmbench.utils.platforms import describe_problem

if TYPE_CHECKING:
    from fmbench.api.claims import check, judge
    from fmbench.api.comparison import compare
    from fmbench.api.inputs import load_suite
    from fmbench.api.results import Results, load_results
    from fmbench.api.runs import plan_run, run
    from fmbench.api.stories import forensics
    from fmbench.errors import UserError
    from fmbench.execution.session import RunOptions
    from fmbench.models.features import standardised
    from fmbench.models.registry import from_source, our_choice, register, stated

__all__ = [
    "Results",
    "RunOptions",
    "UserError",
    "__version__",
    "check",
    "compare",
    "forensics",
    "from_source",
    "judge",
    "load_results",
    "load_suite",
    "our_choice",
    "plan_run",
    "register",
    "run",
    "standardised",
    "stated",
]

_HOME = {
    "Results": "fmbench.api.results",
    "check": "fmbench.api.claims",
    "compare": "fmbench.api.comparison",
    "forensics": "fmbench.api.stories",
    "judge": "fmbench.api.claims",
    "load_results": "fmbench.api.results",
    "load_suite": "fmbench.api.inputs",
    "plan_run": "fmbench.api.runs",
    "run": "fmbench.api.runs",
    "UserError": "fmbench.errors",
    "RunOptions": "fmbench.execution.session",
    "standardised": "fmbench.models.features",
    "from_source": "fmbench.models.registry",
    "our_choice": "fmbench.models.registry",
    "register": "fmbench.models.registry",
    "stated": "fmbench.models.registry",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from fmbench.utils.environment import package_version

        return package_version()
    if name not in _HOME:
        raise AttributeError(f"module 'fmbench' has no attribute {name!r}")
    if name != "UserError" and (problem := describe_problem()):
        from fmbench.errors import UserError

        raise UserError(problem)
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
