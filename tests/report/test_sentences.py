"""Tests of the answer in sentences: it follows the claim, the measurement and the verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fmbench.analysis import evaluation, predictions
from fmbench.analysis.verdicts import VerdictKind
from fmbench.consistency.check import check_consistency
from fmbench.report.commands import Commands
from fmbench.report.sentences import write_answer
from fmbench.suites import claims, reader

SUITE = reader.read_suite()
WITH_ACCURACY_ONLY = replace(SUITE, reported=SUITE.reported[6:7])


def answer(folder: Path, source, suite: claims.Suite = SUITE) -> list[str]:
    outcome = evaluation.read_results(folder, suite, data=source.folder)
    consistency = check_consistency(suite) if suite.reported else None
    sentences = write_answer(predictions.load_predictions(outcome), consistency, Commands())
    return [str(sentence) for sentence in sentences]


def capitalise(kind: VerdictKind) -> str:
    return kind.word[0].upper() + kind.word[1:]


def test_the_answer_states_claim_measurement_and_verdict(folder, source):
    claimed, found, sure = answer(folder({"lenet5": [0.9, 0.901, 0.902]}), source)
    assert "98.80 % of the 10,000" in claimed
    assert "highest of the 19 accuracies in Table 3" in claimed
    assert "90.10 ± 0.10 %" in found and "n = 3" in found and "8.70 points below" in found
    assert "One new run would get" in found
    assert sure.startswith(capitalise(VerdictKind.CLAIM_HIGHER))
    assert "contradict each other" in sure


def test_a_claim_that_the_rerun_reaches_is_called_reproduced(folder, source):
    shares = {"lenet5": [0.988, 0.9881, 0.9882]}
    _, found, sure = answer(folder(shares), source, WITH_ACCURACY_ONLY)
    assert "0.01 points above" in found
    assert sure.startswith(capitalise(VerdictKind.REPRODUCED))
    assert "within 0.5 points of the claim" in sure
    assert "do not contradict each other" in sure


def test_one_seed_of_a_stochastic_model_gives_no_answer(folder, source):
    _, found, sure = answer(folder({"lenet5": [0.9]}), source, WITH_ACCURACY_ONLY)
    assert "n = 1 run" in found and "prediction interval" not in found
    assert f"{VerdictKind.UNTESTABLE.word}: 1 seed of a stochastic model" in sure


def test_without_a_record_the_answer_names_the_command(tmp_path, source):
    _, found, _ = answer(tmp_path / "none", source)
    assert found == "Nothing yet: there is no record. Run `fmbench run lenet5`."


def test_a_suite_without_a_subject_is_described_by_all_its_rows(folder, source):
    suite = replace(SUITE, reported=())
    claimed, found, _ = answer(folder({"sgd": [0.8]}), source, suite)
    assert "from 77.50 to 98.80 %" in claimed
    assert found.startswith(f"1 of {len(suite.rows)} rows")
