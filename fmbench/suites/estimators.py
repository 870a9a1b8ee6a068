"""Checks which model a row of a suite names: a runner, or a scikit-learn estimator.

Anybody can write a suite, and importing other people's code would run it. So a suite may only name
fmbench's runners and classes of scikit-learn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fmbench.datasets.specs import DATASETS, DEFAULT_DATASET
from fmbench.plugins.model_spec import IDENTIFIER, ModelSpec, is_json_value

ESTIMATOR = re.compile(r"sklearn(\.[a-z]\w*)+:[A-Z]\w*", re.ASCII)


def format_display_name(spec: ModelSpec, dataset: str) -> str:
    """Format the name of a model on a data set, as every table shows it."""
    return str(spec) if dataset == DEFAULT_DATASET.name else f"{spec} on {dataset}"


def parse_row_model_name(entry: Mapping[str, Any]) -> str:
    """Return the name of a row's model: the runner's name, or the estimator with its parameters.

    It is empty if the row names no model. Then tables show the row without a measurement.

    Raises:
        ValueError: the row names two models, or code that a suite may not name.
    """
    if "runner" in entry and "estimator" in entry:
        raise ValueError("give one of the keys 'runner' and 'estimator', not both")
    if "estimator" not in entry:
        for key in ("parameters", "dataset"):
            if key in entry:
                raise ValueError(
                    f"the key {key!r} needs the key 'estimator'; a runner cannot have it"
                )
        return str(entry.get("runner", ""))
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
    """Check and return the parameters of a row's estimator.

    The string ``"None"`` means Python's None, which TOML cannot express.

    Raises:
        ValueError: a name or a value that no estimator can have.
    """
    parameters = {}
    for name, value in entry.get("parameters", {}).items():
        if not re.fullmatch(IDENTIFIER, name):
            raise ValueError(f"{name!r} is not the name of a parameter")
        if not is_json_value(value):
            raise ValueError(
                f"the parameter {name} must be a finite number, a string, a list or a table"
            )
        if isinstance(value, str) and ":" in value and not ESTIMATOR.fullmatch(value):
            raise ValueError(
                f"the parameter {name} names {value!r}, which is not a class of scikit-learn"
            )
        parameters[name] = None if value == "None" else value
    return parameters
