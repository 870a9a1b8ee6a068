"""A claim that is known takes over what is known of it; every other claim takes over nothing."""

from dataclasses import replace
from functools import cache

import pytest

from fmbench.analysis.evaluation import judge_suite
from fmbench.analysis.reference import load_reference_summaries
from fmbench.judging.judgement import judge_documents
from fmbench.judging.known_claims import (
    cite_suite,
    find_known_claim,
    find_row_model,
    find_source_rows,
    normalise_label,
)
from fmbench.suites.bundled import find_bundled_suite
from fmbench.suites.reader import build_suite, read_suite
from tests.helpers.found import make_claim, make_extraction, paste_table3


@cache
def list_reference_rows():
    """The rows of Table 3 as `fmbench table --results results/reference` judges them."""
    suite = read_suite()
    summaries = load_reference_summaries(suite)
    rows = judge_suite(suite, summaries, summaries)
    return [row for row in rows if row.where == "Table 3"]


def describe(row):
    verdict, protocol = row.verdict, row.source_protocol
    tested = protocol and protocol.verdict.p_within is not None
    return (
        row.label, str(verdict), verdict.delta_star, verdict.p_within, verdict.p_holm,
        verdict.interval, row.mean, row.sd, row.n, row.row.control, row.misquote,
        str(protocol.verdict) if tested else None,
    )  # fmt: skip


def test_table_3_pasted_gets_the_19_verdicts_of_the_committed_table():
    judgement = judge_documents([paste_table3()])
    assert len(judgement.rows) == 19
    assert list(map(describe, judgement.rows)) == list(map(describe, list_reference_rows()))


def test_three_figures_of_table_3_get_the_facts_of_their_rows():
    claims = [make_claim("CNN", "91.61"), make_claim("SVC", "89.7"), make_claim("SGD", "81.9")]
    rows = judge_documents([make_extraction(*claims)]).rows
    assert [row.runner for row in rows] == ["cnn", "svc-rbf", "sgd"]
    assert str(rows[0].verdict) == "untestable: recipe not stated"
    assert [row.verdict.word for row in rows[1:]] == ["claimed of other images"] * 2


def test_two_equal_figures_may_be_a_coincidence_and_are_judged_by_todays_images():
    claims = [make_claim("CNN", "91.61"), make_claim("SVC", "89.7"), make_claim("SGD", "81.8")]
    judgement = judge_documents([make_extraction(*claims)])
    assert [row.runner for row in judgement.rows] == ["cnn", "svc-rbf", "sgd"]
    assert judgement.rows[1].verdict.word == "reproduced"
    assert any("The same figure stands in Xiao" in note for note in judgement.notes)


def test_a_figure_with_a_spread_of_its_own_is_no_quotation():
    claims = [make_claim("LinearSVC", "83.6"), make_claim("SVC", "89.7"), make_claim("SGD", "81.9")]
    own = replace(claims[1], figure=replace(claims[1].figure, sd="0.2"))
    rows = judge_documents([make_extraction(claims[0], own, claims[2])]).rows
    assert rows[0].verdict.word == "claimed of other images"
    assert rows[1].verdict.word == "reproduced"


@pytest.mark.parametrize("printed", ["89.70", "89.7", "0.897", "89.70%", "0.8970"])
def test_the_same_figure_is_found_however_it_is_printed(printed):
    known = find_known_claim("SVC", printed, "svc-rbf")
    assert (known.row.label, known.row.source) == ("SVC", "89.7")


@pytest.mark.parametrize("printed", ["89.71", "89.69", "89", "0.90"])
def test_another_figure_takes_over_nothing(printed):
    assert find_known_claim("SVC", printed, "svc-rbf") is None


def test_a_label_with_its_figure_decides_where_the_label_alone_is_doubtful():
    assert find_known_claim("CNN", "91.61").row.runner == "cnn"
    assert find_known_claim("CNN", "91.62") is None
    assert find_known_claim("other", "91.61") is None


def test_the_label_of_the_row_chooses_between_two_rows_with_one_figure():
    first = find_known_claim("Support Vector Classifier with rbf kernel", "89.70", "svc-rbf")
    second = find_known_claim("SVC", "89.70", "svc-rbf")
    assert first.row.label != second.row.label


def test_what_the_user_says_of_a_label_comes_before_the_label():
    assert find_known_claim("CNN", "91.61", "lenet5", is_mapped=True) is None
    assert find_known_claim("CNN", "98.80", "lenet5", is_mapped=True).row.runner == "lenet5"


def test_a_figure_of_a_quoted_source_is_recognised_as_such():
    known = find_known_claim("Gaussian naive Bayes", "0.511", "gaussian-nb")
    assert known.is_source
    assert known.sentence == (
        "The same figure stands in Xiao et al. 2017, which Kayed et al. 2020 quote, for the first "
        "release of the images."
    )
    facts = known.list_facts("0.511")
    assert facts["images"] == "first release"
    assert facts["remark"] == known.sentence  # the row's own remark is about another claim


@pytest.mark.parametrize(
    ("label", "printed", "sentence"),
    [
        ("CNN-LeNet-5", "98.80", "The same figure stands in Kayed et al. 2020, Table 3."),
        (
            "CNN with Batch Normalization", "92.22",
            "The same figure stands in Kayed et al. 2020, Table 3, which cites Bhatnagar et al. "
            "2017.",
        ),
        (
            "CNN using Softmax activation function", "91.86",
            "The same figure stands in Agarap 2017, as quoted in Kayed et al. 2020, Table 3.",
        ),
        (
            "GaussianNB", "88.00",
            "The same figure stands in Kayed et al. 2020, Table 3, which cites Xiao et al. 2017, "
            "for the first release of the images.",
        ),
    ],
)  # fmt: skip
def test_the_sentence_names_who_printed_the_figure(label, printed, sentence):
    assert find_known_claim(label, printed).sentence == sentence


def test_the_facts_of_a_row_are_valid_keys_of_a_suite(tmp_path):
    suite = read_suite()
    for row in suite.rows:
        if row.claimed is None:
            continue
        known = find_known_claim(row.label, row.claimed, row.runner)
        entry = {"where": "t", "label": row.label, "claimed": row.claimed}
        entry |= find_row_model(row.runner) | known.list_facts(row.claimed)
        content = {"test_set": {"n_per_class": [10, 10]}, "row": [entry]}
        if grid := known.grid:
            content["grid"] = [
                {"name": grid.name, "suite": grid.suite}
                | ({"labels": list(grid.labels)} if grid.labels else {"estimator": grid.estimator})
            ]
        [built] = build_suite(content, tmp_path / "s.toml").rows
        for key in ("source", "cited", "certainty", "recipe", "images", "control", "picked",
                    "scored_as", "mean_of", "best_of", "half_unit"):  # fmt: skip
            assert getattr(built, key) == getattr(row, key), (row.label, key)


def test_rows_of_the_same_source_claim_nothing():
    [row] = [row for row in read_suite().rows if row.label == "GaussianNB"]
    context = find_source_rows([row])
    assert "GradientBoostingClassifier" in [other.label for other in context]
    assert all(other.claimed is None for other in context)
    assert find_source_rows([]) == []


def test_a_row_with_an_estimator_is_named_by_it():
    suite = read_suite(find_bundled_suite("xiao2017"))
    row = next(row for row in suite.rows if row.dataset == "fashion-mnist")
    model = find_row_model(row.runner)
    assert (model["estimator"], model["parameters"]) == (row.estimator, dict(row.parameters))
    assert find_row_model("lenet5") == {"runner": "lenet5"}
    assert find_row_model("random-forest max_depth=null n_estimators=10") == {
        "runner": "random-forest", "parameters": {"max_depth": "None", "n_estimators": 10}
    }  # fmt: skip
    assert find_row_model("") == {}


def test_suites_are_cited_by_their_authors():
    assert cite_suite(read_suite()) == "Kayed et al. 2020"
    assert cite_suite(read_suite(find_bundled_suite("xiao2017"))) == "Xiao et al. 2017"


def test_labels_are_compared_without_case_and_punctuation():
    assert normalise_label("CNN-LeNet-5") == normalise_label(" cnn  lenet 5")
    assert normalise_label("C=1") != normalise_label("C=10")
