"""Finds the runs of one model in the rows of a table or in JSON, and averages their figures.

A column or a key such as ``seed`` or ``fold`` says that rows are runs of one model. A single run is
no claim about the model, so the mean of its runs is judged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from fmbench.extraction.found import FoundClaim, PrintedFigure
from fmbench.utils.formatting import join_words

_NUMBER = r"(?:[ _-]*(?:no\.?|nr\.?|number|num|id|idx|index|#))?"
_RUN = re.compile(
    r"(?:random[ _-]?)?(?:seeds?|runs?|trials?|repeats?|repetitions?|replicat(?:e|ion)s?|rep"
    rf"|restarts?|(?:cv[ _-]?)?(?P<fold>folds?)){_NUMBER}",
    re.IGNORECASE,
)
_RUN_NUMBER = re.compile(
    r"(?:(?:seed|run|trial|repeat|repetition|replicate|rep|restart|fold)[ _#-]*)?#?[0-9]{1,10}",
    re.IGNORECASE,
)
_SUMMARY = re.compile(
    r"(?:all|overall|mean|average|avg\.?|median|std\.?(?: ?dev\.?)?|sd|min|max|best)"
    r"(?: ?(?:\u00b1|\+/?-|and|/) ?(?:std\.?|sd))?",
    re.IGNORECASE,
)
# What differs between the runs of one model, although nothing was changed.
_VARIES = re.compile(
    r"(?<![^\W_])(?:times?|secs?|seconds|minutes|mins?|hours?|duration|runtime|loss|losses|energy"
    r"|power|latency|memory|speed|date|created|started|finished|timestamp|checkpoint|path|file|log"
    r"|commit|hash|url|links?|best epoch|notes?|comments?|remarks?)(?![^\W_])",
    re.IGNORECASE,
)
# Numbers that somebody chose, by which two models of one name differ.
_SETTING = re.compile(
    r"(?<![^\W_])(?:lr|rates?|dropout|momentum|decay|batch|epochs?|steps?|iterations?|layers?|depth"
    r"|width|units?|neurons?|filters?|kernels?|channels?|hidden|dims?|dimensions?|size|params?"
    r"|parameters|gamma|alpha|beta|lambda|sigma|eps|epsilon|temperature|threshold|ratio|sparsity"
    r"|bits?|trees|estimators|neighbou?rs|degree|components|patch|heads|stride|scale|resolution"
    r"|seeds?|version|year|gpus?|cpus?|images|samples|support|flops|speedup|compression"
    r"|[nkcγαβλσ](?!-[^\W\d_]))(?![^\W_])",  # but not k-NN
    re.IGNORECASE,
)
_MAX_SHOWN = 6  # figures of runs in a remark


def names_runs(head: str) -> bool:
    """Whether a head or a key says that what it holds numbers the runs: ``seed``, ``Fold``."""
    return _RUN.fullmatch(head.strip()) is not None


def names_folds(head: str) -> bool:
    """Whether the runs that a head numbers are folds of a cross-validation."""
    found = _RUN.fullmatch(head.strip())
    return found is not None and found["fold"] is not None


def is_run_number(text: str) -> bool:
    """Whether a cell or a key is the number of one run: ``3``, ``seed 3``, ``run_3``."""
    return _RUN_NUMBER.fullmatch(text.strip()) is not None


def sums_up_runs(text: str) -> bool:
    """Whether a cell in a column of runs says that its row is of all runs: ``mean``."""
    return _SUMMARY.fullmatch(text.strip()) is not None


def varies_between_runs(head: str) -> bool:
    """Whether runs of one model may differ in what this head names, such as a time or a loss."""
    return _VARIES.search(head) is not None


def names_setting(head: str) -> bool:
    """Whether a head or a key names a number that somebody chose: a learning rate, a size."""
    return _SETTING.search(head) is not None


def average_runs(claims: Sequence[FoundClaim], *, are_folds: bool) -> FoundClaim | None:
    """Return the mean of the accuracies of several runs as one claim.

    It has as many decimals as the figures, and one more if it needs it. The result is None where
    they cannot be averaged: one is a bound, a quotient or itself a mean, or only some are
    percentages.
    """
    figures = [claim.figure for claim in claims]
    if (
        len(claims) < 2
        or len({figure.value.endswith("%") for figure in figures}) > 1
        or any(figure.bound or figure.out_of is not None for figure in figures)
        or any(max(c.mean_of, c.best_of, c.folds) > 1 for c in claims)
    ):
        return None
    sign = "%" * figures[0].value.endswith("%")
    values = [Decimal(figure.value.removesuffix("%")) for figure in figures]
    unit = Decimal(1).scaleb(min(int(value.as_tuple().exponent) for value in values))
    exact = sum(values, Decimal(0)) / len(values)
    mean = exact.quantize(unit / 10)
    mean = mean.quantize(unit) if mean == mean.quantize(unit) else mean
    is_error_rate = all(figure.is_error_rate for figure in figures)
    shown = (100 if sign else 1) - mean if is_error_rate else mean
    listed = join_words([figure.printed for figure in figures], _MAX_SHOWN)
    what = "folds" if are_folds else "runs"
    first, n = claims[0], len(claims)
    return replace(
        first,
        figure=PrintedFigure(f"{shown:f}{sign}", f"{mean:f}{sign}", is_error_rate=is_error_rate),
        where=f"{first.where} and {n - 1} more",
        mean_of=1 if are_folds else n,
        folds=n if are_folds else 1,
        remark=f"the mean of the {n} {what}, printed as {listed}",
    )
