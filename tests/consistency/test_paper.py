"""The check finds the known contradictions between the sources of Kayed et al. 2020."""

from fractions import Fraction

import pytest

from fmbench.consistency import explain
from fmbench.consistency.answer import build_answer
from fmbench.consistency.check import check_consistency
from fmbench.consistency.conflicts import FigureGroup
from fmbench.consistency.solver import WorkLimit
from fmbench.suites import reader
from fmbench.utils.document import format_document
from tests.helpers.answers import format_answer
from tests.helpers.layout import list_bad_lines

pytestmark = pytest.mark.slow

TABLE_1, OVERALL = "Table 1", "Table 1, overall line"
KAPPA, INFORMEDNESS, MSE = "Table 2, kappa", "Table 2, informedness", "Table 2, MSE"
TABLE_3, TEXT = "Table 3", "text, Section 4.2"


@pytest.fixture(scope="module")
def paper():
    return reader.read_suite()


@pytest.fixture(scope="module")
def results(paper):
    return {rule: check_consistency(paper, rule, work=600_000) for rule in ("nearest", "truncated")}


@pytest.fixture(scope="module")
def nearest(results):
    return results["nearest"]


def source_of(result, name):
    [source] = [s for s in result.sources if (s.name, s.of) == (name, "lenet5")]
    return source


def pair_of(result, *names):
    [pair] = [
        pair for pair in result.pairs
        if {result.sources[pair.first].name, result.sources[pair.second].name} == set(names)
    ]  # fmt: skip
    return pair


def percent(low, high):
    return Fraction(low) / 100, Fraction(high) / 100


@pytest.mark.parametrize(
    ("rule", "name", "low", "high"),
    [
        ("nearest", TABLE_1, "98.91", "99.60"),  # 40 to 109 wrong
        ("truncated", TABLE_1, "99.40", "99.93"),  # 7 to 60 wrong
        ("nearest", KAPPA, "77.05", "77.95"),
        ("nearest", INFORMEDNESS, "78.85", "79.75"),
        ("nearest", TABLE_3, "98.80", "98.80"),
        ("nearest", TEXT, "98.85", "98.95"),
    ],
)
def test_each_source_allows_the_known_accuracies(results, rule, name, low, high):
    source = source_of(results[rule], name)
    assert source.possible is True
    assert source.implied["accuracy"] == percent(low, high)


def test_the_table_of_classes_implies_kappa_mse_and_mae(nearest):
    implied = source_of(nearest, TABLE_1).implied
    assert [round(float(end), 4) for end in implied["kappa"]] == [0.9879, 0.9956]
    assert implied["mse"][1] == Fraction("0.313")
    assert implied["mae"][1] == Fraction("0.0516")


def find_accuracy(paper, members):
    group = FigureGroup(
        paper.n_per_class, {i: paper.reported[i] for i in members}, "nearest", WorkLimit(60_000)
    )
    return group.find_implied(members)["accuracy"]


def test_the_table_with_its_overall_line_allows_fewer_accuracies(paper, nearest):
    members = [*source_of(nearest, TABLE_1).figures, *source_of(nearest, OVERALL).figures]
    assert len(members) == 33
    assert find_accuracy(paper, members) == percent("98.91", "99.50")


@pytest.mark.parametrize(
    ("metric", "low", "high"),
    [
        ("recall", "98.80", "99.65"), ("precision", "98.90", "99.70"), ("f1", "98.70", "99.60"),
    ],
)  # fmt: skip
def test_each_column_of_the_table_allows_the_known_accuracies(paper, nearest, metric, low, high):
    members = [i for i in source_of(nearest, TABLE_1).figures if paper.reported[i].metric == metric]
    assert len(members) == 10
    assert find_accuracy(paper, members) == percent(low, high)


@pytest.mark.parametrize(
    ("first", "second", "severity"),
    [
        (KAPPA, TABLE_3, 46.8), (INFORMEDNESS, TABLE_3, 42.9),
        (TABLE_1, KAPPA, 23.05), (TABLE_1, INFORMEDNESS, 21.16),
        (OVERALL, KAPPA, 22.63), (OVERALL, INFORMEDNESS, 20.74),
        (TABLE_1, MSE, 3.01), (KAPPA, INFORMEDNESS, 2.0),
        # With whole numbers. If matrices could have fractions, it would be 1.18.
        (TABLE_1, TABLE_3, 1.207),
    ],
)  # fmt: skip
def test_the_severity_of_each_contradiction_is_known(nearest, first, second, severity):
    pair = pair_of(nearest, first, second)
    assert pair.verdict == "contradictory"
    assert pair.severity == pytest.approx(severity, rel=0.01)


def test_no_other_pair_contradicts_itself(nearest):
    assert len(nearest.contradicting_pairs) == len(nearest.conflicts) == 9
    assert {pair.verdict for pair in nearest.pairs} == {"contradictory", "agree", "not compared"}
    assert not nearest.not_checked and nearest.complete


def test_the_mse_is_compared_as_mean_absolute_error_too(nearest):
    metric, severity = pair_of(nearest, TABLE_1, MSE).alternative
    assert metric == "mae" and severity == pytest.approx(21.1, rel=0.01)
    assert "read as MAE: 21" in explain.describe_pair(pair_of(nearest, TABLE_1, MSE), nearest)
    assert pair_of(nearest, TABLE_1, TABLE_3).alternative is None


def test_the_pairs_are_listed_from_the_worst_to_the_least(nearest):
    severities = [pair.severity for pair in nearest.contradicting_pairs]
    assert severities == sorted(severities, reverse=True)
    assert nearest.pairs[: len(severities)] == nearest.contradicting_pairs


def test_ten_precisions_are_the_reason_why_table_1_excludes_98_80(paper, nearest):
    reason = pair_of(nearest, TABLE_1, TABLE_3).reason
    precisions = [i for i in reason if paper.reported[i].metric == "precision"]
    [accuracy] = set(reason) - set(precisions)
    assert [paper.reported[i].class_ for i in precisions] == list(range(10))
    assert paper.reported[accuracy].value == "98.80%"
    [conflict] = [c for c in nearest.conflicts if c.members == reason]
    assert conflict.forced_figure == accuracy
    assert conflict.forced_range == percent("98.90", "99.70")
    text = explain.describe_reason(conflict, nearest)
    assert text == "precision of all 10 classes forces accuracy 98.900 to 99.700 %"


@pytest.mark.parametrize("rule", ["nearest", "truncated"])
def test_each_reason_is_irreducible(paper, results, rule):
    figures = {i: f for i, f in enumerate(paper.reported) if f.mean_of == 1}
    group = FigureGroup(paper.n_per_class, figures, rule, WorkLimit(120_000))
    assert len(results[rule].conflicts) == len(results[rule].contradicting_pairs)
    for conflict in results[rule].conflicts:
        assert group.decide(conflict.members) is False
        for left_out in conflict.members:
            assert group.decide(set(conflict.members) - {left_out}) is True


def test_the_mean_of_ten_runs_is_not_held_against_one_run(nearest):
    assert pair_of(nearest, TABLE_1, TEXT).verdict == "agree"
    apart = pair_of(nearest, TABLE_3, TEXT)
    assert apart.verdict == "not compared"
    assert apart.note == "one run and the mean of 10 runs are different runs"


def test_the_largest_set_of_sources_that_agree_is_table_1_with_the_text(nearest):
    agreeing = [nearest.sources[i].name for i in nearest.agreeing]
    assert agreeing == [TABLE_1, OVERALL, TEXT]


def test_kappa_and_informedness_are_said_to_be_equal_on_a_balanced_test_set_only(nearest):
    line = explain.describe_pair(pair_of(nearest, KAPPA, INFORMEDNESS), nearest)
    assert line.endswith("severity 2.0; the two are equal only on a balanced test set, as here")


def test_a_pair_is_described_in_one_line_with_what_each_source_allows(nearest):
    assert explain.describe_pair(pair_of(nearest, KAPPA, TABLE_3), nearest) == (
        "Table 2, kappa: accuracy 77.05 to 77.95 %; Table 3: 98.80 %; severity 47"
    )
    assert explain.describe_pair(pair_of(nearest, TABLE_1, MSE), nearest) == (
        "Table 1: MSE 0.004 to 0.313; Table 2, MSE: 0.655 to 0.665; severity 3.0; read as MAE: 21"
    )
    assert explain.describe_source(source_of(nearest, TABLE_3), nearest) == (
        "Table 3: accuracy 98.80 %, kappa 0.987, MSE 0.012 to 0.972, MAE 0.012 to 0.108"
    )


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (KAPPA, TABLE_3, "Table 2, kappa (0.75) allows an accuracy of 77.05 to 77.95 %, but "
                         "Table 3 prints 98.80 % (severity 47)"),
        (TABLE_1, KAPPA, "Table 1 allows an accuracy of 98.91 to 99.60 %, but Table 2, kappa "
                         "(0.75) allows one of 77.05 to 77.95 % (severity 23)"),
        (TABLE_1, TABLE_3, "Table 1 allows an accuracy of 98.91 to 99.60 %, but Table 3 prints "
                           "98.80 % (severity 1.21)"),
        (TABLE_1, MSE, "Table 1 allows an MSE of 0.004 to 0.313, but Table 2, MSE prints 0.66 "
                       "(severity 3.0; read as MAE: 21)"),
    ],
)  # fmt: skip
def test_the_four_contradictions_are_named_in_words(nearest, first, second, sentence):
    pair = pair_of(nearest, first, second)
    assert explain.describe_pair_in_words(pair, nearest) == sentence


def test_the_text_answers_first(nearest):
    text = format_answer(nearest, 80)
    _, _, verdict, pairs, note, agreeing, *_ = text.split("\n\n")
    assert verdict == "Contradictory: 9 of 18 pairs of sources cannot both be true."
    title, head, first, *_, last = pairs.splitlines()
    assert title == "Pairs of sources that contradict each other, the worst first"
    assert head.split() == ["severity", "source", "contradicts"]
    assert " ".join(first.split()) == "47 Table 2, kappa: 77.05 to 77.95 % Table 3: 98.80 %"
    assert " ".join(last.split()) == "1.21 Table 1: 98.91 to 99.60 % Table 3: 98.80 %"
    assert "stands what it allows: accuracies" in note
    assert agreeing.splitlines()[1:] == [
        "- Table 1", "- Table 1, overall line", "- text, Section 4.2 (mean of 10 runs)"
    ]  # fmt: skip
    assert "reason" not in text and "Each figure alone" not in text
    explained = format_answer(nearest, explain=True)
    assert "| accuracy 98.80 % forces kappa 0.9867 " in explained


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_of_the_text_is_too_long_and_no_word_is_cut(nearest, width):
    document = build_answer(nearest, explain=True, all_figures=True)
    assert not list_bad_lines(document, width)
    text = format_document(document, "text", width)
    for words in ("77.05", "Figure by figure", "What each source allows", "Each figure alone"):
        assert words in text


def test_the_rows_of_pairs_and_sources_say_the_same(nearest):
    first, *_ = explain.build_pair_rows(nearest)
    assert first == {
        "severity": "47",
        "what each allows": "Table 2, kappa: accuracy 77.05 to 77.95 %; Table 3: 98.80 %",
        "a short reason": "accuracy 98.80 % forces kappa 0.9867",
    }
    assert len(explain.build_pair_rows(nearest)) == 9
    rows = {row["source"]: row for row in explain.build_source_rows(nearest)}
    assert rows[TABLE_1] == {
        "source": TABLE_1, "accuracy, %": "98.91 to 99.60", "kappa": "0.987 to 0.996",
        "MSE": "0.004 to 0.313", "MAE": "0.004 to 0.052",
    }  # fmt: skip
