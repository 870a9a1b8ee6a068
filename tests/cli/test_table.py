"""`fmbench table NAME` and `--verdict`: only some rows, with the verdicts of the whole table."""

import csv
import io

import pytest

from fmbench.analysis.verdicts import VerdictKind
from fmbench.cli.table import VerdictWord
from tests.helpers.commands import call_fmbench


@pytest.fixture
def read_rows(tmp_path):
    """``read_rows("knn")``: the rows that a table has, and the message about them."""

    def read(*arguments):
        done = call_fmbench("table", *arguments, "--format", "csv", "--results", tmp_path)
        assert done.returncode == 0, done.stderr
        return list(csv.DictReader(io.StringIO(done.stdout)))

    return read


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["svc-rbf"], ["Support Vector Classifier with rbf kernel", "SVC"]),
        (["SVC"], ["SVC"]),  # the label of one row
        (["knn", "LeNet-5"], ["KNeighborsClassifier", "CNN-LeNet-5"]),
        (["cnn-lenet-5 as section 4 describes it"], ["CNN-LeNet-5 as Section 4 describes it"]),
    ],
)
def test_a_name_is_that_of_a_runner_an_alias_or_a_label(read_rows, names, labels):
    assert [row["label"] for row in read_rows(*names)] == labels


def test_a_row_has_the_verdict_of_the_whole_table(read_rows):
    whole = {row["runner"]: row for row in read_rows()}
    assert read_rows("lenet5", "sgd") == [whole["sgd"], whole["lenet5"]]  # p values, too


def test_a_verdict_or_a_group_of_verdicts_selects_rows(read_rows):
    whole = read_rows()
    for word in ("untestable", "Not  Reproduced", "not reproduced, claim higher", "reproduced"):
        begins = " ".join(word.lower().split())
        expected = [row for row in whole if row["verdict"].startswith(begins)]
        assert read_rows("--verdict", word) == expected != []
    both = read_rows("--verdict", "reproduced", "--verdict", "not run")
    assert {row["verdict"] for row in both} == {"reproduced", "not run"}
    assert read_rows("--verdict", "reproduced", "lenet5") == []


def test_the_summary_counts_what_is_shown_and_says_that_this_is_not_all(tmp_path):
    common = ("table", "--results", tmp_path)
    assert "29 rows: " in call_fmbench(*common, "--format", "text").stdout
    text = call_fmbench(*common, "lenet5", "random-forest", "--format", "text").stdout
    assert "\n2 of 29 rows are shown: " in text and "LeNet-5 as" not in text
    for format_ in ("md", "tex", "html"):
        done = call_fmbench(*common, "lenet5", "--format", format_)
        assert "1 of 29 rows is shown" in done.stdout, format_
        assert "GradientBoostingClassifier" not in done.stdout.replace("figure of another", "")


def test_a_row_without_a_model_is_found_by_its_label(own_suite, read_rows):
    [row] = read_rows("ResNet-18", "--suite", own_suite)
    assert (row["claimed"], row["runner"]) == ("93.4", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--verdict", "good"], "; ".join(["untestable", "failed", "not run"])),
        (["lenet5", "--table", "by-class"], "only the table of accuracies has rows to select"),
        (["lenet5", "--format", "review"], "--format review is about all rows"),
        (["--quick", "--verdict", "reproduced"], "`fmbench run --quick` have no verdicts"),
        (["sklearn.svm:SVC"], "the table of kayed2020 has no row of 'sklearn.svm:SVC'"),
        (["svm"], "may mean svc-rbf (RBF kernel, C=10) or linear-svc"),
    ],
)
def test_what_cannot_be_selected_is_one_line(arguments, message, tmp_path):
    done = call_fmbench("table", *arguments, "--results", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_every_word_of_a_verdict_can_be_asked_for():
    for kind in VerdictKind:
        assert VerdictWord().convert(kind.word.upper(), None, None) == {kind}
    both = {VerdictKind.CLAIM_HIGHER, VerdictKind.CLAIM_LOWER}
    assert VerdictWord().convert("not reproduced", None, None) == both


def test_a_suite_of_ones_own_is_told_how_its_rows_get_a_verdict(tmp_path):
    suite = tmp_path / "mine.toml"
    row = '[[row]]\nwhere = "Table 1"\nlabel = "{0}"\nclaimed = "89.9"\nrunner = "svc-rbf"\n{1}'
    stated = row.format("A", 'recipe = "stated"\n')
    per_class = ", ".join(["1000"] * 10)
    for text, is_told in ((stated, False), (stated + row.format("B", ""), True)):
        suite.write_text(f"[test_set]\nn_per_class = [{per_class}]\n{text}", encoding="utf-8")
        done = call_fmbench("table", "--suite", suite, "--results", tmp_path / "none")
        assert done.returncode == 0, done
        assert ("no verdict on 1 row, because mine.toml does not say" in done.stderr) == is_told
