"""The paper's claims are transcribed as printed; a bad suite is refused with one clear line."""

from __future__ import annotations

import copy
import datetime
import tomllib
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.analysis import evaluation
from fmbench.errors import UserError
from fmbench.metrics.registry import find_metric
from fmbench.report import tables
from fmbench.suites import bundled, claims, reader
from fmbench.suites.rounding import parse_figure

# Table 3 of Kayed et al. 2020, in its order: label, accuracy in percent, our runner.
TABLE_3 = [
    ("Three-layer Neural Network", "87.23", "three-layer-nn"),
    ("Support Vector Classifier with rbf kernel", "89.70", "svc-rbf"),
    ("Evolutionary Deep Learning Framework", "90.60", "eden"),
    ("CNN using SVM activation function", "90.72", "cnn-svm"),
    ("CNN using Softmax activation function", "91.86", "cnn-softmax"),
    ("CNN with Batch Normalization", "92.22", "cnn-bn"),
    ("CNN with Batch Normalization and Residual skip", "92.54", "cnn-bn-skip"),
    ("Decision Tree Classifier", "79.80", "decision-tree"),
    ("ExtraTreeClassifier", "77.50", "extra-tree"),
    ("GaussianNB", "88.00", "gaussian-nb"),
    ("KNeighborsClassifier", "85.40", "k-neighbors"),
    ("LinearSVC", "83.60", "linear-svc"),
    ("LogisticRegression", "84.20", "logistic-regression"),
    ("RandomForestClassifier", "87.30", "random-forest"),
    ("SGDClassifier", "81.90", "sgd"),
    ("SVC", "89.70", "svc-rbf"),
    ("CNN", "91.61", "cnn"),
    ("CNN-LeNet-5", "98.80", "lenet5"),
    ("Multilayer perceptron", "78.33", "mlp"),
]

# The figures of the original sources. EDEN's and that of cnn-bn-skip were read in papers that quote
# them.
SOURCES = {
    "svc-rbf": "89.7",
    "eden": "90.60",
    "cnn-svm": "90.71999788",
    "cnn-softmax": "91.86000228",
    "cnn-bn-skip": "92.54",
    "decision-tree": "79.8",
    "extra-tree": "77.5",
    "gaussian-nb": "51.1",
    "k-neighbors": "85.4",
    "linear-svc": "83.6",
    "logistic-regression": "84.2",
    "random-forest": "87.3",
    "sgd": "81.9",
    "gradient-boosting": "88.0",
    "perceptron": "78.2",
}


# ------------------------------------------------------- the suite of Kayed et al. 2020


def test_the_first_19_rows_are_table_3_in_the_papers_order():
    rows = reader.read_suite().rows[:19]
    assert [(row.label, row.claimed, row.runner) for row in rows] == TABLE_3
    assert {row.where for row in rows} == {"Table 3"}


def test_no_other_row_says_that_it_belongs_to_table_3():
    assert not [row for row in reader.read_suite().rows[19:] if row.where == "Table 3"]


def test_the_source_figures_are_those_that_the_originals_print():
    found = {row.runner: row.source for row in reader.read_suite().rows if row.source is not None}
    assert found == SOURCES


def test_a_source_figure_is_given_only_where_it_was_seen_and_with_its_origin():
    for row in reader.read_suite().rows:
        if row.source is not None:
            assert row.cited and row.certainty in ("verified", "second hand"), row.label
        if row.certainty == "recalled":
            assert row.source is None, row.label


# Table 1 of the paper: class, precision, recall, F1.
TABLE_1 = """
0  1.00  1.00  1.00
1  1.00  1.00  1.00
2  0.99  0.99  0.99
3  0.99  1.00  0.99
4  0.99  0.99  0.99
5  1.00  0.99  0.99
6  0.99  0.99  0.99
7  0.99  0.99  0.99
8  1.00  0.99  0.99
9  0.99  0.99  0.99
"""


def test_all_figures_of_table_1_are_as_printed():
    lines = [line.split() for line in TABLE_1.split("\n") if line]
    printed = {
        (metric, int(number)): value
        for number, *values in lines
        for metric, value in zip(("precision", "recall", "f1"), values, strict=True)
    }
    figures = [f for f in reader.read_suite().reported if f.where == "Table 1"]
    assert len(figures) == len(printed) == 30
    assert {(f.metric, f.class_): f.value for f in figures} == printed


def test_the_papers_other_figures_are_as_printed():
    suite = reader.read_suite()
    figures = [f for f in suite.reported if f.class_ is None]
    assert [(f.where, f.metric, f.average, f.value, f.mean_of) for f in figures] == [
        ("Table 1, overall line", "precision", "macro", "0.99", 1),
        ("Table 1, overall line", "recall", "macro", "0.99", 1),
        ("Table 1, overall line", "f1", "macro", "0.99", 1),
        ("Table 2, kappa", "kappa", None, "0.75", 1),
        ("Table 2, informedness", "informedness", None, "0.77", 1),
        ("Table 2, MSE", "mse", None, "0.66", 1),
        ("Table 3", "accuracy", None, "98.80%", 1),
        ("text, Section 4.2", "accuracy", None, "98.9%", 10),
    ]
    assert [f.metric for f in suite.reported if f.alternative_metric == "mae"] == ["mse"]
    assert {f.of for f in suite.reported} == {"lenet5"} == {suite.subject}
    assert not suite.not_transcribed


def test_the_papers_statements_are_an_equation_a_time_and_a_loss():
    statements = reader.read_suite().statements
    assert [(s.kind, s.formula, s.minutes, s.runs) for s in statements] == [
        ("formula", "2 * (precision + recall) / (precision + recall)", None, 1),
        ("training time", None, "80", 10),
        ("validation loss", None, None, 1),
    ]


# The configuration of Xiao et al. 2017 that each runner repeats.
XIAO = {
    "svc-rbf": "SVC C=10 kernel=rbf",
    "decision-tree": "DecisionTreeClassifier criterion=entropy max_depth=10 splitter=best",
    "extra-tree": "ExtraTreeClassifier criterion=gini max_depth=10 splitter=best",
    "gaussian-nb": f"GaussianNB priors={[0.1] * 10}",
    "k-neighbors": "KNeighborsClassifier weights=distance n_neighbors=5 p=1",
    "linear-svc": "LinearSVC loss=hinge C=1 multi_class=ovr penalty=l2",
    "logistic-regression": "LogisticRegression C=1 multi_class=ovr penalty=l1",
    "random-forest": "RandomForestClassifier n_estimators=100 criterion=entropy max_depth=100",
    "sgd": "SGDClassifier loss=hinge penalty=l2",
    "gradient-boosting": "GradientBoostingClassifier n_estimators=100 loss=deviance max_depth=10",
    "perceptron": "Perceptron penalty=l1",
}


def test_the_rows_from_xiao_2017_are_claimed_of_the_first_release_with_their_digits_control():
    """Ten of them stand in Table 3; the other two are added beside it."""
    rows = [row for row in reader.read_suite().rows if row.images == "first release"]
    assert [row.where for row in rows].count("Table 3") == 10 and len(rows) == 12
    xiao = reader.read_suite(bundled.find_suite("xiao2017")).rows
    by_label = {(row.label, row.dataset): row for row in xiao}
    for row in rows:
        fashion, digits = (
            by_label[XIAO[row.runner], name] for name in ("fashion-mnist", row.control.dataset)
        )
        for ours, theirs in ((row.source, fashion), (row.control.claimed, digits)):
            assert parse_figure(ours, "accuracy") == parse_figure(theirs.claimed, "accuracy")
        assert (row.cited, row.mean_of, row.control.mean_of) == ("Xiao et al. 2017", 5, 5)


def test_each_picked_row_is_the_best_of_its_grid():
    suite = reader.read_suite()
    picked = [row for row in suite.rows if row.picked == "best of a grid"]
    assert len(picked) == 11  # all of Xiao's but GaussianNB, which has one configuration
    for row in picked:
        members = reader.find_grid_rows(suite, row.grid, row.dataset)
        figures = [parse_figure(member.claimed, "accuracy") for member in members]
        assert max(figures) == parse_figure(row.source, "accuracy"), row.label
        assert {member.label.split()[0] for member in members} == {row.grid}
        assert {member.dataset for member in members} == {row.dataset}


def test_the_sources_that_kept_their_best_epoch_are_marked():
    rows = [row for row in reader.read_suite().rows if row.picked == "best epoch"]
    assert [row.runner for row in rows] == ["cnn-bn", "cnn-bn-skip", "cnn"]


def test_the_suite_describes_the_test_set_of_fashion_mnist(dataset):
    import numpy as np

    assert reader.read_suite().n_per_class == tuple(np.bincount(dataset.y_test))


def test_a_runner_of_two_rows_is_listed_once():
    names = reader.read_suite().runners
    assert names.count("svc-rbf") == 1
    assert len(names) == len(reader.read_suite().rows) - 1


def as_entry(struct) -> dict:
    """Return the entry of a TOML file from which the reader makes this struct."""
    entry = {}
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if field.required or (value != field.default and value not in ({}, (), "")):
            is_struct = isinstance(value, msgspec.Struct)
            entry[field.encode_name] = as_entry(value) if is_struct else value
    if entry.get("estimator") and "label" in entry:
        del entry["runner"]
        entry["parameters"] = {
            k: "None" if v is None else v for k, v in entry.get("parameters", {}).items()
        }
    return entry


@pytest.mark.parametrize("name", bundled.list_suites())
def test_a_suite_that_is_written_out_and_read_again_is_the_same(name):
    suite = reader.read_suite(bundled.find_suite(name))
    parts = {"row": suite.rows, "grid": suite.grids, "reported": suite.reported,
             "statement": suite.statements}  # fmt: skip
    content = {
        **{key: [as_entry(struct) for struct in structs] for key, structs in parts.items()},
        "test_set": {"n_per_class": list(suite.n_per_class)},
    }
    again = reader.build_suite(content, suite.path)
    for part in ("rows", "grids", "reported", "statements", "n_per_class"):
        assert getattr(again, part) == getattr(suite, part)


# ---------------------------------------------------------------- bad suites

TEST_SET = "[test_set]\nn_per_class = [5, 5, 5]\n"
ROW = '[[row]]\nwhere = "Table 3"\nlabel = "A"\nclaimed = "90.0"\nrunner = "a"\n'
REPORTED = '[[reported]]\nwhere = "Table 2"\nof = "a"\nmetric = "kappa"\nvalue = "0.75"\n'
MISSING = '[[not_transcribed]]\nwhere = "Table 1"\nwhat = "all"\nwhy = "unread"\n'
WHOLE = TEST_SET + ROW + REPORTED + MISSING


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "suite.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal_of(path: Path) -> str:
    """Return the error message without the file name at its beginning."""
    with pytest.raises(UserError) as caught:
        reader.read_suite(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(str(path))
    return message.removeprefix(str(path)).removeprefix(": ")


def test_the_message_names_the_nearest_key_and_the_allowed_ones(tmp_path):
    message = refusal_of(written(tmp_path, WHOLE.replace('runner = "a"', 'runer = "a"')))
    assert message == (
        "[[row]] 1 (A): unknown key 'runer': did you mean runner; allowed: where, label, runner, "
        "claimed, source, cited, certainty, recipe, remark, mean_of, best_of, picked, grid, "
        "scored_as, images, control, half_unit, sd, bound, estimator, parameters, dataset"
    )


def test_the_message_says_what_a_value_must_be_and_what_it_is(tmp_path):
    message = refusal_of(written(tmp_path, WHOLE.replace('"90.0"', '"90.0"\nmean_of = 0')))
    assert message == "[[row]] 1 (A): mean_of must be a whole number from 1 to 10,000, not 0"


@pytest.mark.parametrize("name", ["F1-score", "sensitivity", "Cohen's kappa", "Accuracy"])
def test_a_metric_may_be_named_by_a_synonym(tmp_path, name):
    metric = find_metric(name)
    average = 'average = "macro"\n' if metric.average_is_stated else ""
    text = WHOLE.replace('metric = "kappa"\n', f'metric = "{name}"\n{average}')
    [figure] = reader.read_suite(written(tmp_path, text)).reported
    assert figure.metric == metric.name


def test_a_suite_may_give_its_tables_titles_and_ask_for_other_runners(tmp_path):
    text = 'other_runners = true\n[tables]\naccuracies = "Table 9"\n' + WHOLE
    suite = reader.read_suite(written(tmp_path, text))
    assert (suite.other_runners, suite.table_titles) == (True, {"accuracies": "Table 9"})


def test_a_suite_may_say_where_the_paper_was_published(tmp_path):
    text = 'venue = "Neurocomputing"\ndoi = "10.1/2"\n' + WHOLE
    suite = reader.read_suite(written(tmp_path, text))
    assert (suite.venue, suite.doi) == ("Neurocomputing", "10.1/2")


MATRIX = """
[[matrix]]
where = "Figure 7"
rows = [[5, 0, 0], [1, 4, 0], ["0", "1", "4"]]
"""
SHARES = MATRIX.split("rows")[0] + (
    'shares = true\nrows = [["1.0", "0", "0"], ["20%", "80 %", "0%"], ["0", ".2", ".8"]]\n'
)


def test_a_matrix_holds_counts_or_shares(tmp_path):
    [matrix] = reader.read_suite(written(tmp_path, WHOLE + MATRIX)).matrices
    assert matrix.rows == ((5, 0, 0), (1, 4, 0), ("0", "1", "4"))
    assert (matrix.where, matrix.of, matrix.shares, matrix.mean_of) == ("Figure 7", None, False, 1)
    [matrix] = reader.read_suite(written(tmp_path, WHOLE + SHARES)).matrices
    assert matrix.shares and matrix.rows[1] == ("20%", "80 %", "0%")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (MATRIX.replace("[5, 0, 0], ", ""), "rows: 2 rows of 3; [test_set] has 3 classes"),
        (MATRIX.replace("[5, 0, 0]", "[5, 0]"), "rows: 3 rows of 2 or 3; [test_set] has"),
        (MATRIX.replace("[5, 0, 0]", "[5.0, 0, 0]"), "rows must be a list of rows, each a list"),
        (MATRIX.replace("[5, 0, 0]", "[-5, 0, 0]"), "row 1: '-5' is not a whole number"),
        (MATRIX.replace('"4"', '"0.4"'), "row 3: '0.4' is not a whole number of images; a matrix"),
        (SHARES.replace('"1.0"', "1"), "row 1: 1 is a number; write shares as strings"),
        (SHARES.replace("20%", "20"), "row 2: '20' is not a share from 0 to 1; a percentage needs"),
        (SHARES.replace("20%", "120%"), "row 2: '120%' is not a share from 0 to 1"),
        (MATRIX.split("rows")[0], "the key 'rows' is missing"),
        (101 * MATRIX, "101 entries; at most 100 are allowed"),
    ],
)
def test_a_bad_matrix_is_refused_with_one_line(tmp_path, text, what):
    message = refusal_of(written(tmp_path, WHOLE + text))
    assert message.startswith(("[[matrix]] 1 (Figure 7): ", "[[matrix]]: ")) and what in message


def test_a_figure_may_be_a_count_a_cell_a_limit_or_a_mean_over_folds(tmp_path):
    text = TEST_SET + "".join(
        f'[[reported]]\nwhere = "text"\n{keys}\n'
        for keys in (
            'metric = "correct"\nvalue = "13"', 'metric = "errors"\nvalue = "2.4"\nmean_of = 5',
            'metric = "cell"\nclass = 2\npredicted_as = 0\nvalue = "5"',
            'metric = "accuracy"\nvalue = "80%"\nbound = "at least"\nrounding = "truncated"',
            'metric = "accuracy"\nvalue = "80"\nfolds = 3\nsd = "1.5"',
            'metric = "f1"\naverage = "weighted"\nvalue = "0.8"',
        )
    )  # fmt: skip
    figures = reader.read_suite(written(tmp_path, text)).reported
    assert [f.metric for f in figures[:3]] == ["correct", "errors", "cell"]
    assert (figures[2].class_, figures[2].predicted_as) == (2, 0)
    limit = figures[3].interval("nearest")  # its own rule counts
    assert (limit.low, limit.high) == (Fraction("0.8"), 1)
    sd = figures[4].sd_interval()
    assert (sd.low, sd.high) == (Fraction("0.0145"), Fraction("0.0155"))  # in percent like 80
    assert figures[5].average == "weighted"


def test_a_small_suite_is_read(tmp_path):
    suite = reader.read_suite(written(tmp_path, WHOLE))
    assert (suite.title, suite.n_per_class) == ("suite", (5, 5, 5))
    assert suite.rows == (claims.Row("Table 3", "A", "a", "90.0"),)
    assert suite.reported == (claims.ReportedFigure("Table 2", "kappa", "0.75", of="a"),)
    assert suite.not_transcribed == (claims.NotTranscribed("Table 1", "all", "unread"),)


ALTERED = {  # old text in WHOLE, new text, beginning of the message, and a part of it
    "unknown key at the top": (TEST_SET, "colour = 1\n" + TEST_SET, "top level", "'colour'"),
    "unknown key of a row": ('runner = "a"', 'runer = "a"', "[[row]] 1", "'runer'"),
    "unknown key of a figure": ('value = "0.75"', 'velue = "0.75"', "[[reported]] 1", "'velue'"),
    "unknown key of the test set": ("[5, 5, 5]", "[5, 5]\nn = 3", "[test_set]", "'n'"),
    "key with a line break": (TEST_SET, '"a\\nb" = 1\n' + TEST_SET, "top level", "'a\\nb'"),
    "duplicate row": (REPORTED, ROW, "[[row]] 2", "'A' of Table 3 is already in [[row]] 1"),
    "row without a figure": ('claimed = "90.0"\n', "", "[[row]] 1 (A)", "needs it"),
    "row without a label": ('label = "A"\n', "", "[[row]] 1", "'label' is missing"),
    "two models": ('runner = "a"', 'runner = "a"\nestimator = "b"', "[[row]] 1", "not both"),
    "row without a place": ('where = "Table 3"\n', "", "[[row]] 1", "'where' is missing"),
    "figure as a number": ('"90.0"', "90.0", "[[row]] 1", "claimed must be a string"),
    "figure as a date": ('"90.0"', "2020-01-01", "[[row]] 1", "claimed must be a string"),
    "label in two lines": ('"A"', '"A\\nB"', "[[row]] 1", "label must be a string of one line"),
    "claim not a number": ('"90.0"', '"ninety"', "[[row]] 1 (A)", "claimed: 'ninety' is not a"),
    "claim with an exponent": ('"90.0"', '"1e99999999"', "[[row]] 1 (A)", "is not a number"),
    "claim above 100": ('"90.0"', '"900"', "[[row]] 1 (A)", "outside [0, 1]"),
    "source below 0": ('"90.0"', '"90.0"\nsource = "-1"', "[[row]] 1 (A)", "source: accuracy -1"),
    "certainty": ('"90.0"', '"90.0"\ncertainty = "sure"', "[[row]] 1 (A)", "one of: verified"),
    "recipe": ('"90.0"', '"90.0"\nrecipe = "cake"', "[[row]] 1 (A)", "must be one of: stated"),
    "row as a table": (ROW + REPORTED, ROW.replace("[[row]]", "[row]"), "top level", "row must be"),
    "rows as numbers": (WHOLE, "row = [1]\n" + TEST_SET, "[[row]] 1", "is not a table"),
    "rows as text": (WHOLE, 'row = "A"\n' + TEST_SET, "top level", "row must be a list of tables"),
    "unknown metric": ('"kappa"', '"kapa"', "[[reported]] 1 (Table 2)", "'kapa' is not one of"),
    "figure missing": ('value = "0.75"\n', "", "[[reported]] 1", "'value' is missing"),
    "figure not a number": ('"0.75"', '"high"', "[[reported]] 1 (Table 2)", "'high' is not a num"),
    "figure out of range": ('"0.75"', '"101%"', "[[reported]] 1 (Table 2)", "outside [-1, 1]"),
    "average of what": ('"kappa"', '"f1"', "[[reported]] 1 (Table 2)", "f1 needs class = NUMBER"),
    "kappa of a class": ('"0.75"', '"0.75"\nclass = 1', "[[reported]] 1", "not a figure of one"),
    "class too high": ('"kappa"', '"f1"\nclass = 3', "[[reported]] 1", "class 3 is not one of 0"),
    "class below 0": ('"kappa"', '"f1"\nclass = -1', "[[reported]] 1", "class -1 is not one of"),
    "class as text": ('"kappa"', '"f1"\nclass = "1"', "[[reported]] 1", "must be a whole number"),
    "class as truth": ('"kappa"', '"f1"\nclass = true', "[[reported]] 1", "must be a whole number"),
    "class and average": (
        '"kappa"', '"f1"\nclass = 1\naverage = "macro"', "[[reported]] 1", "not both",
    ),
    "other average": (
        '"kappa"', '"f1"\naverage = "samples"', "[[reported]] 1", "one of: macro, weighted, micro",
    ),
    "weighted kappa": ('"0.75"', '"0.75"\naverage = "weighted"', "[[reported]] 1", "no weighted"),
    "sd of one run": ('"0.75"', '"0.75"\nsd = "0.1"', "[[reported]] 1", "needs the number of runs"),
    "sd below 0": ('"0.75"', '"0.75"\nmean_of = 3\nsd = "-1"', "[[reported]] 1", "sd: -1 is below"),
    "sd too large": (
        '"0.75"', '"0.75"\nfolds = 3\nsd = "3"', "[[reported]] 1", "sd: 3 is larger than the range",
    ),
    "sd of a claim": ('"90.0"', '"90.0"\nsd = "0.1"', "[[row]] 1 (A)", "needs the number of runs"),
    "bound of no claim": (
        'where = "Table 3"\nlabel = "A"\nclaimed = "90.0"',
        'where = "text"\nlabel = "A"\nbound = "at most"', "[[row]] 1 (A)", "'bound' needs the key",
    ),
    "other bound": ('"90.0"', '"90.0"\nbound = "over"', "[[row]] 1 (A)", "one of: at least, at mo"),
    "least MSE": ('"kappa"', '"mse"\nbound = "at least"', "[[reported]] 1", "no largest value"),
    "other rounding": ('"0.75"', '"0.75"\nrounding = "up"', "[[reported]] 1", "one of: nearest"),
    "folds and best": (
        '"kappa"', '"accuracy"\nfolds = 5\nbest_of = 2', "[[reported]] 1", "folds or best_of, not",
    ),
    "sizes of no folds": (
        '"0.75"', '"0.75"\nfold_sizes = "unknown"', "[[reported]] 1", "'fold_sizes' needs the key",
    ),
    "classes of no folds": (
        '"0.75"', '"0.75"\nstratified = true', "[[reported]] 1", "'stratified' needs the key",
    ),
    "unknown stratified folds": (
        '"0.75"', '"0.75"\nfolds = 5\nfold_sizes = "unknown"\nstratified = true',
        "[[reported]] 1", "stratified folds have equal sizes",
    ),
    "no folds": ('"0.75"', '"0.75"\nfolds = 0', "[[reported]] 1", "from 1 to 10,000"),
    "cell without a class": (
        '"kappa"\nvalue = "0.75"', '"cell"\nvalue = "2"', "[[reported]] 1", "cell needs class =",
    ),
    "cell of a kappa": ('"0.75"', '"0.75"\npredicted_as = 1', "[[reported]] 1", 'metric = "cell"'),
    "cell above the class": (
        '"kappa"\nvalue = "0.75"', '"cell"\nvalue = "6"\nclass = 0\npredicted_as = 1',
        "[[reported]] 1", "value: 6 of 5 images of class 0",
    ),
    "cell of another class": (
        '"kappa"\nvalue = "0.75"', '"cell"\nvalue = "2"\nclass = 0\npredicted_as = 3',
        "[[reported]] 1", "class 3 is not one of 0 to 2",
    ),
    "half an image right": (
        '"kappa"\nvalue = "0.75"', '"correct"\nvalue = "2.5"', "[[reported]] 1", "whole number of",
    ),
    "more images than there are": (
        '"kappa"\nvalue = "0.75"', '"errors"\nvalue = "16"', "[[reported]] 1", "16 of 15 images",
    ),
    "percent of images": (
        '"kappa"\nvalue = "0.75"', '"errors"\nvalue = "16%"', "[[reported]] 1", "not a percentage",
    ),
    "reason missing": ('why = "unread"\n', "", "[[not_transcribed]] 1", "'why' is missing"),
    "title as a number": (TEST_SET, "[tables]\noverall = 2\n" + TEST_SET, "[tables]", "a string"),
    "unknown table": (TEST_SET, '[tables]\nall = "T"\n' + TEST_SET, "[tables]", "'all'"),
    "other runners as text": (
        TEST_SET, 'other_runners = "no"\n' + TEST_SET, "top level", "must be true or false",
    ),
    "half a metric": ('"kappa"', '"kapp"', "[[reported]] 1 (Table 2)", "did you mean kappa?"),
    "no test set": (TEST_SET, "", "top level", "'test_set' is missing"),
    "test set as a list": (TEST_SET, "test_set = [5, 5]\n", "top level", "must be a table"),
    "no sizes": ("n_per_class = [5, 5, 5]\n", "", "[test_set]", "'n_per_class' is missing"),
    "sizes as a number": ("[5, 5, 5]", "15", "[test_set]", "n_per_class must be a list of two"),
    "no class": ("[5, 5, 5]", "[]", "[test_set]", "two or more positive whole numbers"),
    "one class": ("[5, 5, 5]", "[5]", "[test_set]", "two or more positive whole numbers"),
    "empty class": ("[5, 5, 5]", "[5, 0, 5]", "[test_set]", "two or more positive whole numbers"),
    "negative class": ("[5, 5, 5]", "[5, -5]", "[test_set]", "two or more positive whole numbers"),
    "half an image": ("[5, 5, 5]", "[5, 2.5]", "[test_set]", "two or more positive whole numbers"),
    "truth as size": ("[5, 5, 5]", "[5, true]", "[test_set]", "two or more positive whole numbers"),
    "year as text": (TEST_SET, 'year = "2020"\n' + TEST_SET, "top level", "year must be a whole"),
    "invalid TOML": ('"90.0"', '"90.0', "not valid TOML", "at line 6"),
    "key twice": ('runner = "a"', 'runner = "a"\nrunner = "b"', "not valid TOML", "at line 8"),
    "endless number": ("[5, 5, 5]", "9" * 5_000, "not valid TOML", "4300 digits"),
    "endless brackets": ("[5, 5, 5]", "[" * 5_000, "not valid TOML", ""),
}  # fmt: skip


CONTROL = 'control = { dataset = "mnist", claimed = "87.3" }'
STATEMENT = '[[statement]]\nwhere = "Eq. 4"\nkind = "formula"\ntext = "F"\nmetric = "f1"\n'
FORMULA = STATEMENT + 'formula = "2 * precision"\n'
TIME = '[[statement]]\nwhere = "text"\nkind = "training time"\ntext = "80"\nminutes = "80"\n'
GRID = '[[grid]]\nname = "trees"\nlabels = ["A"]\n'

ADDED = {  # lines added to the row or the figure, or entries added at the end of WHOLE
    "best of no run": ("row", "best_of = 0", "best_of must be a whole number from 1 to 10,000"),
    "picked and scored": (
        "row", 'picked = "best epoch"\nscored_as = "sign"', "give picked or scored_as, not both",
    ),
    "mean and best": ("row", "mean_of = 2\nbest_of = 3", "give mean_of or best_of, not both"),
    "unknown release": ("row", 'images = "second"', "must be one of: today, first release, not"),
    "unknown pick": ("row", 'picked = "best"', "must be one of: best epoch, best of a grid, not"),
    "pick without a grid": ("row", 'picked = "best of a grid"', "needs the key 'grid'"),
    "grid without a pick": ("row", 'grid = "g"', "the key 'grid' needs picked = \"best of a grid"),
    "grid of another pick": (
        "row", 'picked = "best epoch"\ngrid = "g"', "the key 'grid' needs picked =",
    ),
    "unknown grid": (
        "row", 'picked = "best of a grid"\ngrid = "tree"', "no [[grid]] 'tree': did you mean tree",
    ),
    "half unit": ("row", 'half_unit = "0"', "half_unit: 0 is not above 0 and at most 1"),
    "control not a table": ("row", 'control = "87.3"', "control: is not a table"),
    "control without a figure": (
        "row", 'control = { dataset = "mnist" }', "control: the key 'claimed' is missing",
    ),
    "control on unknown data": (
        "row", CONTROL.replace("mnist", "digits"),
        "control: dataset 'digits' is not one of: mnist, kmnist",
    ),
    "control on the row's own data": (
        "row", CONTROL.replace("mnist", "fashion-mnist"),
        "control: dataset 'fashion-mnist' is the data set of the row; allowed: mnist, kmnist",
    ),
    "control not a number": ("row", CONTROL.replace("87.3", "x"), "control: claimed: 'x' is not a"),
    "control with a number": (
        "row", CONTROL.replace('"87.3"', "87.3"), "control: claimed must be a string of one line",
    ),
    "control with an unknown key": (
        "row", CONTROL.replace("claimed", "claim"), "control: unknown key 'claim': did you mean",
    ),
    "mean of no run in the control": (
        "row", CONTROL.replace("}", ", mean_of = 0 }"), "control: mean_of must be a whole number",
    ),
    "best of no run in a figure": ("reported", "best_of = 0", "best_of must be a whole number"),
    "best kappa": ("reported", "best_of = 3", "kappa cannot have best_of: only accuracy can"),
    "unknown alternative": (
        "reported", 'alternative_metric = "kapa"', "alternative_metric: metric 'kapa' is not one",
    ),
    "same alternative": (
        "reported", 'alternative_metric = "Cohen\'s kappa"', "kappa is the figure's metric",
    ),
    "alternative of a class": (
        "reported", 'alternative_metric = "recall"', "alternative_metric: recall needs class =",
    ),
    "formula without a metric": (
        "end", FORMULA.replace('metric = "f1"\n', ""), 'kind = "formula" needs the key \'metric\'',
    ),
    "formula missing": ("end", STATEMENT, 'kind = "formula" needs the key \'formula\''),
    "formula of kappa": ("end", FORMULA.replace("f1", "kappa"), "metric: 'kappa' is not one of:"),
    "formula with a power": (
        "end", FORMULA.replace("* p", "** p"), "formula: '2 ** precision' is not allowed; use",
    ),
    "formula with a time": ("end", FORMULA + 'minutes = "80"\n', "'minutes' needs kind = \"train"),
    "formula with runs": ("end", FORMULA + "runs = 10\n", "'runs' needs kind = \"training time"),
    "time without minutes": (
        "end", TIME.replace('minutes = "80"\n', ""), "needs the key 'minutes'",
    ),
    "time of nothing": ("end", TIME.replace('s = "80"', 's = "0"'), "minutes: 0 is not a number o"),
    "time in words": ("end", TIME.replace('s = "80"', 's = "long"'), "minutes: 'long' is not a nu"),
    "time in percent": ("end", TIME.replace('s = "80"', 's = "8%"'), "minutes: 8% is not a number"),
    "kind of statement": ("end", TIME.replace("training t", "t"), "kind must be one of: formula,"),
    "grid of nothing": ("end", GRID.replace('labels = ["A"]\n', ""), "give one of the keys 'estim"),
    "grid of two": ("end", GRID + 'estimator = "B"\n', "give one of the keys 'estimator' and"),
    "grid of another suite": (
        "end", GRID + 'suite = "xiao"\n', "no suite 'xiao'; allowed: kayed2020, xiao2017",
    ),
    "grid of an unknown row": ("end", GRID.replace('"A"', '"B"'), "no [[row]] of this file is 'B'"),
    "grid with a number": ("end", GRID.replace('"A"', '"A", 1'), "labels must be a list of strin"),
    "grid twice": ("end", GRID + GRID, "[[grid]] 1 has this name"),
}  # fmt: skip


@pytest.mark.parametrize("name", ADDED)
def test_a_bad_kind_of_claim_is_refused_with_one_line_that_names_the_entry(tmp_path, name):
    place, added, what = ADDED[name]
    text = {
        "row": WHOLE.replace('runner = "a"\n', f'runner = "a"\n{added}\n') + GRID,
        "reported": WHOLE.replace('value = "0.75"\n', f'value = "0.75"\n{added}\n'),
        "end": WHOLE + added,
    }[place]
    message = refusal_of(written(tmp_path, text))
    entry = {"row": "[[row]] 1 (A)", "reported": "[[reported]] 1 (Table 2)", "end": "[["}[place]
    assert message.startswith(entry) and what in message


KINDS = """
mean_of = 5
picked = "best of a grid"
grid = "trees"
images = "first release"
control = { dataset = "mnist", claimed = "87.3", mean_of = 5 }
half_unit = "0.05%"
"""


def test_a_row_may_state_the_kind_of_its_claim_and_a_control(tmp_path):
    text = WHOLE.replace('runner = "a"\n', 'runner = "a"' + KINDS) + GRID + FORMULA + TIME
    suite = reader.read_suite(written(tmp_path, text))
    [row] = suite.rows
    assert (row.mean_of, row.picked, row.grid, row.images) == (
        5, "best of a grid", "trees", "first release",
    )  # fmt: skip
    assert row.control == claims.Control("mnist", "87.3", 5) and row.half_unit == "0.05%"
    assert suite.grids == (claims.Grid("trees", labels=("A",)),)
    assert reader.find_grid_rows(suite, "trees", row.dataset) == (row,)
    formula, time = suite.statements
    assert (formula.kind, formula.metric, time.minutes) == ("formula", "f1", "80")


def test_a_figure_may_be_the_best_of_some_runs_and_may_have_a_second_meaning(tmp_path):
    text = WHOLE.replace('"kappa"', '"test accuracy"\nbest_of = 3')
    [figure] = reader.read_suite(written(tmp_path, text)).reported
    assert (figure.metric, figure.best_of, figure.alternative_metric) == ("accuracy", 3, None)
    text = WHOLE.replace('"kappa"', '"mse"\nalternative_metric = "mean absolute error"')
    [figure] = reader.read_suite(written(tmp_path, text)).reported
    assert (figure.metric, figure.alternative_metric) == ("mse", "mae")


def test_a_grid_without_a_row_on_the_data_set_is_refused_when_it_is_needed(tmp_path):
    grid = GRID.replace('labels = ["A"]', 'suite = "xiao2017"\nestimator = "sklearn.tree:Pine"')
    suite = reader.read_suite(written(tmp_path, WHOLE + grid))
    with pytest.raises(UserError, match="no row of xiao2017 on mnist is 'sklearn"):
        reader.find_grid_rows(suite, "trees", "mnist")


def test_a_row_may_name_no_model(tmp_path):
    [row] = reader.read_suite(written(tmp_path, WHOLE.replace('runner = "a"\n', ""))).rows
    assert (row.runner, row.estimator) == ("", "")


@pytest.mark.parametrize("name", ALTERED)
def test_a_bad_suite_is_refused_with_one_line_that_names_the_entry(tmp_path, name):
    old, new, place, what = ALTERED[name]
    assert old in WHOLE
    message = refusal_of(written(tmp_path, WHOLE.replace(old, new)))
    assert message.startswith(place)
    assert what in message


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "the file is empty"), (b"# nothing\n", "the file is empty"),
     (WHOLE.encode("utf-16"), "not a UTF-8 text file"), (b"\xff\xfe", "not a UTF-8 text file"),
     (b"\x00" * 100, "not valid TOML"), (b"#" * (reader.MAX_BYTES + 1), "larger than 1 MiB")],
    ids=["empty", "comments", "UTF-16", "not text", "zeros", "huge"],
)  # fmt: skip
def test_a_file_that_is_not_a_suite_is_refused(tmp_path, content, what):
    assert refusal_of(written(tmp_path, content)).startswith(what)


def test_a_file_of_the_largest_size_is_read(tmp_path):
    padding = b"#" * (reader.MAX_BYTES - len(WHOLE.encode()))
    assert reader.read_suite(written(tmp_path, WHOLE.encode() + padding)).rows


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this machine has no endless file")
def test_a_suite_file_without_end_is_refused():
    assert refusal_of(Path("/dev/zero")).startswith("larger than")


@pytest.mark.parametrize("name", ["...toml", "..toml", "records.toml"])
def test_a_file_whose_tables_would_be_written_elsewhere_is_refused(tmp_path, name):
    """The tables of a suite are written into the folder of its name in a results folder."""
    path = tmp_path / name
    path.write_text("[test_set]\nn_per_class = [1, 1]\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"a suite cannot be called '.+rename the file$"):
        reader.read_suite(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    (tmp_path / "claims.toml").touch()
    with pytest.raises(UserError) as error:
        reader.read_suite(tmp_path / "claim.toml")
    missing = str(tmp_path / "claim.toml")
    assert str(error.value) == f"there is no file '{missing}': did you mean claims.toml?"
    assert "cannot be read" in refusal_of(tmp_path)


# ---------------------------------------------------------------- altered suites

PARSED = tomllib.loads(bundled.find_bundled_suite().read_text(encoding="utf-8"))
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.just(datetime.date(2020, 1, 1))
    | st.sampled_from(["macro", "f1", "98.80%", "lenet5", "Table 3", "verified", "a\nb"])
)  # fmt: skip
KEYS = st.text(max_size=3) | st.sampled_from(["class", "average", "claimed", "row", "value"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)


def containers(value) -> list:
    inner = value.values() if isinstance(value, dict) else value
    found = [value] if value else []
    return found + [c for v in inner if isinstance(v, dict | list) for c in containers(v)]


def alter(content: dict, draw) -> None:
    place = draw(st.sampled_from(containers(content)))
    key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    match draw(st.sampled_from(["replace", "delete", "add", "double"])):
        case "replace":
            place[key] = draw(VALUES)
        case "delete":
            del place[key]
        case "add" if isinstance(place, dict):
            place[draw(KEYS)] = draw(VALUES)
        case _ if isinstance(place, list):
            place.append(copy.deepcopy(place[key]))


@pytest.mark.slow
@settings(max_examples=200)
@given(st.data())
def test_an_altered_suite_can_be_printed_or_is_refused_with_one_line(data):
    content = copy.deepcopy(PARSED)
    for _ in range(data.draw(st.integers(1, 3))):
        if content:
            alter(content, data.draw)
    path = Path("altered.toml")
    try:
        suite = reader.build_suite(content, path)
    except UserError as error:
        assert len(str(error).splitlines()) == 1
        assert str(error).startswith("altered.toml: ")
        return
    try:
        results = evaluation.read_results(Path("no-such-folder"), suite)
    except UserError as error:  # a grid whose rows are in no other suite
        assert len(str(error).splitlines()) == 1 and "[[grid]]" in str(error)
        return
    built = [tables.build_table(results, name) for name in tables.list_tables(suite)]
    assert len(built[0].rows) == len(suite.rows)


@settings(max_examples=100)
@given(st.data())
def test_a_file_with_altered_bytes_is_read_or_refused_with_one_line(tmp_path_factory, data):
    content = bundled.find_bundled_suite().read_bytes()
    start = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 20) | st.integers(0, len(content)))
    content = content[:start] + data.draw(st.binary(max_size=10)) + content[start + length :]
    path = written(tmp_path_factory.getbasetemp(), content)
    try:
        reader.read_suite(path)
    except UserError as error:
        assert len(str(error).splitlines()) == 1


def test_a_key_of_very_many_parts_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "deep.toml"
    path.write_text(".".join(["a"] * 50_000) + " = 1\n")
    with pytest.raises(UserError, match=r"deep.toml: not valid TOML: a key has more than"):
        reader.read_suite(path)
