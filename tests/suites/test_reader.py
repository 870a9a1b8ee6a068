"""The paper's claims are transcribed as printed; a bad suite is refused with one clear line."""

from __future__ import annotations

import copy
import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmbench.analysis import evaluation
from fmbench.errors import UserError
from fmbench.metrics.registry import find_metric
from fmbench.report import tables
from fmbench.suites import bundled, claims, reader

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
    "mlp": "87.1",
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
            assert row.cited, row.label
            # The source of the MLP's claimed figure was not found; its figure there is another.
            assert row.certainty in ("verified", "second hand") or row.runner == "mlp", row.label
        if row.certainty == "recalled":
            assert row.source is None, row.label


def test_the_papers_other_figures_are_as_printed():
    figures = [(f.metric, f.average, f.value) for f in reader.read_suite().reported]
    assert figures == [
        ("precision", "macro", "99%"),
        ("recall", "macro", "99%"),
        ("f1", "macro", "99%"),
        ("kappa", None, "0.75"),
        ("informedness", None, "0.77"),
        ("mse", None, "0.66"),
        ("accuracy", None, "98.80%"),
        ("accuracy", None, "98.9%"),
    ]
    assert reader.read_suite().subject == "lenet5"


def test_the_suite_describes_the_test_set_of_fashion_mnist(dataset):
    import numpy as np

    assert reader.read_suite().n_per_class == tuple(np.bincount(dataset.y_test))


def test_a_runner_of_two_rows_is_listed_once():
    names = reader.read_suite().runners
    assert names.count("svc-rbf") == 1
    assert len(names) == len(reader.read_suite().rows) - 1


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
        "claimed, source, cited, certainty, recipe, remark, mean_of, estimator, parameters, dataset"
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
    "row without a runner": ('runner = "a"\n', "", "[[row]] 1", "one of the keys 'runner'"),
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
    "other average": ('"kappa"', '"f1"\naverage = "micro"', "[[reported]] 1", 'must be "macro"'),
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


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    missing = refusal_of(tmp_path / "none.toml")
    assert missing.strip() == "cannot be read: No such file or directory"
    assert "cannot be read" in refusal_of(tmp_path)


# ---------------------------------------------------------------- altered suites

PARSED = reader.tomllib.loads(bundled.find_bundled_suite().read_text(encoding="utf-8"))
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
    results = evaluation.read_results(Path("no-such-folder"), suite)
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
