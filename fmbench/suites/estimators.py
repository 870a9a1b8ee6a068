"""Checks which model a row of a suite names: a runner, or a scikit-learn estimator.

Anybody can write a suite, and importing other people's code would run it. So a suite may only name
fmbench's runners and classes of scikit-learn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fmbench.datasets.specs import DATASETS, DEFAULT_DATASET
from fmbench.plugins.model_spec import IDENTIFIER, ModelSpec, parse_model_spec
from fmbench.records.record import is_storable

ESTIMATOR = re.compile(r"sklearn(\.[a-z]\w*)+:[A-Z]\w*", re.ASCII)


def format_display_name(spec: ModelSpec, dataset: str) -> str:
    """Format the name of a model on a data set, as every table shows it."""
    return str(spec) if dataset == DEFAULT_DATASET.name else f"{spec} on {dataset}"


def parse_display_name(name: str) -> tuple[ModelSpec, str]:
    """Take a name that tables show apart, into the model and the data set.

    Raises:
        UserError: the name has parameters that no model can have.
    """
    dataset = DEFAULT_DATASET.name
    for other in DATASETS:
        if name.endswith(suffix := f" on {other}"):
            name, dataset = name.removesuffix(suffix), other
    return parse_model_spec(name), dataset


def parse_row_model_name(entry: Mapping[str, Any]) -> str:
    """Return the name of a row's model: the runner or the estimator, with its parameters.

    It is empty if the row names no model. Then tables show the row without a measurement.

    Raises:
        ValueError: the row names two models, or code that a suite may not name.
    """
    if "runner" in entry and "estimator" in entry:
        raise ValueError("give one of the keys 'runner' and 'estimator', not both")
    if "estimator" not in entry:
        if "dataset" in entry:
            raise ValueError("the key 'dataset' needs the key 'estimator'; a runner cannot have it")
        if "parameters" in entry and not entry.get("runner"):
            raise ValueError("the key 'parameters' needs the key 'runner' or 'estimator'")
        if not entry.get("runner"):
            return ""
        return str(ModelSpec(entry["runner"], parse_row_parameters(entry)))
    estimator, dataset = entry["estimator"], entry.get("dataset", DEFAULT_DATASET.name)
    if not ESTIMATOR.fullmatch(estimator):
        raise ValueError(
            f"estimator {estimator!r} is not a class of scikit-learn; write it like "
            "sklearn.tree:DecisionTreeClassifier (a suite cannot name other code)"
        )
    if dataset not in DATASETS:
        raise ValueError(f"dataset {dataset!r} is not one of: {', '.join(DATASETS)}")
    return format_display_name(ModelSpec(estimator, parse_row_parameters(entry)), dataset)


def parse_row_parameters(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Check and return the parameters of a row's runner or estimator.

    The string ``"None"`` means Python's None, which TOML cannot express.

    Raises:
        ValueError: a name or a value that no model can have.
    """
    parameters = {}
    for name, value in entry.get("parameters", {}).items():
        if not re.fullmatch(IDENTIFIER, name):
            raise ValueError(f"{name!r} is not the name of a parameter")
        if not is_storable(value):
            raise ValueError(
                f"the parameter {name} must be a finite number, a string, a list or a table"
            )
        if isinstance(value, str) and ":" in value and not ESTIMATOR.fullmatch(value):
            raise ValueError(
                f"the parameter {name} names {value!r}, which is not a class of scikit-learn"
            )
        parameters[name] = None if value == "None" else value
    return parameters
