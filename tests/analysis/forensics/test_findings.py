"""The findings of forensics: the records of a runner compared with a claim."""

import numpy as np
import pytest

from fmbench import runners
from fmbench.analysis.forensics.findings import (
    ForensicsFindings,
    StoredAccuracies,
)
from fmbench.analysis.forensics.plan import ForensicsPlan
from fmbench.analysis.verdicts import Claim
from fmbench.datasets import specs
from fmbench.models.registry import isolate_registrations
from fmbench.records.protocols import load_labels_by_subset
from fmbench.records.store import Store
from fmbench.report.mistakes import explain_with_mistakes
from fmbench.suites import reader
from fmbench.utils.environment import CHECKOUT
from fmbench.utils.table import format_csv, format_markdown

CLAIM = Claim(0.988, 0.00005, printed="98.80", label="Tiny", where="Table 3")


@pytest.fixture(scope="module")
def tiny():
    with isolate_registrations():
        from tests.helpers import tiny

    with tiny.registered() as runner:
        yield runner


class ResultsFolder:
    """A results folder with records of given accuracies."""

    def __init__(self, folder, source, record_of):
        self.store, self._source, self._record_of = Store(folder), source, record_of

    def put(self, cell, history=(), epochs=(), **shares):
        """``put(cell, test=0.9, held_out=0.8)``: save a record with these accuracies."""
        wanted = {name.replace("_", " "): share for name, share in shares.items()}
        digits = cell.dataset != specs.FASHION_MNIST
        labels = load_labels_by_subset(cell.protocol, self._source)
        assert set(labels) == set(wanted)
        y_pred = np.concatenate([right(y, wanted[part]) for part, y in labels.items()])
        arrays = {"y_pred": y_pred}
        if digits:
            arrays = {"y_true": (labels["test"] + 3) % 10, "y_pred": (y_pred + 3) % 10}
        if epochs:
            arrays["epoch_y_pred"] = np.stack([right(labels["test"], share) for share in epochs])
        self.store.save(self._record_of(cell, history=list(history)), arrays)

    def fail(self, cell, why):
        failure = self._record_of(cell, status="failed", why=why, fit_seconds=None)
        self.store.save(failure)

    def findings(self, plan, claim=CLAIM):
        return ForensicsFindings(
            plan, claim, StoredAccuracies(self.store, self.store.read_contents(), self._source)
        )


def right(y_true, share):
    first = np.arange(len(y_true)) < round(share * len(y_true))
    return np.where(first, y_true, (y_true + 1) % 10).astype(np.uint8)


@pytest.fixture
def made(tmp_path, source, record_of):
    return ResultsFolder(tmp_path / "results", source, record_of)


def lines_of(findings):
    return {line["mistake"]: line for line in findings.build_table().text_rows()}


# ---------------------------------------------------------------- figures


def test_each_variant_is_scored_on_the_images_that_it_names(made, tiny):
    plan = ForensicsPlan(tiny, 2, with_readings=False)
    by_protocol = {}
    for cell in plan.cells:
        by_protocol.setdefault(cell.protocol.name, []).append(cell)
    for seed in (0, 1):
        more = 0.01 * seed
        history = [{"epoch": 1, "train_accuracy": 0.5}, {"epoch": 2, "train_accuracy": 0.93 + more}]
        made.put(by_protocol["full"][seed], history, (0.92 + more, 0.9 + more), test=0.9 + more)
        made.put(by_protocol["digits"][seed], test=0.98 + more)
        made.put(by_protocol["seen"][seed], fitted=0.97 + more, test=0.9 + more)
        made.put(by_protocol["split"][seed], held_out=0.89 + more, test=0.88 + more)
        made.put(by_protocol["leak"][seed], test=0.95 + more)
    lines = lines_of(made.findings(plan))
    assert {what: (line["accuracy"], line["sd"], line["n"]) for what, line in lines.items()} == {
        "none: as it should be": ("90.50", "0.71", "2"),
        "best epoch picked on the test set": ("92.50", "0.71", "2"),
        "training accuracy quoted, as training prints it": ("93.50", "0.71", "2"),
        "MNIST digits in place of Fashion-MNIST": ("98.50", "0.71", "2"),
        "training accuracy quoted": ("97.50", "0.71", "2"),
        "scored on training and test images together": ("96.50", "0.71", "2"),
        "scored on a random split of the training images": ("89.50", "0.71", "2"),
        "test images in the training set": ("95.50", "0.71", "2"),
    }
    digits = lines["MNIST digits in place of Fashion-MNIST"]
    assert (digits["gap"], digits["lands"], digits["status"]) == ("-0.30", "yes", "measured")
    assert lines["none: as it should be"]["gap"] == "-8.30"


def test_one_seed_has_no_spread_and_three_seeds_far_from_the_claim_do_not_match(made, tiny):
    plan = ForensicsPlan(tiny, 3, with_readings=False)
    honest = plan.variants[0].cells
    made.put(honest[0], [{"epoch": 1, "train_accuracy": 0.9}], (0.91,), test=0.91)
    line = lines_of(made.findings(plan))["none: as it should be"]
    assert (line["n"], line["sd"], line["low"], line["lands"]) == ("1", "", "", "no")
    for i, cell in enumerate(honest[1:]):
        made.put(cell, [{"epoch": 1, "train_accuracy": 0.9}], (0.91,), test=0.911 + 0.001 * i)
    line = lines_of(made.findings(plan))["none: as it should be"]
    assert (line["n"], line["lands"]) == ("3", "no")
    assert float(line["low"]) < 91.1 < float(line["high"])


def test_a_variant_without_records_is_not_run_and_a_failed_one_says_why(made, tiny):
    plan = ForensicsPlan(tiny, 2)
    made.fail(plan.variants[0].cells[1], "ran out of memory")
    table = made.findings(plan).build_table()
    lines = {line["mistake"]: line for line in table.text_rows()}
    assert lines["none: as it should be"]["status"] == "failed: ran out of memory (seed 1)"
    assert lines["test images in the training set"]["status"] == "not run"
    assert lines["test images in the training set"]["accuracy"] == ""
    assert any("--data mnist=DIR" in note for note in table.notes)
    assert "0 of 4 readings have been tried so far." in table.notes


def test_a_network_without_recorded_epochs_has_no_figure_for_an_epoch(made, tiny):
    plan = ForensicsPlan(tiny, 1, with_readings=False)
    made.put(plan.variants[0].cells[0], test=0.91)
    lines = lines_of(made.findings(plan))
    assert lines["none: as it should be"]["status"] == "measured"
    for what in ("best epoch picked on the test set", plan.variants[2].mistake):
        assert lines[what]["accuracy"] == ""
        assert lines[what]["status"] == "its records have no epochs"


# ---------------------------------------------------------------- readings


def put_readings(made, plan, held_out, test):
    for reading, h, t in zip(plan.readings, held_out, test, strict=True):
        made.put(reading.cell, held_out=h, test=t)


def test_the_best_reading_is_chosen_without_the_test_images(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    put_readings(made, plan, held_out=(0.7, 0.9, 0.8, 0.85), test=(0.7, 0.86, 0.8, 0.99))
    best = made.findings(plan).best_reading
    assert best is plan.readings[1]
    for cell in plan.confirmation(best):
        made.put(cell, test=0.87 + 0.001 * cell.seed)
    findings = made.findings(plan)
    lines = lines_of(findings)
    on_test = lines["best of 4 readings, picked on the test set"]
    assert (on_test["accuracy"], on_test["n"], on_test["lands"]) == ("99.00", "1", "yes")
    assert on_test["fitted on"] == "50,000 training images"
    honest = lines["none: best of 4 readings, picked on held-out images"]
    assert (honest["accuracy"], honest["n"], honest["lands"]) == ("87.10", "3", "no")
    assert honest["fitted on"] == "60,000 training images"
    notes = " ".join(findings.build_table().notes)
    assert "optimizer: sgd, learning_rate 0.0001; pixels: standard" in notes
    assert "Of 4 readings, 1 land on the claim." in notes
    assert "optimizer: the source states optimizer (adam); other answers differ from it." in notes


@pytest.mark.parametrize("share", [0.9, 0.0])
def test_there_is_no_best_reading_before_all_are_tried(made, tiny, share):
    plan = ForensicsPlan(tiny, 1)
    for reading in plan.readings[:3]:
        made.put(reading.cell, held_out=share, test=share)
    findings = made.findings(plan)
    assert findings.best_reading is None
    line = lines_of(findings)["best of 4 readings, picked on the test set"]
    assert (line["accuracy"], line["status"]) == ("", "not run")
    assert "3 of 4 readings have been tried so far." in findings.build_table().notes


def test_a_failed_reading_does_not_stop_the_others(made, tiny):
    plan = ForensicsPlan(tiny, 1)
    for reading, share in zip(plan.readings[:3], (0.7, 0.9, 0.8), strict=True):
        made.put(reading.cell, held_out=share, test=share)
    made.fail(plan.readings[3].cell, "timed out after 9 s")
    findings = made.findings(plan)
    assert findings.best_reading is plan.readings[1]
    assert "best of 3 readings, picked on the test set" in lines_of(findings)
    note = "1 of 4 readings failed: the best is the best of the others."
    assert note in findings.build_table().notes
    statuses = [line["status"] for line in findings.build_readings_table().text_rows()]
    assert statuses == ["measured"] * 3 + ["failed: timed out after 9 s"]


def test_the_readings_are_sorted_by_their_accuracy_on_held_out_images(made, tiny):
    plan = ForensicsPlan(tiny, 1)
    put_readings(made, plan, held_out=(0.7, 0.9, 0.8, 0.85), test=(0.7, 0.86, 0.8, 0.99))
    rows = made.findings(plan).build_readings_table().text_rows()
    assert [row["held out"] for row in rows] == ["90.00", "85.00", "80.00", "70.00"]
    assert rows[1] == {
        "optimizer": "adam, learning_rate 0.002", "pixels": "standard", "held out": "85.00",
        "test": "99.00", "status": "measured",
    }  # fmt: skip


def test_if_the_recipe_itself_is_the_best_reading_it_is_not_run_again(made, tiny):
    plan = ForensicsPlan(tiny, 2)
    put_readings(made, plan, held_out=(0.7, 0.8, 0.9, 0.85), test=(0.7,) * 4)
    findings = made.findings(plan)
    assert not findings.best_reading.cell.overrides
    assert list(plan.confirmation(findings.best_reading)) == list(plan.variants[0].cells)
    assert any("It is the recipe as registered." in note for note in findings.build_table().notes)


# ---------------------------------------------------------------- what is printed


def test_the_answer_names_the_matching_mistakes_and_the_best_reading(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    assert explain_with_mistakes(made.findings(plan)) is None  # nothing has been tried
    put_readings(made, plan, held_out=(0.7, 0.9, 0.8, 0.85), test=(0.7, 0.86, 0.8, 0.91))
    for cell in plan.confirmation(made.findings(plan).best_reading):
        made.put(cell, test=0.87 + 0.001 * cell.seed)
    assert str(explain_with_mistakes(made.findings(plan))).startswith(
        "We made 2 known mistakes on purpose. None of them comes within 0.5 points of 98.80 %. The "
        "source leaves some choices open. We tried all 4 combinations of them, and none comes that "
        "close. The best combination, chosen on held-out training images, gets 87.10 ± 0.10 %, "
        "n = 3. "
    )
    for cell in plan.variants[-1].cells:  # fitted on the test images too
        made.put(cell, test=0.987 + 0.001 * cell.seed)
    text = str(explain_with_mistakes(made.findings(plan)))
    assert "1 of them comes within 0.5 points of 98.80 %: test images in the training set " in text
    assert "(98.80 ± 0.10 %, n = 3)." in text
    assert explain_with_mistakes(made.findings(plan, claim=None)) is None


def test_the_committed_forensics_are_what_the_committed_records_give(tmp_path, source):
    suite = reader.read_suite()
    store = Store(CHECKOUT / "results" / "reference")
    committed = suite.folder_in(store.folder)
    stored = StoredAccuracies(store, store.read_contents(), source)
    claim = Claim.of_runner(suite.rows, "lenet5")
    written = ForensicsFindings(
        ForensicsPlan(runners.get_runner("lenet5"), 5), claim, stored
    ).write(tmp_path)
    assert len(written) == 4
    for path in written:
        assert path.read_bytes() == (committed / path.name).read_bytes(), path.name


def test_quick_figures_are_not_compared_with_the_claim(made, tiny):
    plan = ForensicsPlan(tiny, 1, quick=True, with_readings=False)
    made.put(plan.variants[-1].cells[0], test=0.988)
    table = made.findings(plan).build_table()
    assert "not comparable with the claim" in table.title
    assert {(row["gap"], row["lands"]) for row in table.text_rows()} == {("", "")}
    assert not any(note.startswith("Claim") for note in table.notes)
    assert any("--no-readings" in note for note in table.notes)


def test_if_the_correct_procedure_gives_the_claim_no_mistake_is_named(made, tiny):
    plan = ForensicsPlan(tiny, 3, with_readings=False)
    for variant in (plan.variants[0], plan.variants[-1]):
        for cell in variant.cells:
            made.put(cell, test=0.987 + 0.001 * cell.seed)
    sentence = str(explain_with_mistakes(made.findings(plan)))
    assert sentence == "The correct procedure gives it: 98.80 ± 0.10 %, n = 3."


def test_without_a_claim_nothing_is_compared(made, tiny):
    plan = ForensicsPlan(tiny, 1)
    made.put(plan.variants[-1].cells[0], test=0.988)
    table = made.findings(plan, None).build_table()
    assert table.title == "Forensics of tiny"
    assert {row["lands"] for row in table.text_rows()} == {""}
    assert any("claims no figure for this runner" in note for note in table.notes)


def test_the_notes_say_that_this_is_evidence_and_no_proof(made, tiny):
    text = format_markdown(made.findings(ForensicsPlan(tiny, 1)).build_table())
    assert "Evidence, not proof" in text
    assert "at most 0.5 points" in text and "rounding of 0.005" in text
    assert "fraud" not in text.lower()


def test_the_tables_are_written_in_both_formats(made, tiny):
    made.store.prepare()
    findings = made.findings(ForensicsPlan(tiny, 1))
    paths = findings.write(made.store.folder)
    assert [path.name for path in paths] == [
        "forensics-tiny.md", "forensics-tiny.csv", "forensics-tiny-readings.md",
        "forensics-tiny-readings.csv",
    ]  # fmt: skip
    assert paths[0].read_text() == format_markdown(findings.build_table())
    assert paths[3].read_text() == format_csv(findings.build_readings_table())
    quick = made.findings(ForensicsPlan(tiny, 1, quick=True, with_readings=False))
    assert [p.name for p in quick.write(made.store.folder)] == [
        "forensics-tiny-quick.md", "forensics-tiny-quick.csv",
    ]  # fmt: skip
