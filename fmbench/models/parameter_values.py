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
# The same for those that have no table.
WORDS = {"to_32": ("pad", "resize")}
# What a number can be, by the name of the hyperparameter of a network.
ABOVE_ZERO = frozenset({"learning_rate", "epsilon"})
FROM_ZERO = frozenset({"sigma", "C"})
BELOW_ONE = frozenset({"dropout", "rate", "momentum"})
CAN_BE_ZERO = frozenset({"held_out"})  # all other whole numbers are at least 1


def check_parameter_values(runner: Runner, parameters: Mapping[str, Any]) -> None:
    """Check the values that replace those of one of fmbench's own recipes.

    Each value has the same type as the recipe's, or is None.

    Raises:
        UserError: the model cannot have one of them; the message lists what it can have.
    """
    if not runner.uses_gpu:
        try:
            classifier = runner.build(runner.resolve(parameters), seed=0, device="cpu")
        except (TypeError, ValueError) as error:  # the factory computes with the values
            given = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
            why = " ".join(str(error).split())
            raise UserError(f"{runner.name} cannot be built with {given}: {why}") from None
        check_estimator_parameters(classifier, runner.requested_as or runner.name)
        return
    own = runner.resolve()
    for name, given in parameters.items():
        [example, *_] = _list_values(own[name])
        if given == []:
            raise UserError(f"{runner.name}: {name} must have at least one value, not []")
        for value in _list_values(given):
            allowed = _explain_allowed(name, value, example)
            if allowed:
                raise UserError(f"{runner.name}: {name} must be {allowed}, not {value!r}")


def _explain_allowed(name: str, value: Any, example: Any) -> str:
    """Say what a hyperparameter of a network can be; empty if it can be ``value``."""
    if words := _list_words(name):
        return "" if value in words else f"one of {', '.join(words)}"
    if isinstance(example, int):
        lowest = 0 if name in CAN_BE_ZERO else 1
        is_allowed = type(value) is int and value >= lowest
        return "" if is_allowed else f"a whole number from {lowest} on"
    if not isinstance(example, float):
        return ""
    is_number = type(value) in (int, float)
    if name in ABOVE_ZERO:
        return "" if is_number and value > 0 else "a number above 0"
    if name in FROM_ZERO:
        return "" if is_number and value >= 0 else "a number from 0 on"
    if name in BELOW_ONE:
        return "" if is_number and 0 <= value < 1 else "a number from 0 on and below 1"
    return "" if is_number else "a number"


def _list_words(name: str) -> list[str]:
    """List the words that a hyperparameter of a network can be; empty if it is no word."""
    if name in TABLES:
        module, table = TABLES[name]
        return list(getattr(importlib.import_module(module), table))
    return list(WORDS.get(name, ()))


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
