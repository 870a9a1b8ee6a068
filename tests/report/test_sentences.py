"""Tests of the answer in sentences: it follows the claim, the measurement and the verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from fmbench.analysis import evaluation, predictions
from fmbench.analysis.predictions import SuitePredictions
from fmbench.analysis.verdicts import VerdictKind
from fmbench.consistency.check import check_consistency
from fmbench.report.commands import Commands
from fmbench.report.mistakes import collect_findings
from fmbench.report.sentences import Sentence, write_answer
from fmbench.report.story import write_story
from fmbench.suites import claims, reader

SUITE = reader.read_suite()
IS_TABLE_3 = [figure for figure in SUITE.reported if figure.where == "Table 3"]
WITH_ACCURACY_ONLY = replace(SUITE, reported=tuple(IS_TABLE_3), statements=())
CONTRADICTORY = replace(
    SUITE,
    reported=tuple(f for f in SUITE.reported if f.where in ("Table 3", "Table 2, kappa")),
    statements=(),
)
HOLDS = "Which claims hold"
CLAIMED, FOUND, VERDICT = "What was claimed", "What an honest rerun gets", "Verdict"
FALSE = "What cannot be true"


def load(folder: Path, source, suite: claims.Suite = SUITE) -> SuitePredictions:
    return predictions.load_predictions(evaluation.read_results(folder, suite, data=source.folder))


def answer(folder: Path, source, suite: claims.Suite = WITH_ACCURACY_ONLY) -> dict[str, Sentence]:
    consistency = check_consistency(suite) if suite.reported else None
    sentences = write_answer(load(folder, source, suite), consistency, Commands())
    return {sentence.heading: sentence for sentence in sentences}


def capitalise(kind: VerdictKind) -> str:
    return kind.word[0].upper() + kind.word[1:]


def test_the_answer_states_claim_measurement_verdict_and_contradiction(folder, source):
    found = answer(folder({"lenet5": [0.9, 0.901, 0.902]}), source, CONTRADICTORY)
    assert list(found) == [HOLDS, CLAIMED, FOUND, VERDICT, FALSE]
    first = str(found[HOLDS])
    assert first.startswith(
        "Of 23 claims, 1 is not reproduced, claim higher: CNN-LeNet-5 (98.80 % claimed, "
        "90.10 ± 0.10 % measured). 1 misquotes its source: GaussianNB (the source says 51.1, "
    )
    assert "judged by fmbench's own measurement, because nothing is measured here" in first
    assert "98.80 % of the 10,000" in str(found[CLAIMED])
    assert "highest of the 19 accuracies in Table 3" in str(found[CLAIMED])
    rerun = str(found[FOUND])
    assert "90.10 ± 0.10 %" in rerun and "n = 3" in rerun and "8.70 points below" in rerun
    assert "One new run would get" in rerun
    assert str(found[VERDICT]).startswith(capitalise(VerdictKind.CLAIM_HIGHER))
    assert "contradict each other: 1 pair" in str(found[FALSE])
    [pair] = found[FALSE].items
    assert "Table 2, kappa" in pair and "Table 3" in pair and "severity 47" in pair


def test_a_claim_that_the_rerun_reaches_is_called_reproduced(folder, source):
    found = answer(folder({"lenet5": [0.988, 0.9881, 0.9882]}), source)
    assert "0.01 points above" in str(found[FOUND])
    assert str(found[VERDICT]).startswith(capitalise(VerdictKind.REPRODUCED))
    assert "within 0.5 points of the claim" in str(found[VERDICT])
    assert "do not contradict each other" in " ".join(map(str, found.values()))
    assert FALSE not in found


def test_a_claim_within_one_runs_spread_has_nothing_odd_about_it(folder, source):
    found = answer(folder({"lenet5": [0.975, 0.988, 0.995]}), source)
    text = str(found[VERDICT])
    assert text.startswith(capitalise(VerdictKind.WITHIN_SPREAD)) and "nothing is odd" in text


@pytest.mark.slow
def test_where_the_honest_run_explains_the_claim_no_mistake_is_named(folder, source):
    path = folder({"lenet5": [0.988, 0.9881, 0.9882]})
    loaded = load(path, source, WITH_ACCURACY_ONLY)
    found = list(collect_findings(loaded.results))
    told = write_story(loaded, check_consistency(WITH_ACCURACY_ONLY), found, Commands())
    text = " ".join(map(str, told))
    assert "No mistake is needed" in text
    assert "digits" not in text and "story" not in text


def test_the_verdict_by_the_sources_protocol_stands_beside_the_honest_one(reference):
    about = structs.replace(IS_TABLE_3[0], of="cnn-svm")
    suite = replace(reference.results.suite, reported=(about,), statements=())
    loaded = replace(reference, results=replace(reference.results, suite=suite))
    [text] = [str(s) for s in write_answer(loaded, None, Commands()) if s.heading == VERDICT]
    honest, by_source = text.split(" By the source’s own protocol, ")
    assert "reproduced" not in honest.lower()
    assert by_source.startswith(("scored ", "best "))
    assert "points less than by the honest protocol; reproduced" in by_source


def test_one_seed_of_a_stochastic_model_gives_no_answer(folder, source):
    found = answer(folder({"lenet5": [0.9]}), source)
    assert "n = 1 run" in str(found[FOUND]) and "prediction interval" not in str(found[FOUND])
    assert f"{VerdictKind.UNTESTABLE.word}: 1 seed of a stochastic model" in str(found[VERDICT])


def test_without_a_record_the_answer_names_the_command(tmp_path, source):
    found = answer(tmp_path / "none", source)
    assert str(found[FOUND]).startswith(
        "Nothing is measured here yet. Run `fmbench run lenet5`. Fmbench's own run gets 90.83 ± "
    )
    assert str(found[VERDICT]).startswith("Not reproduced, claim higher")


def test_a_suite_without_a_subject_is_described_by_all_its_rows(folder, source):
    suite = replace(SUITE, reported=(), statements=())
    found = answer(folder({"three-layer-nn": [0.8]}), source, suite)
    assert list(found) == [HOLDS, CLAIMED, "What was measured"]
    assert "from 77.50 to 98.80 %" in str(found[CLAIMED])
    assert str(found["What was measured"]).startswith(f"1 of {len(suite.rows)} rows")
    n = sum(row.claimed is not None for row in suite.rows)
    holds = str(found[HOLDS])
    assert holds.startswith(f"Of {n} claims, ") and "1 misquotes its source" in holds
    assert "GaussianNB (the source says 51.1, the claim is 88.00" in holds


OWN = """
title = "A small comparison"
authors = "J. Doe"
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
"""
OWN_ROW = """
[[row]]
where = "Table 2"
label = "{label}"
{runner}
claimed = "{claimed}"
{more}
recipe = "stated"
"""
OWN_CLAIMS = (
    ("SVC (RBF, C=10)", 'runner = "svc-rbf"', "89.9", ""),
    ("Random forest", 'runner = "random-forest"', "88.1", 'mean_of = 10\nsd = "0.2"'),
    ("LeNet-5", 'runner = "lenet5"', "91.2", ""),
    ("ResNet-18", "", "93.4", ""),
    ("k-NN", 'runner = "k-neighbors"', "85.5", ""),
)


def write_own_suite(path: Path, claims=OWN_CLAIMS) -> claims.Suite:
    rows = [
        OWN_ROW.format(label=label, runner=runner, claimed=claimed, more=more)
        for label, runner, claimed, more in claims
    ]
    path.write_text(OWN + "".join(rows), encoding="utf-8")
    return reader.read_suite(path)


def test_the_first_sentences_say_which_claims_of_a_suite_of_ones_own_fail(tmp_path, source):
    suite = write_own_suite(tmp_path / "own.toml")
    first, *others = answer(tmp_path / "none", source, suite).values()
    assert str(first) == (
        "Of 5 claims, 1 is not reproduced, claim lower: k-NN (85.5 % claimed, 86.25 % measured). "
        "1 is reproduced: SVC (RBF, C=10). 1 is within one run's spread: LeNet-5. "
        "1 needs more seeds: Random forest (10 in all would probably decide). "
        "1 could not be tested: ResNet-18 (the suite names no model for this row). "
        "4 of the claims are judged by fmbench's own measurement, because nothing is measured "
        "here: `fmbench run --all` measures it."
    )
    assert str(others[0]).startswith("J. Doe: 5 accuracies are claimed, from 85.50 to 93.40 %")


def test_where_no_claim_fails_or_none_could_be_tested_the_first_sentence_says_so(tmp_path, source):
    svc, _, _, resnet, _ = OWN_CLAIMS
    for chosen, begin in (
        ((svc, resnet), "Of 2 claims, none fails. 1 is reproduced: SVC (RBF, C=10). "),
        ((resnet,), "Of 1 claim, none could be tested. 1 could not be tested: ResNet-18 (the "),
    ):
        suite = write_own_suite(tmp_path / "own.toml", chosen)
        first, *_ = answer(tmp_path / "none", source, suite).values()
        assert str(first).startswith(begin)


@pytest.mark.parametrize(
    ("authors", "verb"), [("J. Doe", "reports"), ("J. Doe, A. Roe", "report"), ("", "reports")]
)
def test_one_author_reports_and_several_report(tmp_path, source, authors, verb):
    suite = replace(WITH_ACCURACY_ONLY, authors=authors)
    assert f" {verb} that CNN-LeNet-5" in str(answer(tmp_path / "none", source, suite)[CLAIMED])


@pytest.mark.slow
def test_the_answer_names_the_four_contradictions_of_the_paper_and_equation_4(reference):
    suite = reference.results.suite
    sentences = write_answer(reference, check_consistency(suite), Commands())
    [found] = [sentence for sentence in sentences if sentence.heading == FALSE]
    lines = list(found.items)
    order = [
        next(i for i, line in enumerate(lines) if all(name in line for name in names))
        for names in (
            ("Table 2, kappa", "Table 3"), ("Table 1 allows", "Table 2, kappa"),
            ("Table 1 allows", "Table 2, MSE"), ("Table 1 allows", "Table 3"),
        )
    ]  # fmt: skip
    assert order == sorted(order), "the worst pair comes first"
    assert lines[-1].startswith("Equation 4 gives 2")
    assert not any("overall line" in line for line in lines), "the whole table stands for its line"


@pytest.mark.slow
def test_rows_that_only_the_sources_protocol_reproduces_are_named(reference):
    sentences = write_answer(reference, None, Commands())
    first = str(sentences[0])
    assert (
        "By their source’s own protocol, 2 more are reproduced: CNN using SVM activation function "
        "and CNN with Batch Normalization and Residual skip."
    ) in first
