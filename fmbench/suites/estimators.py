"""How a row of a suite says what measures it: a runner's name, or an estimator with parameters.

A suite is data, whoever wrote it. So it names runners, which are there or are not, and classes of
scikit-learn, which a dependency brings along: to import anything else would run a stranger's code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fmbench.datasets.specs import FASHION_MNIST, SPECS
from fmbench.plugins.spelling import IDENTIFIER, Spelling, is_json

ESTIMATOR = re.compile(r"sklearn(\.[a-z]\w*)+:[A-Z]\w*", re.ASCII)


def name_of(spelling: Spelling, dataset: str) -> str:
    """What a model on a data set is called in every table."""
    return str(spelling) if dataset == FASHION_MNIST.name else f"{spelling} on {dataset}"


def named(entry: Mapping[str, Any]) -> str:
    """What the model of a row is called; a runner by its name.

    Raises:
        ValueError: the row names no model, two, or one that a suite may not name.
    """
    if ("runner" in entry) == ("estimator" in entry):
        raise ValueError("name a 'runner' or an 'estimator', one of the two")
    if "runner" in entry:
        for key in ("parameters", "dataset"):
            if key in entry:
                raise ValueError(f"{key} belongs to an estimator, not to a runner")
        return str(entry["runner"])
    estimator, dataset = entry["estimator"], entry.get("dataset", FASHION_MNIST.name)
    if not ESTIMATOR.fullmatch(estimator):
        raise ValueError(
            f"estimator {estimator!r} is no class of scikit-learn, such as "
            "sklearn.tree:DecisionTreeClassifier; a suite names no other code"
        )
    if dataset not in SPECS:
        raise ValueError(f"dataset {dataset!r} is not one of: {', '.join(SPECS)}")
    return name_of(Spelling(estimator, parameters(entry)), dataset)


def parameters(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a row's estimator; the word ``None`` is Python's, for which TOML has none.

    Raises:
        ValueError: a name or a value that no estimator can have.
    """
    found = {}
    for name, value in entry.get("parameters", {}).items():
        if not re.fullmatch(IDENTIFIER, name):
            raise ValueError(f"{name!r} is not the name of a parameter")
        if not is_json(value):
            raise ValueError(f"{name} is no finite number, string, list or table")
        if isinstance(value, str) and ":" in value and not ESTIMATOR.fullmatch(value):
            raise ValueError(f"{name} {value!r} is no class of scikit-learn")
        found[name] = None if value == "None" else value
    return found
