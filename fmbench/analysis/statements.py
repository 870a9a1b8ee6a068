"""Tests what a paper states besides its figures: equations, training times, the validation loss.

:func:`test_statements` is the function to call. It gives each statement of a suite an outcome and a
sentence. No statement changes the verdict on a row.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from fmbench.analysis.evaluation import SuiteResults
from fmbench.metrics.metric import ClassCounts
from fmbench.metrics.registry import METRICS
from fmbench.records.record import HELDOUT_LOSS, TRAIN_LOSS, Record
from fmbench.suites.claims import Statement, Suite
from fmbench.suites.formulas import Formula, parse_formula
from fmbench.suites.rounding import parse_minutes
from fmbench.utils.formatting import format_duration, join_words

Outcome = Literal["true", "false", "not tested"]

N_POINTS = 200  # random counts at which a formula is compared with its metric
# What a sentence shows as the right formula. A test compares each with its metric.
DEFINITIONS = {
    "f1": "2 * precision * recall / (precision + recall)",
    "informedness": "recall + specificity - 1",
}


@dataclass(frozen=True)
class StatementResult:
    """A statement, whether it is true, and a sentence that says why.

    ``outcome`` is ``not tested`` if nothing was measured that could test it, or if a rerun cannot
    test it at all.
    """

    statement: Statement
    outcome: Outcome
    sentence: str


def test_statements(results: SuiteResults) -> list[StatementResult]:
    """Test every statement of a suite, in the suite's order. No model is run."""
    return [_test_statement(statement, results) for statement in results.suite.statements]


def _test_statement(statement: Statement, results: SuiteResults) -> StatementResult:
    if statement.kind == "formula":
        return _test_formula(statement)
    name = _find_model(statement, results.suite)
    records, why = _find_records(name, results)
    if why:
        return _build_untested(statement, why)
    if statement.kind == "training time":
        return _compare_training_time(statement, name, records)
    return _test_validation_loss(statement, name, records)


def _build_untested(statement: Statement, why: str) -> StatementResult:
    end = "" if why.endswith("?") else "."
    return StatementResult(
        statement, "not tested", f"{_begin(statement)} is not tested: {why}{end}"
    )


def _begin(statement: Statement) -> str:
    """The place of the statement, as the beginning of a sentence."""
    return statement.where[:1].upper() + statement.where[1:]


# ---------------------------------------------------------------- formulas


def _test_formula(statement: Statement) -> StatementResult:
    """Compare a printed formula with the metric that it should give, at many exact counts."""
    assert statement.metric is not None and statement.formula is not None, "checked by the reader"
    formula, metric = parse_formula(statement.formula), METRICS[statement.metric]
    place, names = _begin(statement), join_words([METRICS[name].title for name in formula.metrics])
    found = list(_compute_both(formula, statement.metric))
    if not found:
        return StatementResult(
            statement, "false", f"{place} divides by zero whatever the predictions are."
        )
    wrong = [point for point in found if point[1] != point[2]]
    if not wrong:
        sentence = f"{place} gives {metric.title} for every {names}."
        return StatementResult(statement, "true", sentence)
    values, printed, true = wrong[0]
    where = _describe_point(values, formula)
    if len({value for _, value, _ in found}) == 1:
        gives = f"gives {_format_number(printed)} " + (
            f"for every {names}" if names else "whatever the predictions are"
        )
    else:
        gives = f"gives {_format_number(printed)} {where}"
    definition = DEFINITIONS.get(statement.metric)
    example = _format_number(true)
    is_then = f"{definition}, for example {example}" if definition else example
    return StatementResult(
        statement, "false", f"{place} {gives}; {metric.title} is {is_then} {where}."
    )  # fmt: skip


def _compute_both(
    formula: Formula, metric: str
) -> Iterator[tuple[dict[str, Fraction], Fraction, Fraction]]:
    """Yield values of the class metrics, with the formula's value and the metric's own value.

    The first point is a class of which 99 % are found, and 99 % of what is found belongs to it.
    """
    draw = random.Random(0)
    counts = [ClassCounts(99, 100, 100, 1000)]
    for _ in range(N_POINTS):
        n, actual = draw.randint(100, 10_000), draw.randint(2, 90)
        correct = draw.randint(1, actual)
        counts.append(ClassCounts(correct, correct + draw.randint(0, n - actual), actual, n))
    for count in counts:
        values = {
            name: Fraction(*map(int, declared.class_fraction(count)))
            for name, declared in METRICS.items()
            if declared.class_fraction is not None
        }
        try:
            yield values, formula.compute(values), values[metric]
        except ZeroDivisionError:
            continue


def _describe_point(values: dict[str, Fraction], formula: Formula) -> str:
    names = formula.metrics or ("precision", "recall")
    titles = [METRICS[name].title for name in names]
    numbers = [_format_number(values[name]) for name in names]
    if len(formula.metrics) == 2 and len(set(numbers)) == 1:
        return f"where both are {numbers[0]}"
    return "where " + join_words([f"{t} is {n}" for t, n in zip(titles, numbers, strict=True)])


def _format_number(value: Fraction) -> str:
    return f"{float(value):.4g}"


# ---------------------------------------------------------------- measured runs


def _find_model(statement: Statement, suite: Suite) -> str:
    return statement.of or suite.subject or ""


def _find_records(name: str, results: SuiteResults) -> tuple[list[Record], str]:
    """Find the records of a model; or say why there is none that could test a statement."""
    if not results.has_verdicts:
        return [], "the runs used a part of the data only"
    configuration = results.configurations.get(name)
    if configuration is None:
        summary = results.summaries.get(name)
        return [], summary.status_text if summary else f"no row measures {name or 'a model'}"
    records = results.records_of(configuration)
    return records, "" if records else f"{name} was not measured"


def _compare_training_time(
    statement: Statement, name: str, records: Sequence[Record]
) -> StatementResult:
    """Show our training time beside the paper's. Two machines differ, so it is no test."""
    assert statement.minutes is not None, "checked by the reader"
    n_runs = statement.runs
    by_device: dict[str, list[float]] = {}
    for record in records:
        by_device.setdefault(record.device, []).append(record.fit_seconds or 0.0)
    times = [
        f"{format_duration(n_runs * sum(seconds) / len(seconds))} on {device} "
        f"({n_runs} times the mean of {_count(len(seconds), 'fit')})"
        for device, seconds in sorted(by_device.items())
    ]
    what = f"{_count(n_runs, 'run')} of {name}"
    return StatementResult(
        statement, "not tested",
        f"{_begin(statement)} gives {parse_minutes(statement.minutes)} minutes for "
        f"{_count(n_runs, 'run')}. Here {what} {'take' if n_runs > 1 else 'takes'} "
        f"{join_words(times)}. Another machine takes another time, so this is no test.",
    )  # fmt: skip


def _test_validation_loss(
    statement: Statement, name: str, records: Sequence[Record]
) -> StatementResult:
    """Compare the loss on the test images with the training loss, after the last epoch.

    The paper's "much" is not a number, so only the direction is tested: true if the test loss is
    higher in every run, false if it is in none.
    """
    place = _begin(statement)
    last = [record.history[-1] for record in records if record.history]
    pairs = [
        (e[TRAIN_LOSS], e[HELDOUT_LOSS]) for e in last if {TRAIN_LOSS, HELDOUT_LOSS} <= e.keys()
    ]
    if not pairs:
        return _build_untested(statement, f"the records of {name} hold no loss on the test images")
    train, test = (sum(losses) / len(pairs) for losses in zip(*pairs, strict=True))
    n_higher = sum(tested > trained for trained, tested in pairs)
    outcome: Outcome = "not tested"
    if n_higher in (0, len(pairs)):
        outcome = "true" if n_higher else "false"
    after = _count(int(last[0]["epoch"]), "epoch")
    return StatementResult(
        statement, outcome,
        f"{place}: after {after} of {name} the loss is {test:.3f} on the test images and "
        f"{train:.3f} in training (mean of {_count(len(pairs), 'run')}). It is higher on the test "
        f"images in {n_higher} of {_count(len(pairs), 'run')}; only this direction is tested.",
    )  # fmt: skip


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
