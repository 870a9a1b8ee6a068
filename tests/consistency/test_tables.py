"""Twelve tables as printed, most of them by scikit-learn, get the verdict that they deserve."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from fmbench.consistency.check import check_consistency
from fmbench.suites import reader
from tests.consistency.test_check import exact_metrics

TABLES = sorted((Path(__file__).parent / "tables").glob("*.toml"))

pytestmark = pytest.mark.slow


def read_verdict(path):
    [verdict] = re.findall(r"\A# (Consistent|Contradictory)\b", path.read_text(encoding="utf-8"))
    return verdict.lower()


def test_the_twelve_tables_are_here():
    assert len(TABLES) == 12
    assert [read_verdict(path) for path in TABLES].count("consistent") == 9


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_table_gets_the_verdict_that_its_first_comment_names(path):
    result = check_consistency(reader.read_suite(path), work=600_000)
    assert result.as_json()["verdict"] == read_verdict(path)
    assert result.complete
    if not result.contradictory:
        assert result.agreeing == tuple(range(len(result.sources)))
        assert not result.not_checked
        assert {pair.verdict for pair in result.pairs} == {"agree"}


def read_matrix(path):
    lines = re.findall(r"^#([ \d]+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [list(map(int, line.split())) for line in lines]


@pytest.mark.parametrize(
    "path", [path for path in TABLES if read_matrix(path)], ids=lambda path: path.stem
)
def test_what_a_table_implies_contains_the_values_of_its_real_matrix(path):
    metrics = exact_metrics(read_matrix(path))
    for source in check_consistency(reader.read_suite(path), work=600_000).sources:
        assert set(source.implied) == {"accuracy", "kappa", "mse", "mae"}
        for name, (low, high) in source.implied.items():
            assert low <= metrics[name, None] <= high


def load(stem):
    [path] = [path for path in TABLES if path.stem.startswith(stem)]
    return check_consistency(reader.read_suite(path), work=600_000)


def describe_contradictions(result):
    names = [source.name for source in result.sources]
    return {(names[pair.first], names[pair.second]) for pair in result.contradicting_pairs}


def test_a_headline_that_is_not_the_reports_accuracy_is_named():
    result = load("nao_robot")
    assert describe_contradictions(result) == {
        ("Accuracy en test", "report, accuracy"), ("Accuracy en test", "classification report")
    }  # fmt: skip
    assert [result.sources[i].name for i in result.agreeing] == [
        "report, accuracy", "classification report"
    ]  # fmt: skip
    # The counts 9,107 and 9,112 must meet at a whole number: 3 and 2 half-units of 0.5 away.
    severity = {pair.first + pair.second: pair.severity for pair in result.contradicting_pairs}
    assert severity[1] == pytest.approx(6, rel=0.01)


def test_averages_that_do_not_belong_to_their_classes_are_named():
    found = describe_contradictions(load("tutorial"))
    assert {
        ("Accuracy", "classification report"), ("weighted averages", "classification report"),
        ("Output", "classification report"),
    } <= found  # fmt: skip


def test_an_accuracy_that_no_count_gives_is_impossible_alone():
    result = load("umbertogriffo")
    impossible = [source for source in result.sources if source.possible is False]
    assert [source.name for source in impossible] == ["fold 3", "fold 4", "fold 5"]
    distance = abs(Fraction(11_083, 12_000) - Fraction("0.923581")) / Fraction("0.0000005")
    assert impossible[0].severity == pytest.approx(float(distance), rel=0.01)
    assert [result.sources[i].name for i in result.agreeing] == [
        "fold 1", "fold 2", "mean of 5 folds"
    ]  # fmt: skip
