"""Finds fmbench's own measurement of each configuration of a suite.

The measurements travel with the package. A suite of fmbench's has a run of its own. A row of any
other suite is measured already if it names one of fmbench's runners, or the same scikit-learn
estimator with the same parameters as a row that fmbench has measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fmbench import runners
from fmbench.analysis.reference import (
    CONFUSION_FILE,
    SUMMARY_FILE,
    Matrices,
    find_reference_folder,
    load_reference_summaries,
    read_confusion_matrices,
    read_summary,
)
from fmbench.analysis.summary import Status, Summary
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.errors import UserError
from fmbench.models.registry import Runner, our_choice
from fmbench.plugins.model_spec import ModelSpec
from fmbench.plugins.runner_builder import build_estimator_runner
from fmbench.suites.bundled import is_bundled, list_suites
from fmbench.suites.claims import Suite
from fmbench.suites.configurations import Configuration
from fmbench.suites.estimators import ESTIMATOR, parse_display_name


def find_reference_summaries(
    suite: Suite, configurations: Mapping[str, Configuration]
) -> dict[str, Summary]:
    """Find the summary of fmbench's own run of each configuration, by the name that it has here.

    The summary keeps the name that it has in fmbench's own run. Configurations that fmbench has not
    measured are left out. For a suite of fmbench's, the result is all that its own run measured.

    Raises:
        UserError: this installation lacks the measurements.
    """
    if is_bundled(suite.path):
        return load_reference_summaries(suite)
    measured = load_all_reference_summaries()
    by_target: dict[str, list[_MeasuredEstimator]] = {}
    for summary in measured.values():
        if estimator := _parse_name(summary):
            by_target.setdefault(estimator.target, []).append(estimator)
    known = runners.load_runners()
    found: dict[str, Summary] = {}
    for name, configuration in configurations.items():
        runner = configuration.runner.name
        if runner in known and runner in measured and _is_recipe(configuration, known[runner]):
            found[name] = measured[runner]
        elif candidates := by_target.get(configuration.target):
            same = _find_same(configuration, candidates)
            if same is not None:
                found[name] = same
    return found


def load_reference_matrices(suite: Suite, summary: Summary) -> Matrices:
    """Load the confusion matrix of each seed that a summary of fmbench's own run counts.

    Empty if fmbench's own run has none: it keeps those of the default data set only.
    """
    suites = [suite.name] if is_bundled(suite.path) else list_suites()
    for name in suites:
        folder = find_reference_folder(name)
        in_folder = read_summary(folder / SUMMARY_FILE)
        if in_folder.get(summary.runner) == summary and (folder / CONFUSION_FILE).is_file():
            matrices = read_confusion_matrices(folder / CONFUSION_FILE)
            return matrices.get(summary.runner, ())
    return ()


@dataclass(frozen=True)
class _MeasuredEstimator:
    """A scikit-learn estimator that fmbench has measured, and what it measured."""

    target: str
    parameters: Mapping[str, Any]
    dataset: str
    summary: Summary


def load_all_reference_summaries() -> dict[str, Summary]:
    """Load the summaries of fmbench's runs of all its suites; the first suite that has one wins."""
    found: dict[str, Summary] = {}
    for name in list_suites():
        for runner, summary in read_summary(find_reference_folder(name) / SUMMARY_FILE).items():
            if summary.status is Status.MEASURED:
                found.setdefault(runner, summary)
    return found


def _parse_name(summary: Summary) -> _MeasuredEstimator | None:
    """Take the name of a measured estimator apart; None for a runner."""
    spec, dataset = parse_display_name(summary.runner)
    if not ESTIMATOR.fullmatch(spec.target):
        return None
    return _MeasuredEstimator(spec.target, spec.parameters, dataset, summary)


def _is_recipe(configuration: Configuration, runner: Runner) -> bool:
    """Whether a configuration is one of fmbench's runners with its own values and data set."""
    here = configuration.runner
    return (
        configuration.dataset == DEFAULT_DATASET
        and (here.source, here.revision) == (runner.source, runner.revision)
        and here.resolve(configuration.parameters) == runner.resolve()
    )


def _find_same(
    configuration: Configuration, candidates: list[_MeasuredEstimator]
) -> Summary | None:
    """Find the estimator that differs from a configuration at most in what it leaves to defaults.

    The defaults are those of the installed scikit-learn.
    """
    try:
        bare = build_estimator_runner(
            ModelSpec(configuration.target), lambda value: our_choice(value, "given")
        )
    except UserError:  # it cannot be built without parameters, so only the same text is the same
        bare = None
    wanted = _resolve(bare, configuration.parameters)
    for candidate in candidates:
        if (
            candidate.dataset == configuration.dataset.name
            and wanted is not None
            and _resolve(bare, candidate.parameters) == wanted
        ):
            return candidate.summary
    return None


def _resolve(bare: Runner | None, parameters: Mapping[str, Any]) -> Any:
    """Return every parameter's value in JSON's types; None if the estimator lacks one of them."""
    try:
        values = bare.resolve(parameters) if bare else dict(parameters)
    except UserError:
        return None
    return json.loads(json.dumps(values, sort_keys=True, default=str))
