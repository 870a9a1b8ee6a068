"""What a paper states besides its figures is tested, or the sentence says why it is not."""

from __future__ import annotations

import contextlib
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench import runners
from fmbench.analysis import evaluation, statements
from fmbench.metrics.metric import ClassCounts
from fmbench.metrics.registry import METRICS
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK, load_labels
from fmbench.records.store import Store
from fmbench.suites import reader
from fmbench.suites.formulas import MAX_LENGTH, parse_formula

SUITE = """
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "here"
label = "LeNet"
runner = "lenet5"
[[row]]
where = "here"
label = "A mistyped name"
runner = "lenet6"
[[statement]]
where = "equation 1"
kind = "{kind}"
text = "the paper says so"
"""


def read_statement(tmp_path, kind, keys=""):
    path = tmp_path / "claims.toml"
    path.write_text(SUITE.format(kind=kind) + keys)
    return reader.read_suite(path)


def judge(folder, suite, protocol=FULL, data=None):
    results = evaluation.read_results(folder, suite, protocol, data)
    [result] = statements.test_statements(results)
    assert result.statement is suite.statements[0]
    return result.outcome, result.sentence


@pytest.fixture
def measured(tmp_path, record_of, source):
    """Write runs of lenet5, each with the losses in training and on the test images."""
    y_pred = load_labels(FULL, source).astype(np.uint8)
    store = Store(tmp_path / "results")

    def write(*losses, **changes):
        for seed, pair in enumerate(losses):
            names = ("train_loss", "heldout_loss")
            last = {"epoch": 10, **dict(zip(names, pair, strict=False))}
            record = record_of(
                Cell(runners.get_runner("lenet5"), FULL, seed),
                history=[{"epoch": 9, "train_loss": 9.0, "heldout_loss": 1.0}, last],
                **changes,
            )
            store.save(record, {"y_pred": y_pred})
        return store.folder

    return write


# ---------------------------------------------------------------- the paper's own


def test_equation_4_of_the_paper_gives_2_and_not_f1(reference):
    equation, _, _ = statements.test_statements(reference.results)
    assert (equation.outcome, equation.sentence) == (
        "false",
        "Equation 4 gives 2 for every precision and recall; F1 is 2 * precision * recall / "
        "(precision + recall), for example 0.99 where both are 0.99.",
    )


def test_the_papers_80_minutes_stand_beside_ours_without_a_judgement(reference):
    _, time, _ = statements.test_statements(reference.results)
    assert time.outcome == "not tested"
    assert time.sentence.startswith(
        "Section 4.2 gives 80 minutes for 10 runs. Here 10 runs of lenet5 take "
    )
    assert re.search(r"\(10 times the mean of \d+ fits\)", time.sentence)


def test_the_loss_on_the_test_images_is_higher_in_our_runs_too(reference):
    _, _, loss = statements.test_statements(reference.results)
    assert loss.outcome == "true" and re.search(r"in (\d+) of \1 runs", loss.sentence)


# ---------------------------------------------------------------- formulas


@pytest.mark.parametrize(
    ("metric", "formula"),
    [*statements.DEFINITIONS.items(),
     ("f1", "2 / (1 / precision + 1 / recall)"), ("recall", "informedness + 1.0 - specificity"),
     ("f1", "f1 * (sensitivity / recall)"), ("precision", "f1 * recall / (2*recall - f1)")],
)  # fmt: skip
def test_a_right_formula_is_true_however_it_is_written(tmp_path, metric, formula):
    keys = f'metric = "{metric}"\nformula = "{formula}"\n'
    outcome, sentence = judge(tmp_path, read_statement(tmp_path, "formula", keys))
    assert outcome == "true"
    assert sentence.startswith(f"Equation 1 gives {METRICS[metric].title} for every ")


@pytest.mark.parametrize(
    ("metric", "formula", "says"),
    [
        # Right where precision and recall are equal, so another point has to be shown.
        ("f1", "(precision + recall) / 2", "; F1 is 2 * precision * recall / (precision + recall)"),
        ("f1", "2", "gives 2 whatever the predictions are; F1 is"),
        ("specificity", "recall", "gives 0.99 where recall is 0.99; specificity is 0.9989 where"),
        ("recall", "1 / (f1 - f1)", "divides by zero whatever the predictions are."),
    ],
)
def test_a_wrong_formula_is_false_and_the_sentence_shows_where(tmp_path, metric, formula, says):
    keys = f'metric = "{metric}"\nformula = "{formula}"\n'
    outcome, sentence = judge(tmp_path, read_statement(tmp_path, "formula", keys))
    assert outcome == "false" and says in sentence


@given(st.integers(1, 500), st.integers(0, 500), st.integers(0, 500))
def test_the_definitions_that_sentences_show_are_the_metrics_own(correct, wrong, missed):
    counts = ClassCounts(correct, correct + wrong, correct + missed, 2000)
    values = {
        name: Fraction(*metric.class_fraction(counts))
        for name, metric in METRICS.items()
        if metric.class_fraction
    }
    for name, definition in statements.DEFINITIONS.items():
        assert parse_formula(definition).compute(values) == values[name]


@pytest.mark.parametrize(
    "text",
    ["", "2 **3", "-1", "abs(recall)", "x", "1e3", "0x1", "1_0", "recall.real", "(recall", "1 2",
     "1 if 1 else 2", "'recall'", "1, 2", "recall < 1", "True", "1or 2", "1.", "1//2", "recall # 1",
     "recall\n+ 1", "(1\n)", "kappa", "é", "1" * (MAX_LENGTH + 1), "(" * 150 + "1", "lambda: 1"],
)  # fmt: skip
def test_a_text_that_is_no_formula_is_refused(text):
    with pytest.raises(ValueError, match=r"is not|not allowed|has at most"):
        parse_formula(text)


@given(st.text("recalprision f1+-*/(). 0123\x00\\'\"[]{}:=,", max_size=30) | st.text())
def test_any_text_is_a_formula_or_a_value_error(text):
    try:
        formula = parse_formula(text)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1
        return
    values = {name: Fraction(1, i) for i, name in enumerate(METRICS, 2)}
    with contextlib.suppress(ZeroDivisionError):
        assert isinstance(formula.compute(values), Fraction)


@given(
    st.recursive(
        st.sampled_from(["precision", "recall", "2", "0.5", "10"]),
        lambda part: st.tuples(part, st.sampled_from("+-*/"), part).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        max_leaves=8,
    )
)
def test_a_formula_has_the_value_that_exact_arithmetic_gives(text):
    values = {"precision": Fraction(99, 100), "recall": Fraction(1, 3)}
    numbers = {"0.5": "Fraction(1, 2)", "10": "Fraction(10)", "2": "Fraction(2)"}
    words = [numbers.get(word, word) for word in text.replace("(", "( ").replace(")", " )").split()]
    try:
        expected = eval(" ".join(words), {"Fraction": Fraction, **values})
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            parse_formula(text).compute(values)
        return
    assert parse_formula(text).compute(values) == expected


# ---------------------------------------------------------------- measured runs


def test_a_training_time_is_shown_for_as_many_runs_and_by_device(tmp_path, measured, source):
    measured((1, 1), (1, 1), fit_seconds=30.0)
    folder = measured((1, 1), device="a card", fit_seconds=3.0)  # replaces the first seed
    suite = read_statement(tmp_path, "training time", 'of = "lenet5"\nminutes = "8"\nruns = 4\n')
    assert judge(folder, suite, data=source.folder) == (
        "not tested",
        "Equation 1 gives 8 minutes for 4 runs. Here 4 runs of lenet5 take 12 s on a card (4 times "
        "the mean of 1 fit) and 2 min 00 s on a processor (4 times the mean of 1 fit). Another "
        "machine takes another time, so this is no test.",
    )


@pytest.mark.parametrize(
    ("losses", "outcome", "says"),
    [
        ([(0.2, 0.3), (0.1, 0.2)], "true", "the loss is 0.250 on the test images and 0.150 in"),
        ([(0.4, 0.3)], "false", "(mean of 1 run). It is higher on the test images in 0 of 1 run;"),
        ([(0.4, 0.3), (0.2, 0.3)], "not tested", "in 1 of 2 runs; only this direction is tested."),
        ([(0.4,)], "not tested", "the records of lenet5 hold no loss on the test images."),
    ],
)
def test_the_loss_is_compared_after_the_last_epoch(
    tmp_path, measured, source, losses, outcome, says
):
    suite = read_statement(tmp_path, "validation loss", 'of = "lenet5"\n')
    found, sentence = judge(measured(*losses), suite, data=source.folder)
    assert found == outcome and says in sentence


@pytest.mark.parametrize(
    ("of", "why"),
    [
        ("", "no row measures a model."),
        ('of = "lenet5"', "lenet5 was not measured."),
        ('of = "mlp"', "no row measures mlp."),
        ('of = "lenet6"', "no runner: there is no 'lenet6': did you mean lenet5?"),
    ],
)
def test_a_statement_about_a_model_without_records_says_why_it_is_not_tested(tmp_path, of, why):
    suite = read_statement(tmp_path, "validation loss", of)
    assert judge(tmp_path / "none", suite) == ("not tested", f"Equation 1 is not tested: {why}")


def test_a_quick_run_tests_no_statement(tmp_path):
    suite = read_statement(tmp_path, "validation loss", 'of = "lenet5"')
    outcome, sentence = judge(tmp_path / "none", suite, QUICK)
    assert outcome == "not tested" and "the runs used a part of the data only" in sentence


def test_a_statement_is_by_default_about_the_subject_of_the_suite(tmp_path, measured, source):
    figure = '[[reported]]\nwhere = "T"\nof = "lenet5"\nmetric = "kappa"\nvalue = "0.9"\n'
    suite = read_statement(tmp_path, "validation loss", figure)
    assert judge(measured((0.2, 0.3)), suite, data=source.folder)[0] == "true"


def test_a_suite_without_statements_has_no_results(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(SUITE.split("[[statement]]")[0])
    results = evaluation.read_results(tmp_path / "none", reader.read_suite(path))
    assert statements.test_statements(results) == []
