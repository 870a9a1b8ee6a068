"""The findings of forensics: the records of a model beside everything that a paper prints."""

import csv
import io
import json
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from fmbench.analysis.forensics.describe import describe_count
from fmbench.analysis.forensics.findings import ForensicsFindings
from fmbench.analysis.forensics.matrix import SourceCount
from fmbench.analysis.forensics.plan import ForensicsPlan
from fmbench.analysis.forensics.printed import PrintedFigure, group_by_source
from fmbench.analysis.forensics.stored import StoredPredictions
from fmbench.analysis.verdicts import Claim, Verdict, VerdictKind
from fmbench.api.stories import _measure_stories
from fmbench.datasets import specs
from fmbench.models.registry import isolate_registrations
from fmbench.records.protocols import load_labels_by_subset
from fmbench.records.store import Store
from fmbench.report.forensics import build_findings_document, format_findings, summarise_findings
from fmbench.report.mistakes import explain_with_mistakes
from fmbench.suites.claims import ReportedFigure
from fmbench.suites.reader import read_suite
from fmbench.utils.document import format_document
from fmbench.utils.table import format_csv, format_markdown
from tests.analysis.forensics.made import figure
from tests.helpers.layout import list_bad_lines

CLAIM = Claim(0.988, 0.00005, printed="98.80", label="Tiny", where="Table 3")
TITLE = "Table 3: accuracy 98.80 %"
DIGITS = "MNIST digits in place of Fashion-MNIST"


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

    def put_honest(self, plan, *accuracies):
        for cell, accuracy in zip(plan.honest.cells, accuracies, strict=True):
            self.put(cell, history_of(0.93), (accuracy,), test=accuracy)

    def put_digits(self, plan, *accuracies):
        cells = [cell for cell in plan.cells if cell.dataset.name == "mnist"]
        for cell, accuracy in zip(cells, accuracies, strict=False):
            self.put(cell, history_of(0.995), test=accuracy)

    def put_readings(self, plan, held_out, test):
        for reading, h, t in zip(plan.readings, held_out, test, strict=False):
            self.put(reading.cell, history_of(0.9), held_out=h, test=t)

    def fail(self, cell, why):
        failure = self._record_of(cell, status="failed", why=why, fit_seconds=None)
        self.store.save(failure)

    def findings(self, plan, claim=CLAIM, printed=(), remarks=()):
        stored = StoredPredictions(self.store, self.store.read_contents(), self._source)
        return ForensicsFindings(plan, claim, stored, group_by_source(printed), remarks)


def right(y_true, share):
    first = np.arange(len(y_true)) < round(share * len(y_true))
    return np.where(first, y_true, (y_true + 1) % 10).astype(np.uint8)


def history_of(*train_accuracies):
    return [{"epoch": i, "train_accuracy": a} for i, a in enumerate(train_accuracies, 1)]


@pytest.fixture
def made(tmp_path, source, record_of):
    return ResultsFolder(tmp_path / "results", source, record_of)


def lines_of(findings):
    return {line["story"]: line for line in findings.build_table().text_rows()}


def candidates_of(findings):
    return {line["story"]: line for line in findings.build_candidates_table().text_rows()}


# ---------------------------------------------------------------- what was measured


def test_each_story_is_scored_on_the_images_that_it_names(made, tiny):
    plan = ForensicsPlan(tiny, 3, with_readings=False)
    by_protocol = {}
    for cell in plan.cells:
        by_protocol.setdefault(cell.protocol.name, []).append(cell)
    for seed in (0, 1, 2):
        more = 0.001 * seed
        made.put(
            by_protocol["full"][seed],
            history_of(0.5, 0.93 + more),
            (0.92 + more, 0.9 + more),
            test=0.9 + more,
        )
        made.put(by_protocol["digits"][seed], history_of(0.99), test=0.98 + more)
        made.put(by_protocol["seen"][seed], fitted=0.97 + more, test=0.9 + more)
        made.put(by_protocol["split"][seed], held_out=0.89 + more, test=0.88 + more)
        made.put(by_protocol["leak"][seed], test=0.95 + more)
    accuracy = {what: line["accuracy"] for what, line in candidates_of(made.findings(plan)).items()}
    assert accuracy == {
        "no mistake": "90.10",
        "best epoch picked on the test set": "92.10",
        "training accuracy quoted, as training prints it": "93.10",
        DIGITS: "98.10",
        f"{DIGITS} and training accuracy quoted, as training prints it": "99.00",
        "training accuracy quoted": "97.10",
        "scored on training and test images together": "96.10",
        "scored on a random split of the training images": "89.10",
        "test images in the training set": "95.10",
    }
    lines = lines_of(made.findings(plan))
    assert lines["no mistake"][TITLE] == "no: 90.10, n = 3"
    assert lines[DIGITS][TITLE] == "yes: 98.10 (the best of 10 runs), n = 3"
    assert lines[DIGITS]["n"] == "3"


def test_fewer_than_three_seeds_get_no_yes_or_no(made, tiny):
    plan = ForensicsPlan(tiny, 2, with_readings=False)
    made.put_honest(plan, 0.90, 0.99)
    findings = made.findings(plan)
    assert lines_of(findings)["no mistake"][TITLE] == "94.50, n = 2"
    assert not findings.needs_no_mistake and findings.best_story is None
    assert findings.n_compared == 0 and explain_with_mistakes(findings) is None
    remarked = made.findings(plan, remarks=("Table 3 prints another figure than its source.",))
    assert str(explain_with_mistakes(remarked)) == remarked.remarks[0]


def test_a_story_without_records_is_not_run_and_a_failed_one_says_why(made, tiny):
    plan = ForensicsPlan(tiny, 2)
    made.fail(plan.honest.cells[1], "ran out of memory")
    findings = made.findings(plan)
    table = findings.build_table()
    lines = {line["story"]: line for line in table.text_rows()}
    assert lines["no mistake"]["status"] == "failed: ran out of memory (seed 1)"
    assert lines["test images in the training set"]["status"] == "not run"
    assert lines["test images in the training set"]["n"] == ""
    assert any("--data mnist=DIR" in note for note in table.notes)
    assert "Readings measured: 0 of 4, 0 of 4 on the digits." in table.notes
    assert findings.n_not_measured == len(plan.registered) - 3  # the others share failed cells
    assert explain_with_mistakes(findings) is None


def test_a_network_without_recorded_epochs_has_no_figure_for_an_epoch(made, tiny):
    plan = ForensicsPlan(tiny, 1, with_readings=False)
    made.put(plan.honest.cells[0], test=0.91)
    lines = lines_of(made.findings(plan))
    assert lines["no mistake"]["status"] == "measured"
    assert lines["best epoch picked on the test set"]["status"] == (
        "not run: its records lack these predictions"
    )
    assert lines["training accuracy quoted, as training prints it"]["status"] == (
        "not run: its records have no epochs"
    )


def test_the_long_run_says_in_which_epoch_it_passes_the_claim(made, tiny):
    plan = ForensicsPlan(tiny, 1, with_readings=False)
    made.put_honest(plan, 0.9)
    name = plan.registered[-1].name
    made.put(plan.long_run, history_of(0.9, 0.97, 0.99, 0.995), fitted=0.99, test=0.88)
    findings = made.findings(plan)
    assert lines_of(findings)[name][TITLE].startswith("may: ")
    notes = findings.build_table().notes
    assert (
        "Trained for 4 epochs, the training accuracy passes 98.80 in epoch 3. After the last epoch "
        "the test accuracy is 88.00."
    ) in notes
    made.put(plan.long_run, history_of(0.9, 0.97), fitted=0.97, test=0.88)
    findings = made.findings(plan)
    assert lines_of(findings)[name][TITLE] == "no: 97.00, n = 1"
    notes = findings.build_table().notes
    assert any("never passes 98.80; the highest is 97.00" in note for note in notes)


# ---------------------------------------------------------------- known answers


def test_an_honest_claim_needs_no_mistake_and_nothing_else_is_listed(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    made.put_honest(plan, 0.987, 0.988, 0.989)
    made.put_digits(plan, 0.988, 0.988, 0.988)
    findings = made.findings(plan)
    assert findings.needs_no_mistake
    [line] = findings.build_table().text_rows()
    assert line["story"] == "no mistake" and line[TITLE] == "yes: 98.80, no mistake is needed"
    assert str(explain_with_mistakes(findings)) == (
        "No mistake is needed: the correct procedure gives 98.80 ± 0.10 %, n = 3, which explains "
        "Table 3 (accuracy 98.80 %)."
    )
    assert DIGITS not in format_findings(findings)


def test_a_claim_about_the_digits_is_told_as_the_story_of_the_digits(made, tiny):
    plan = ForensicsPlan(tiny, 3, with_readings=False)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    made.put_digits(plan, 0.987, 0.988, 0.989)
    printed = [
        figure("98.80%"), figure("0.987", "kappa", where="Table 2"),
        figure("0.66", "mse", where="text"),
    ]  # fmt: skip
    findings = made.findings(plan, printed=printed)
    assert findings.best_story.outcome.story.name == DIGITS
    assert [source.where for source in findings.best_story.missed] == ["text"]
    assert findings.best_pair is None
    text = str(explain_with_mistakes(findings))
    assert "No single story explains all of it. This is evidence, not proof: " in text
    [best] = explain_with_mistakes(findings).items
    assert best.startswith("The best is “MNIST digits")
    assert text.index("It does not explain text (MSE 0.66)") < text.index("It explains Table 3")
    assert "fraud" not in format_findings(findings).lower()


def test_the_figures_that_need_no_mistake_are_named_beside_those_that_do(made, tiny):
    plan = ForensicsPlan(tiny, 3, with_readings=False)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    made.put_digits(plan, 0.987, 0.988, 0.989)
    findings = made.findings(plan, printed=[figure("98.80%"), figure("0.9", "kappa", where="text")])
    text = str(explain_with_mistakes(findings))
    assert text.startswith("No mistake is needed for text (kappa 0.9). ")
    assert "One story would explain it" in text
    assert summarise_findings(findings).endswith(
        " stories explains the only printed place that needs a story."
    )
    lines = lines_of(findings)
    assert lines["no mistake"]["text: kappa 0.9"] == "yes: 0.90, no mistake is needed"
    assert lines[DIGITS]["text: kappa 0.9"] == ""


def test_if_no_story_explains_anything_the_sentence_says_so(made, tiny):
    plan = ForensicsPlan(tiny, 3, with_readings=False)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    findings = made.findings(plan)
    assert "none explains any of it" in str(explain_with_mistakes(findings))
    assert summarise_findings(findings).endswith(
        " compared; none explains anything in the only printed place."
    )


def test_what_no_story_can_show_is_said_too(made, tiny):
    plan = ForensicsPlan(tiny, 3, with_readings=False)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    findings = made.findings(plan, remarks=("Table 3 prints another figure than its source.",))
    assert "Table 3 prints another figure" in str(explain_with_mistakes(findings))
    assert findings.remarks[0] in findings.build_table().notes


# ---------------------------------------------------------------- readings


def test_the_best_reading_is_chosen_without_the_test_images(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    made.put_honest(plan, 0.91, 0.912, 0.911)
    made.put_readings(plan, held_out=(0.7, 0.9, 0.8, 0.85), test=(0.7, 0.86, 0.8, 0.99))
    best = made.findings(plan).best_reading
    assert best is plan.readings[1]
    for cell in plan.confirmation(best):
        made.put(cell, test=0.87 + 0.001 * cell.seed)
    findings = made.findings(plan)
    assert findings.confirmed_best.n == 3
    name = findings.confirmed_best.story.name
    candidates = findings.build_candidates_table().text_rows()
    assert {(row["n"], row["fitted on"]) for row in candidates if row["story"] == name} == {
        ("1", "50,000 training images"), ("3", "60,000 training images")
    }  # fmt: skip
    assert "gets 87.10 ± 0.10 %, n = 3, on the test images" in str(explain_with_mistakes(findings))
    notes = " ".join(findings.build_table().notes)
    assert "optimizer: sgd, learning_rate 0.0001; pixels: standard" in notes
    assert "It is not the recipe as registered." in notes
    assert "optimizer: the source states optimizer (adam); other answers differ from it." in notes


def test_before_all_readings_are_measured_the_best_is_only_the_best_of_those_measured(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    made.put_honest(plan, 0.91, 0.912, 0.911)
    made.put_readings(plan, held_out=(0.7, 0.9, 0.8), test=(0.7, 0.9, 0.8))
    findings = made.findings(plan)
    assert findings.best_reading is plan.readings[1]
    notes = " ".join(findings.build_table().notes)
    assert "Readings measured: 3 of 4, 0 of 4 on the digits." in notes
    assert "Best of the 3 measured readings on held-out images" in notes
    for cell in plan.confirmation(findings.best_reading):
        made.put(cell, test=0.9)
    assert (
        "Of the choices that the source leaves open, 3 of 4 combinations are measured on "
        "Fashion-MNIST, 0 of 4 on the digits; the best one on"
    ) in str(explain_with_mistakes(made.findings(plan)))


def test_a_reading_of_one_seed_takes_its_spread_from_the_recipe_and_says_so(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    made.put_digits(plan, 0.965, 0.966, 0.967)
    [reading] = [r for r in plan.readings if r.different == {"pixels": "standard"}]
    made.put(reading.digits, history_of(0.99), test=0.989)
    findings = made.findings(plan)
    line = lines_of(findings)[f"{DIGITS}; pixels: standard"]
    assert line[TITLE] == "may: 98.90, n = 1"
    assert any(
        note.startswith("may: the story has fewer than 3") for note in findings.build_table().notes
    )
    assert findings.n_measured_on_digits == 2


def test_a_reading_with_few_seeds_is_told_as_one_of_its_family(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    made.put_digits(plan, 0.990, 0.991, 0.992)
    sgd, standard, both = [r for r in plan.readings if r.different]
    made.put(sgd.digits, history_of(0.99), test=0.976)
    made.put(standard.digits, history_of(0.99), test=0.985)
    made.put(both.digits, history_of(0.99), test=0.95)
    printed = [figure("98.5%"), figure("99.1%", where="text")]
    findings = made.findings(plan, printed=printed)
    text = str(explain_with_mistakes(findings))
    assert (
        f"The best is “{DIGITS}” (n = 3, accuracy 99.10 ± 0.10 %). It misses Table 3 (accuracy "
        "98.5 %, by 0.05 points) and explains text (accuracy 99.10 for 99.1 %; n = 3). Of its "
        "other settings, measured with fewer than 3 seeds, 2 of 3 may explain Table 3 (98.50, "
        "n = 1; 97.60 (the best of 10 runs), n = 1)."
    ) in text
    found = json.loads(json.dumps(findings.as_dict()))
    assert (found["best_story"], found["best_story_n"]) == (DIGITS, 3)
    [further] = found["may_also_be_explained"]
    assert (further["where"], further["of"]) == ("Table 3", 3)


def test_more_seeds_of_a_reading_count_as_soon_as_they_are_measured(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    made.put_digits(plan, 0.965, 0.966, 0.967)
    [reading] = [r for r in plan.readings if r.different == {"pixels": "standard"}]
    for cell, accuracy in zip(reading.on_digits, (0.987, 0.988, 0.989), strict=True):
        made.put(cell, history_of(0.99), test=accuracy)
    findings = made.findings(plan)
    line = lines_of(findings)[f"{DIGITS}; pixels: standard"]
    assert line[TITLE] == "yes: 98.80, n = 3"
    assert findings.matrix.best_story.outcome.story.name == f"{DIGITS}; pixels: standard"
    assert findings.confirmation.cells == ()


def test_the_confirmation_has_every_seed_of_the_best_story_if_it_has_few(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    made.put_digits(plan, 0.965, 0.966, 0.967)
    [reading] = [r for r in plan.readings if r.different == {"pixels": "standard"}]
    made.put(reading.digits, history_of(0.99), test=0.988)
    cells = made.findings(plan).confirmation.cells
    assert [cell.key for cell in cells] == [cell.key for cell in reading.on_digits]


class FakeSession:
    """Stands for a session and its set-up: each cell gets the accuracy that ``choose`` names."""

    records = ()

    def __init__(self, made, choose):
        self.made, self.choose, self.measured = made, choose, []
        self.store, self.source = made.store, None

    def find_sources(self, cells):
        return dict.fromkeys(cell.dataset.name for cell in cells)

    def start_loading(self, cells):
        pass

    def session(self, cells):
        return self

    def catch_interrupt(self):
        return nullcontext()

    def estimate_seconds(self, cells):
        return float(len(cells))

    def describe_jobs(self, cells):
        return "1 at a time"

    def measure(self, todo, contents, n_planned):
        for cell in todo:
            self.measured.append(cell.key)
            parts = cell.protocol.scored
            shares = {part.replace(" ", "_"): self.choose(cell) for part in parts}
            self.made.put(cell, history_of(0.5), **shares)


def test_at_the_end_more_seeds_of_the_best_stories_are_measured(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    [reading] = [r for r in plan.readings if r.different == {"pixels": "standard"}]
    on_digits = {cell.key: 0.987 + 0.001 * cell.seed for cell in reading.on_digits}

    def choose(cell):
        recipe = 0.966 if cell.dataset.name == "mnist" and not cell.overrides else 0.5
        return on_digits.get(cell.key, recipe + 0.001 * cell.seed)

    session = FakeSession(made, choose)
    _measure_stories(plan, session, lambda *_: made.findings(plan))
    extra = session.measured[len(plan.cells) :]
    best = made.findings(plan).best_reading
    confirmed = [cell.key for cell in plan.confirmation(best) if best.different]
    assert extra == confirmed + [cell.key for cell in reading.on_digits[1:]]
    assert lines_of(made.findings(plan))[f"{DIGITS}; pixels: standard"]["n"] == "3"


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict(VerdictKind.MORE_SEEDS, "14 in all", seeds_needed=14),
         "14 seeds in all would probably decide"),
        (Verdict(VerdictKind.UNDECIDABLE, "20 seeds would probably not decide"),
         "20 seeds would probably not decide"),
    ],
)  # fmt: skip
def test_a_claim_that_the_seeds_do_not_decide_is_not_contradicted(made, tiny, verdict, reason):
    plan = ForensicsPlan(tiny, 3, with_readings=False)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    made.put_digits(plan, 0.987, 0.988, 0.989)
    findings = made.findings(plan, printed=[PrintedFigure.from_claim(CLAIM, verdict=verdict)])
    assert findings.verdict is verdict
    text = str(explain_with_mistakes(findings))
    assert text.startswith(
        f"The rerun does not contradict Table 3 (accuracy 98.80 %): {reason}. We compared"
    )
    higher = Verdict(VerdictKind.CLAIM_HIGHER)
    refuted = made.findings(plan, printed=[PrintedFigure.from_claim(CLAIM, verdict=higher)])
    assert "does not contradict" not in str(explain_with_mistakes(refuted))


def test_where_all_claims_are_about_other_images_no_story_is_told(made, tiny):
    plan = ForensicsPlan(tiny, 3, with_readings=False)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    made.put_digits(plan, 0.987, 0.988, 0.989)
    remark = "Table 3: the claim is about the first release of the images."
    findings = made.findings(plan, claim=None, remarks=(remark,))
    assert findings.has_only_remarks and findings.needs_no_story
    assert str(explain_with_mistakes(findings)) == remark
    assert list(lines_of(findings)) == ["no mistake"]
    assert "digits" not in format_findings(findings)


def test_the_readings_are_sorted_by_their_accuracy_on_held_out_images(made, tiny):
    plan = ForensicsPlan(tiny, 1)
    made.put_readings(plan, held_out=(0.7, 0.9, 0.8, 0.85), test=(0.7, 0.86, 0.8, 0.99))
    made.put(plan.readings[3].digits, test=0.97)
    rows = made.findings(plan).build_readings_table().text_rows()
    assert [row["held out"] for row in rows] == ["90.00", "85.00", "80.00", "70.00"]
    assert rows[1] == {
        "optimizer": "adam, learning_rate 0.002", "pixels": "standard", "held out": "85.00",
        "test": "99.00", "digits": "97.00", "status": "measured",
    }  # fmt: skip


def test_a_failed_reading_does_not_stop_the_others(made, tiny):
    plan = ForensicsPlan(tiny, 1)
    made.put_readings(plan, held_out=(0.7, 0.9, 0.8), test=(0.7, 0.9, 0.8))
    made.fail(plan.readings[3].cell, "timed out after 9 s")
    findings = made.findings(plan)
    assert findings.best_reading is plan.readings[1]
    note = "Readings measured: 3 of 4, 0 of 4 on the digits; 1 failed."
    assert note in findings.build_table().notes
    statuses = [line["status"] for line in findings.build_readings_table().text_rows()]
    assert statuses == ["measured"] * 3 + ["failed: timed out after 9 s"]


def test_if_the_recipe_itself_is_the_best_reading_it_is_not_run_again(made, tiny):
    plan = ForensicsPlan(tiny, 2)
    made.put_readings(plan, held_out=(0.7, 0.8, 0.9, 0.85), test=(0.7,) * 4)
    findings = made.findings(plan)
    assert not findings.best_reading.different
    assert list(plan.confirmation(findings.best_reading)) == list(plan.honest.cells)
    assert any("It is the recipe as registered." in note for note in findings.build_table().notes)


def test_the_matrix_shows_the_best_readings_and_counts_the_others(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    made.put_honest(plan, 0.90, 0.901, 0.902)
    made.put_readings(plan, held_out=(0.2, 0.3, 0.4, 0.5), test=(0.2, 0.3, 0.4, 0.5))
    findings = made.findings(plan)
    # three readings other than the recipe, each with three stories that explain nothing
    assert any(
        note.startswith("9 more stories are not shown") for note in findings.build_table().notes
    )
    assert len(findings.build_candidates_table().rows) == len(findings.measured)
    assert len(findings.build_candidates_table(limit=2).rows) == 2


# ---------------------------------------------------------------- what is printed


def test_quick_figures_are_not_compared_with_what_is_printed(made, tiny):
    plan = ForensicsPlan(tiny, 1, quick=True, with_readings=False)
    leak = next(s for s in plan.registered if s.name == "test images in the training set")
    made.put(leak.cells[0], test=0.988)
    findings = made.findings(plan)
    table = findings.build_table()
    assert "not comparable with the claim" in table.title
    assert lines_of(findings)[leak.name][TITLE] == "98.80"
    assert "explains" not in table.names
    assert any("--no-readings" in note for note in table.notes)
    assert explain_with_mistakes(findings) is None
    assert "Table 3: 98.80" in format_findings(findings)


def test_without_a_printed_figure_the_accuracies_are_shown(made, tiny):
    plan = ForensicsPlan(tiny, 1)
    leak = next(s for s in plan.registered if s.name == "test images in the training set")
    made.put(leak.cells[0], test=0.988)
    findings = made.findings(plan, claim=None)
    assert lines_of(findings)[leak.name]["accuracy"] == "98.80"
    assert any("prints no figure of this model" in note for note in findings.build_table().notes)
    assert explain_with_mistakes(findings) is None
    assert "accuracy: 98.80" in format_findings(findings)


def test_the_notes_say_that_this_is_evidence_and_no_proof(made, tiny):
    plan = ForensicsPlan(tiny, 1)
    text = format_markdown(made.findings(plan).build_table())
    assert "Evidence, not proof" in text
    assert "95 % prediction interval" in text and "within 0.5 points" in text


def test_the_findings_for_a_program_hold_what_the_tables_say(made, tiny):
    plan = ForensicsPlan(tiny, 3, with_readings=False)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    made.put_digits(plan, 0.987, 0.988, 0.989)
    found = json.loads(json.dumps(made.findings(plan).as_dict()))
    assert found["best_story"] == DIGITS and found["best_pair"] is None
    by_name = {story["story"]: story for story in found["stories"]}
    [match] = by_name[DIGITS]["sources"]
    assert match["explained"] and match["figures"][0]["metric"] == "accuracy"
    assert (match["figures"][0]["printed"], match["figures"][0]["n"]) == ("98.80", 3)
    assert found["counts"][0]["as_stated"] == 1
    [printed] = found["sources"][0]["figures"]
    assert printed["printed"] == "98.80" and printed["value"] == pytest.approx(0.988)


def test_the_tables_are_written_in_both_formats(made, tiny):
    made.store.prepare()
    findings = made.findings(ForensicsPlan(tiny, 1))
    paths = findings.write(made.store.folder)
    assert [path.name for path in paths] == [
        "forensics-tiny.md", "forensics-tiny.csv", "forensics-tiny-candidates.md",
        "forensics-tiny-candidates.csv", "forensics-tiny-readings.md",
        "forensics-tiny-readings.csv",
    ]  # fmt: skip
    assert paths[0].read_text() == format_markdown(findings.build_table())
    assert paths[5].read_text() == format_csv(findings.build_readings_table())
    quick = made.findings(ForensicsPlan(tiny, 1, quick=True, with_readings=False))
    assert [p.name for p in quick.write(made.store.folder)] == [
        "forensics-tiny-quick.md", "forensics-tiny-quick.csv",
        "forensics-tiny-candidates-quick.md", "forensics-tiny-candidates-quick.csv",
    ]  # fmt: skip


def printed_in_one_table(kappa):
    accuracy = PrintedFigure.from_claim(replace(CLAIM, accuracy=0.908, printed="90.80"))
    reported = ReportedFigure("Table 3", "kappa", kappa)
    return [accuracy, PrintedFigure.from_reported(reported)]


def test_figures_that_clash_with_an_explained_accuracy_are_named_and_no_story_is_told(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    made.put_digits(plan, 0.775, 0.776, 0.777)  # its kappa is 0.75
    found = made.findings(plan, printed=printed_in_one_table("0.75"))
    findings = replace(found, suite=read_suite())
    assert findings.needs_no_story and not findings.needs_no_mistake
    assert str(explain_with_mistakes(findings)) == (
        "No mistake is needed for Table 3 (accuracy 90.80 %). The correct procedure gives "
        "90.80 ± 0.10 %, n = 3. The accuracy needs no mistake; Table 3 (kappa 0.75) cannot belong "
        "to the same run as that accuracy, so no story is told for it: see `fmbench check`."
    )
    text = format_findings(findings, 1000)
    assert DIGITS not in text and "no run gives the figure beside accuracy 90.80 %" in text
    [source] = findings.as_dict()["sources"]
    assert source["clashes_with_the_accuracy"] and not source["needs_no_mistake"]
    assert found.best_story is not None, "without the sizes of the classes nothing is known"


def test_a_figure_that_can_be_of_the_same_run_still_gets_its_stories(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    accuracy, _ = printed_in_one_table("0.75")
    mse = PrintedFigure.from_reported(ReportedFigure("Table 3", "mse", "0.66"))
    findings = replace(made.findings(plan, printed=[accuracy, mse]), suite=read_suite())
    assert findings.matrix.clashes == () and not findings.needs_no_story


def test_for_an_honest_claim_no_list_of_mistakes_is_written(made, tiny):
    plan = ForensicsPlan(tiny, 3)
    made.store.prepare()
    made.put_honest(plan, 0.907, 0.908, 0.909)
    made.put_digits(plan, 0.987, 0.988, 0.989)
    folder = made.store.folder
    assert len(made.findings(plan).write(folder)) == 6
    honest = made.findings(plan, printed=[figure("90.8%")])
    written = honest.write(folder)
    assert [path.name for path in written] == ["forensics-tiny.md", "forensics-tiny.csv"]
    assert sorted(folder.glob("forensics-*")) == sorted(written), "earlier lists are removed"
    assert DIGITS not in written[0].read_text()


def count(n_stories, n, few, as_stated, n_candidates, n_explaining):
    [source] = group_by_source([figure("98.8%")])
    return describe_count(
        SourceCount(source, n_stories, n, few, 0, as_stated, n_candidates, n_explaining)
    )


def test_counts_are_said_in_plain_words_for_none_one_and_several():
    start = "Table 3: accuracy 98.8 %: "
    candidates = "(story, metric and way of quoting) tried; explained by"
    assert count(1, 0, 0, 0, 1, 0) == (
        f"{start}1 story tried; explained by none; 1 candidate {candidates} none."
    )
    assert count(2, 1, 1, 0, 4, 2) == (
        f"{start}2 stories tried; explained by 1 (1 with few seeds, which only may explain it), by "
        f"none as it is named and described; 4 candidates {candidates} 2."
    )
    assert count(2, 2, 0, 1, 4, 2) == (
        f"{start}2 stories tried; explained by 2, by 1 as it is named and described; 4 candidates "
        f"{candidates} 2."
    )


def test_a_claim_alone_is_what_is_printed(made, tiny):
    [source] = made.findings(ForensicsPlan(tiny, 1)).printed
    assert source.title == TITLE
    assert source.figures[0].low == pytest.approx(PrintedFigure.from_claim(CLAIM).low)


# ---------------------------------------------------------------- in a terminal


@pytest.fixture
def several(made, tiny):
    """Findings of which some stories explain, some may explain, and some are not measured."""
    plan = ForensicsPlan(tiny, 3)
    made.put_honest(plan, 0.907, 0.908, 0.909)
    made.put_digits(plan, 0.987, 0.988, 0.989)
    made.put(plan.readings[1].digits, test=0.988)
    printed = [
        figure("98.80%"), figure("0.987", "kappa", where="Table 2, kappa"),
        figure("0.66", "mse", where="Table 2, MSE"), figure("98.9%", where="text, Section 4.2"),
    ]  # fmt: skip
    return made.findings(plan, printed=printed)


@pytest.mark.parametrize("width", [80, 120])
def test_the_findings_fit_the_terminal_and_no_word_is_cut(several, width):
    assert not list_bad_lines(build_findings_document(several), width)
    text = format_findings(several, width)
    for words in ("Forensics of tiny", "does not explain", "may explain", "not run"):
        assert words in text


def test_the_findings_begin_with_what_the_best_story_explains(several):
    _, _, answer, *_ = format_findings(several, 120).splitlines()
    n = several.n_compared
    assert answer == f"The best of {n} stories explains 3 of the 4 printed places."
    assert summarise_findings(several) == answer


def test_what_a_story_misses_stands_before_what_it_explains(several):
    [row] = [row for row in build_findings_document(several).table.rows if row["story"] == DIGITS]
    assert list(row)[-2:] == ["does not explain", "explains"]
    assert row["does not explain"].startswith("Table 2, MSE: 0.1")
    assert row["explains"].startswith("Table 3: 98.80; Table 2, kappa: 0.98")


def test_csv_has_the_matrix_and_latex_only_what_is_shown(several):
    document = build_findings_document(several)
    [digits] = [
        row
        for row in csv.DictReader(io.StringIO(format_document(document, "csv")))
        if row["story"] == DIGITS
    ]
    assert digits[TITLE] == "yes: 98.80, n = 3" and digits["status"] == "measured"
    assert "status" not in format_document(document, "tex")
    assert json.loads(format_document(document, "json")) == json.loads(
        json.dumps(several.as_dict())
    )


def test_where_nothing_is_measured_the_answer_says_so(made, tiny):
    findings = made.findings(ForensicsPlan(tiny, 1))
    assert summarise_findings(findings) == (
        "Nothing is known yet about the only printed place: no story that can be compared is "
        "measured."
    )
