"""Refuses values of hyperparameters that a model cannot have, and says which it can have.

The networks of fmbench look up some values by their names. Estimators of scikit-learn know what
they take; scikit-learn itself looks only when they are fitted.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any

from fmbench.errors import UserError
from fmbench.models.registry import Runner

# By the name of a hyperparameter, the module and the table in it that holds what it can be.
TABLES = {
    "optimizer": ("fmbench.models.nn.optimizers", "OPTIMIZERS"),
    "activation": ("fmbench.models.nn.layers", "ACTIVATIONS"),
    "pooling": ("fmbench.models.nn.layers", "POOLING"),
    "scaling": ("fmbench.models.nn.layers", "SCALINGS"),
    "loss": ("fmbench.models.nn.losses", "LOSSES"),
}


def check_parameter_values(runner: Runner, parameters: Mapping[str, Any]) -> None:
    """Check the values that replace those of one of fmbench's own recipes.

    Raises:
        UserError: the model cannot have one of them; the message lists what it can have.
    """
    if not runner.uses_gpu:
        classifier = runner.build(runner.resolve(parameters), seed=0, device="cpu")
        check_estimator_parameters(classifier, runner.requested_as or runner.name)
        return
    for name in TABLES.keys() & parameters.keys():
        module, table = TABLES[name]
        allowed = list(getattr(importlib.import_module(module), table))
        for value in _list_values(parameters[name]):
            if value not in allowed:
                raise UserError(
                    f"{runner.name}: {name} must be one of {', '.join(allowed)}, not {value!r}"
                )


def _list_values(value: Any) -> list[Any]:
    """Return the values among which a search chooses, or the only one."""
    return value if isinstance(value, list) else [value]


def check_estimator_parameters(classifier: Any, name: str) -> None:
    """Check the parameters of a scikit-learn estimator and of those inside it.

    ``name`` is what the message calls the estimator. Other classifiers are not checked.

    Raises:
        UserError: an estimator does not take a value; the message lists what it takes.
    """
    from sklearn.utils._param_validation import InvalidParameterError

    parts = classifier.get_params().values() if hasattr(classifier, "get_params") else ()
    for estimator in (classifier, *parts):
        if hasattr(estimator, "_parameter_constraints") and not isinstance(estimator, type):
            try:
                estimator._validate_params()
            except InvalidParameterError as error:
                message = re.sub(r"\{([^{}]*)\}", _sort_names, " ".join(str(error).split()))
                raise UserError(f"{name}: {message}") from None


def _sort_names(match: re.Match[str]) -> str:
    """Sort a printed set, whose order differs from run to run."""
    return f"{{{', '.join(sorted(match.group(1).split(', ')))}}}"
