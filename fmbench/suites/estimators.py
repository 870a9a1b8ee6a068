"""Checks what a row of a suite names as its model: a runner, or a scikit-learn estimator.

A suite is data, and anybody may have written it. So it may name fmbench's runners and classes of
scikit-learn, and nothing else: importing other code would run a stranger's program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fmbench.datasets.specs import DATASETS, DEFAULT_DATASET
from fmbench.plugins.model_spec import IDENTIFIER, ModelSpec, is_json_value

ESTIMATOR = re.compile(r"sklearn(\.[a-z]\w*)+:[A-Z]\w*", re.ASCII)


def display_name(spec: ModelSpec, dataset: str) -> str:
    """The name of a model on a data set in every table."""
    return str(spec) if dataset == DEFAULT_DATASET.name else f"{spec} on {dataset}"


def row_model_name(entry: Mapping[str, Any]) -> str:
    """The name of the model of a ``[[row]]``: its runner's, or the estimator with its parameters.

    Raises:
        ValueError: the row names no model, or two, or one that a suite may not name.
    """
    if ("runner" in entry) == ("estimator" in entry):
        raise ValueError("name a 'runner' or an 'estimator', one of the two")
    if "runner" in entry:
        for key in ("parameters", "dataset"):
            if key in entry:
                raise ValueError(f"{key} belongs to an estimator, not to a runner")
        return str(entry["runner"])
    estimator, dataset = entry["estimator"], entry.get("dataset", DEFAULT_DATASET.name)
    if not ESTIMATOR.fullmatch(estimator):
        raise ValueError(
            f"estimator {estimator!r} is no class of scikit-learn, such as "
            "sklearn.tree:DecisionTreeClassifier; a suite can name no other code"
        )
    if dataset not in DATASETS:
        raise ValueError(f"dataset {dataset!r} is not one of: {', '.join(DATASETS)}")
    return display_name(ModelSpec(estimator, row_parameters(entry)), dataset)


def row_parameters(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a row's estimator.

    The string ``"None"`` means Python's None, which TOML cannot express.

    Raises:
        ValueError: a name or a value that no estimator can have.
    """
    parameters = {}
    for name, value in entry.get("parameters", {}).items():
        if not re.fullmatch(IDENTIFIER, name):
            raise ValueError(f"{name!r} is not the name of a parameter")
        if not is_json_value(value):
            raise ValueError(f"{name} is no finite number, string, list or table")
        if isinstance(value, str) and ":" in value and not ESTIMATOR.fullmatch(value):
            raise ValueError(f"{name} {value!r} is no class of scikit-learn")
        parameters[name] = None if value == "None" else value
    return parameters
