"""Checks the parameters with which a user, or a row of a suite, changes a runner's recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fmbench.errors import UserError
from fmbench.models.parameter_values import check_parameter_values
from fmbench.models.registry import Runner
from fmbench.plugins.model_spec import is_same_kind


def check_parameters(runner: Runner, parameters: Mapping[str, Any]) -> None:
    """Check that a runner has these hyperparameters, and that they can have these values.

    Raises:
        UserError: one line that names the hyperparameters or the values that there are.
    """
    own = runner.resolve()
    runner.resolve(parameters)  # refuses unknown names
    for name, value in parameters.items():
        can_be_none = value is None and not runner.uses_gpu  # scikit-learn says where it can
        if not (is_same_kind(value, own[name]) or can_be_none):
            raise UserError(
                f"{runner.name}: {name} must be a value like {own[name]!r}, not {value!r}"
            )
    if parameters:
        check_parameter_values(runner, parameters)
