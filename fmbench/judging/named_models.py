"""Checks the models that a user names with ``--map`` and ``--model`` before claims are judged.

A name that cannot exist is an error at once, not a claim without a model. A user's own code is
never run: its file is only read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fmbench.errors import UserError
from fmbench.models.registry import our_choice
from fmbench.plugins.code import find_code
from fmbench.plugins.model_spec import ModelSpec, parse_model_spec
from fmbench.plugins.runner_builder import build_estimator_runner
from fmbench.suites.estimators import ESTIMATOR
from fmbench.suites.matching import NO_MODEL, load_catalogue
from fmbench.suites.typed_names import parse_mapping, parse_mappings


def find_mapped_models(mapping: Sequence[str]) -> dict[str, str]:
    """Return the model of each label that ``mapping`` (texts ``LABEL=RUNNER``) names.

    Raises:
        UserError: a label is named twice, or a model cannot exist.
    """
    return {label: _check(name, "--map") for label, name in parse_mappings(mapping).items()}


def find_model(name: str) -> str:
    """Check the name of a runner, of a bundled row's configuration, or of a plug-in.

    Raises:
        UserError: there is none.
    """
    try:
        _, found = parse_mapping(f"model={name}")
    except UserError as error:
        raise UserError(str(error).replace("--map", "--model", 1)) from None
    return _check(found, "--model")


def _check(name: str, option: str) -> str:
    """Return the name of a model as tables print it, if the model can exist."""
    if name == NO_MODEL or name in load_catalogue().candidates:
        return name
    try:
        spec = parse_model_spec(name)
        if not spec.is_code:
            return name
        if ESTIMATOR.fullmatch(spec.target):
            build_estimator_runner(spec, lambda value: our_choice(value, f"given with {option}"))
        else:
            _check_code(spec)
    except UserError as error:
        raise UserError(f"{option}: {error}") from None
    return str(spec)


def _check_code(spec: ModelSpec) -> None:
    """Check that a plug-in's file or package exists, and that the file mentions the name.

    Of packages only scikit-learn is loaded, which fmbench itself imports.
    """
    code = find_code(spec)
    if code is None:
        return
    if code.text is None:
        if code.location.partition(".")[0] == "sklearn":
            code.load()
        return
    text = code.text.decode(errors="replace")
    first = code.attribute.partition(".")[0]
    if not re.search(rf"\b{re.escape(first)}\b|\bimport\s*\*", text):
        raise UserError(f"{code.location} has no {first!r}: name a function or a class in it")
