"""Makes outcomes, sources and confusion matrices for the tests of forensics."""

import numpy as np

from fmbench.analysis.forensics.outcomes import Outcome
from fmbench.analysis.forensics.plan import Story
from fmbench.analysis.forensics.printed import PrintedFigure, group_by_source
from fmbench.analysis.summary import Status
from fmbench.analysis.verdicts import Claim
from fmbench.models.registry import Runner, our_choice
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL


def _stochastic(*, epochs, seed):
    raise AssertionError("never run")


def _deterministic(*, epochs):
    raise AssertionError("never run")


def confusion(accuracy, n_per_class=1000):
    """A confusion matrix with ``accuracy`` in every class; each error is the next class."""
    right = round(accuracy * n_per_class)
    eye = np.eye(10, dtype=int)
    return right * eye + (n_per_class - right) * np.roll(eye, 1, axis=1)


def story(*mistakes, deterministic=False, **fields):
    factory = _deterministic if deterministic else _stochastic
    runner = Runner("toy", "A toy", factory, {"epochs": our_choice(1, "for tests")}, 1, "seconds")
    cells = tuple(Cell(runner, FULL, seed) for seed in range(3))
    return Story(tuple(mistakes), "the training images", "the test images", cells, **fields)


def outcome(told, *accuracies, matrices=None, **fields):
    """The outcome of a story whose seeds have these accuracies, or these confusion matrices."""
    found = np.stack(matrices or [confusion(accuracy) for accuracy in accuracies])
    return Outcome(told, Status.MEASURED, n=len(found), confusions=found, **fields)


def figure(printed, metric="accuracy", where="Table 3", **fields):
    """A figure as a paper prints it, with half a unit of rounding."""
    digits = printed.removesuffix("%")
    half = 0.5 * 10.0 ** -len(digits.partition(".")[2])
    unit = 100 if printed.endswith("%") else 1
    value = float(digits)
    return PrintedFigure(
        where, metric, printed, (value - half) / unit, (value + half) / unit, **fields
    )


def sources(*figures):
    return group_by_source(figures)


def claim(printed="98.80"):
    return Claim(float(printed) / 100, 0.00005, printed=printed, label="Tiny", where="Table 3")
