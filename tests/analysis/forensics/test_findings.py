"""What forensics says of records, and a whole run of it on a network that learns in a moment."""

import csv
import gzip
import hashlib
import time
from dataclasses import replace

import numpy as np
import pytest

from fmbench import runners
from fmbench.analysis.forensics import findings, plan
from fmbench.analysis.forensics.accuracies import Evidence
from fmbench.analysis.forensics.findings import Claim, Findings
from fmbench.analysis.forensics.plan import Plan
from fmbench.cli.main import main
from fmbench.datasets import download, locate, specs
from fmbench.errors import UserError
from fmbench.models import registry
from fmbench.records.protocols import FULL, labels_by_part
from fmbench.records.store import Store
from fmbench.report.sentences import explained
from fmbench.suites import bundled, reader
from fmbench.utils.table import as_csv, as_markdown
from tests.end_to_end.test_cli import assert_one_line_error, fmbench

CLAIM = Claim("98.80", 0.98795, 0.98805, "Tiny, Table 3")
SUITE = """
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "Table 3"
label = "Tiny"
runner = "tiny"
claimed = "98.80"
"""


@pytest.fixture(scope="module")
def tiny():
    import tests.helpers.tiny  # registers it

    yield runners.get("tiny")
    assert tests.tiny
    registry._REGISTRY.pop("tiny")


class Made:
    """A results folder of records with accuracies as told."""

    def __init__(self, folder, source, record_of):
        self.store, self._source, self._record_of = Store(folder), source, record_of

    def put(self, cell, history=(), epochs=(), **shares):
        """``put(cell, test=0.9, held_out=0.8)``: the first so many of each part are right."""
        wanted = {name.replace("_", " "): share for name, share in shares.items()}
        digits = cell.dataset != specs.FASHION_MNIST
        labels = labels_by_part(cell.protocol, self._source)
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
        return Findings(plan, claim, Evidence(self.store, self.store.read(), self._source))


def right(y_true, share):
    first = np.arange(len(y_true)) < round(share * len(y_true))
    return np.where(first, y_true, (y_true + 1) % 10).astype(np.uint8)


@pytest.fixture
def made(tmp_path, source, record_of):
    return Made(tmp_path / "results", source, record_of)


def lines_of(findings):
    return {line["mistake"]: line for line in findings.table().rows}


# ---------------------------------------------------------------- landing


@pytest.mark.parametrize(
    ("mean", "low", "high", "word"),
    [
        (0.9880, 0.9880, 0.9880, "yes"),
        (0.98296, None, None, "yes"),  # margin and rounding together
        (0.98294, None, None, "no"),
        (0.99304, None, None, "yes"),
        (0.99306, None, None, "no"),
        (0.97, 0.95, 0.99, "possible"),
        (0.97, 0.95, 0.98796, "possible"),  # the rounding counts
        (0.97, 0.95, 0.98794, "no"),
        (0.995, 0.98804, 1.0, "possible"),
        (0.91, 0.905, 0.915, "no"),
    ],
)
def test_a_variant_lands_within_margin_and_rounding_or_possibly_in_its_interval(
    mean, low, high, word
):
    assert CLAIM.lands(mean, low, high) == word


def test_the_claim_is_the_suites_first_figure_of_the_runner():
    claim = Claim.of(reader.read(), "lenet5")
    assert (claim.printed, claim.whose) == ("98.80", "CNN-LeNet-5, Table 3")
    assert (claim.low, claim.high) == pytest.approx((0.98795, 0.98805))
    assert Claim.of(reader.read(), "perceptron") is None


# ---------------------------------------------------------------- figures


def test_each_variant_takes_its_figure_from_the_images_that_it_names(made, tiny):
    plan = Plan(tiny, 2, with_readings=False)
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


def test_one_seed_has_no_spread_and_three_stable_ones_do_not_land(made, tiny):
    plan = Plan(tiny, 3, with_readings=False)
    honest = plan.variants[0].cells
    made.put(honest[0], [{"epoch": 1, "train_accuracy": 0.9}], (0.91,), test=0.91)
    line = lines_of(made.findings(plan))["none: as it should be"]
    assert (line["n"], line["sd"], line["low"], line["lands"]) == ("1", "", "", "no")
    for i, cell in enumerate(honest[1:]):
        made.put(cell, [{"epoch": 1, "train_accuracy": 0.9}], (0.91,), test=0.911 + 0.001 * i)
    line = lines_of(made.findings(plan))["none: as it should be"]
    assert (line["n"], line["lands"]) == ("3", "no")
    assert float(line["low"]) < 91.1 < float(line["high"])


def test_what_is_not_there_is_not_run_and_what_failed_says_why(made, tiny):
    plan = Plan(tiny, 2)
    made.fail(plan.variants[0].cells[1], "ran out of memory")
    table = made.findings(plan).table()
    lines = {line["mistake"]: line for line in table.rows}
    assert lines["none: as it should be"]["status"] == "failed: ran out of memory (seed 1)"
    assert lines["test images in the training set"]["status"] == "not run"
    assert lines["test images in the training set"]["accuracy"] == ""
    assert any("--digits" in note for note in table.notes)
    assert "0 of 4 readings have been tried so far." in table.notes


def test_a_network_that_reports_no_epochs_has_no_figure_of_one(made, tiny):
    plan = Plan(tiny, 1, with_readings=False)
    made.put(plan.variants[0].cells[0], test=0.91)
    lines = lines_of(made.findings(plan))
    assert lines["none: as it should be"]["status"] == "measured"
    for what in ("best epoch picked on the test set", plan.variants[2].what):
        assert lines[what]["accuracy"] == ""
        assert lines[what]["status"] == "its records hold no epochs"


# ---------------------------------------------------------------- readings


def put_readings(made, plan, held_out, test):
    for reading, h, t in zip(plan.readings, held_out, test, strict=True):
        made.put(reading.cell, held_out=h, test=t)


def test_the_honest_best_is_chosen_without_the_test_images(made, tiny):
    plan = Plan(tiny, 3)
    put_readings(made, plan, held_out=(0.7, 0.9, 0.8, 0.85), test=(0.7, 0.86, 0.8, 0.99))
    best = made.findings(plan).best
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
    notes = " ".join(findings.table().notes)
    assert "optimizer: sgd, learning_rate 0.0001; pixels: standard" in notes
    assert "Of 4 readings, 1 land on the claim." in notes
    assert "optimizer: optimizer is stated (adam); other answers depart from it." in notes


@pytest.mark.parametrize("share", [0.9, 0.0])
def test_there_is_no_best_before_all_readings_are_tried(made, tiny, share):
    plan = Plan(tiny, 1)
    for reading in plan.readings[:3]:
        made.put(reading.cell, held_out=share, test=share)
    findings = made.findings(plan)
    assert findings.best is None
    line = lines_of(findings)["best of 4 readings, picked on the test set"]
    assert (line["accuracy"], line["status"]) == ("", "not run")
    assert "3 of 4 readings have been tried so far." in findings.table().notes


def test_a_reading_that_failed_does_not_hold_up_the_others(made, tiny):
    plan = Plan(tiny, 1)
    for reading, share in zip(plan.readings[:3], (0.7, 0.9, 0.8), strict=True):
        made.put(reading.cell, held_out=share, test=share)
    made.fail(plan.readings[3].cell, "timed out after 9 s")
    findings = made.findings(plan)
    assert findings.best is plan.readings[1]
    assert "best of 3 readings, picked on the test set" in lines_of(findings)
    assert "1 of 4 readings failed: the best is that of the others." in findings.table().notes
    statuses = [line["status"] for line in findings.readings_table().rows]
    assert statuses == ["measured"] * 3 + ["failed: timed out after 9 s"]


def test_the_readings_are_listed_by_what_they_got_on_held_out_images(made, tiny):
    plan = Plan(tiny, 1)
    put_readings(made, plan, held_out=(0.7, 0.9, 0.8, 0.85), test=(0.7, 0.86, 0.8, 0.99))
    rows = made.findings(plan).readings_table().rows
    assert [row["held out"] for row in rows] == ["90.00", "85.00", "80.00", "70.00"]
    assert rows[1] == {
        "optimizer": "adam, learning_rate 0.002", "pixels": "standard", "held out": "85.00",
        "test": "99.00", "status": "measured",
    }  # fmt: skip


def test_the_recipe_itself_may_be_the_best_and_is_then_not_run_again(made, tiny):
    plan = Plan(tiny, 2)
    put_readings(made, plan, held_out=(0.7, 0.8, 0.9, 0.85), test=(0.7,) * 4)
    findings = made.findings(plan)
    assert not findings.best.cell.overrides
    assert list(plan.confirmation(findings.best)) == list(plan.variants[0].cells)
    assert any("It is the recipe as registered." in note for note in findings.table().notes)


# ---------------------------------------------------------------- what is printed


def test_the_story_names_what_lands_and_what_the_best_reading_gets(made, tiny):
    plan = Plan(tiny, 3)
    assert explained(made.findings(plan)) is None  # nothing has been tried
    put_readings(made, plan, held_out=(0.7, 0.9, 0.8, 0.85), test=(0.7, 0.86, 0.8, 0.91))
    for cell in plan.confirmation(made.findings(plan).best):
        made.put(cell, test=0.87 + 0.001 * cell.seed)
    assert str(explained(made.findings(plan))).startswith(
        "Of 2 known mistakes, each made on purpose, none lands on 98.80 %. Of 4 ways to read what "
        "the source leaves open, none lands there; the best, picked on held-out training images, "
        "gets 87.10 ± 0.10 %, n = 3. "
    )
    for cell in plan.variants[-1].cells:  # fitted on the test images too
        made.put(cell, test=0.987 + 0.001 * cell.seed)
    assert "1 lands on 98.80 %: test images in the training set (98.80 ± 0.10 %, n = 3)." in str(
        explained(made.findings(plan))
    )
    assert explained(made.findings(plan, claim=None)) is None


def test_the_committed_forensics_are_what_the_committed_records_give(tmp_path, source):
    committed = bundled.CHECKOUT / "results" / "reference"
    store = Store(committed)
    evidence = Evidence(store, store.read(), source)
    claim = Claim.of(reader.read(), "lenet5")
    written = Findings(Plan(runners.get("lenet5"), 5), claim, evidence).write(tmp_path)
    assert len(written) == 4
    for path in written:
        assert path.read_bytes() == (committed / path.name).read_bytes(), path.name


def test_a_quick_look_is_not_held_against_the_claim(made, tiny):
    plan = Plan(tiny, 1, quick=True, with_readings=False)
    made.put(plan.variants[-1].cells[0], test=0.988)
    table = made.findings(plan).table()
    assert "not comparable with the claim" in table.title
    assert {(row["gap"], row["lands"]) for row in table.rows} == {("", "")}
    assert not any(note.startswith("Claim") for note in table.notes)
    assert any("--no-readings" in note for note in table.notes)


def test_without_a_claim_there_is_nothing_to_land_on(made, tiny):
    plan = Plan(tiny, 1)
    made.put(plan.variants[-1].cells[0], test=0.988)
    table = made.findings(plan, None).table()
    assert table.title == "Forensics of tiny"
    assert {row["lands"] for row in table.rows} == {""}
    assert any("claims no figure for this runner" in note for note in table.notes)


def test_the_words_are_evidence_not_proof(made, tiny):
    text = as_markdown(made.findings(Plan(tiny, 1)).table())
    assert "Evidence, not proof" in text
    assert "at most 0.5 points" in text and "rounding of 0.005" in text
    assert "fraud" not in text.lower()


def test_the_tables_are_written_in_both_formats(made, tiny):
    made.store.prepare()
    findings = made.findings(Plan(tiny, 1))
    paths = findings.write(made.store.folder)
    assert [path.name for path in paths] == [
        "forensics-tiny.md", "forensics-tiny.csv", "forensics-tiny-readings.md",
        "forensics-tiny-readings.csv",
    ]  # fmt: skip
    assert paths[0].read_text() == as_markdown(findings.table())
    assert paths[3].read_text() == as_csv(findings.readings_table())
    quick = made.findings(Plan(tiny, 1, quick=True, with_readings=False))
    assert [p.name for p in quick.write(made.store.folder)] == [
        "forensics-tiny-quick.md", "forensics-tiny-quick.csv",
    ]  # fmt: skip


# ---------------------------------------------------------------- a whole run


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """A folder of made-up digits: a bar whose height is the label. Easier than any garment."""
    folder = tmp_path / "made-up digits"
    folder.mkdir()
    generator = np.random.default_rng(0)
    sha256 = {}
    for kind, n in (("train", 400), ("t10k", 100)):
        y = generator.permutation(np.arange(n) % 10).astype(np.uint8)
        X = np.zeros((n, 28, 28), np.uint8)
        for image, label in zip(X, y, strict=True):
            image[: 2 * label + 2, generator.integers(20) :] = 255
        contents = {
            f"{kind}-images-idx3-ubyte": (3, X),
            f"{kind}-labels-idx1-ubyte": (1, y),
        }
        for name, (n_dims, array) in contents.items():
            head = bytes([0, 0, 8, n_dims]) + b"".join(k.to_bytes(4, "big") for k in array.shape)
            content = head + array.tobytes()
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            sha256[name] = hashlib.sha256(content).hexdigest()
    spec = replace(specs.MNIST_DIGITS, sha256=sha256)
    for module in (specs, plan):
        monkeypatch.setattr(module, "MNIST_DIGITS", spec)
    return folder


@pytest.fixture
def investigate(tmp_path, source, tiny, capfd, monkeypatch):
    """``investigate(*arguments)``: the verb on the tiny runner; status, stdout and stderr."""
    suite = tmp_path / "suite.toml"
    suite.write_text(SUITE)
    monkeypatch.setattr(locate, "cache_folder", lambda spec: tmp_path / "cache" / spec.name)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # those of the tests stay as they are

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            main(["forensics", "tiny", "--quick", "--suite", str(suite), "--jobs", "2",
                  "--results", str(tmp_path / "results"), "--data", str(source.folder),
                  *map(str, arguments)])  # fmt: skip
        return stop.value.code, *capfd.readouterr()

    return run


def test_a_whole_quick_run_and_a_second_one_that_has_nothing_to_do(
    investigate, digits, tmp_path, source, tiny
):
    status, out, err = investigate("--digits", digits)
    assert status == 0, err
    # two seeds of five protocols, three more readings, and the best of them twice
    assert "13 of 13 cells are to be measured, 2 at a time: about " in err
    results = tmp_path / "results"
    assert out == (results / "suite-forensics-tiny-quick.md").read_text()
    rows = {
        row["mistake"]: row
        for row in csv.DictReader(
            (results / "suite-forensics-tiny-quick.csv").read_text().splitlines()
        )
    }
    assert {row["status"] for row in rows.values()} == {"measured"}
    accuracy = {what: float(row["accuracy"]) for what, row in rows.items()}
    honest = accuracy["none: as it should be"]
    assert 50 < honest < 90
    assert accuracy["test images in the training set"] > honest
    assert accuracy["best epoch picked on the test set"] >= honest
    assert rows["MNIST digits in place of Fashion-MNIST"]["n"] == "2"

    store = Store(results)
    contents = store.read()
    plan = Plan(tiny, 2, quick=True)
    by_name = {cell.protocol.name: contents.of(cell) for cell in plan.cells if cell.seed == 0}
    test = store.y_pred(contents.of(plan.variants[0].cells[0]))
    # the same fit as the honest one's, so the same predictions of the test images
    assert np.array_equal(store.y_pred(by_name["quickseen"])[-2000:], test)
    assert not np.array_equal(store.y_pred(by_name["quickleak"]), test)

    before = {p: p.stat().st_mtime_ns for p in (results / "records").rglob("*.*")}
    start = time.monotonic()
    status, again, err = investigate()  # the digits' labels are in their records
    assert time.monotonic() - start < 30
    assert (status, again) == (0, out)
    assert "nothing to do" in err and ": fit " not in err
    assert {p: p.stat().st_mtime_ns for p in (results / "records").rglob("*.*")} == before

    next((results / "records" / "tiny").glob("quickleak-seed1-*.json")).unlink()
    status, resumed, err = investigate("--digits", digits)
    assert (status, resumed) == (0, out)
    assert err.count(": fit ") == 1 and "tiny (quickleak) seed 1: fit " in err


def test_digits_out_of_reach_are_left_out_and_the_rest_is_measured(investigate, monkeypatch):
    def unreachable(spec, folder):
        raise UserError(f"no source of {spec.title} could be reached")

    monkeypatch.setattr(download, "fetch", unreachable)
    status, out, err = investigate("--no-readings", "--seeds", 1)
    assert status == 0
    assert "left out what needs the MNIST handwritten digits: no source of" in err
    [line] = [line for line in out.splitlines() if "| MNIST digits" in line]
    assert "not run" in line
    assert sum("| measured" in line for line in out.splitlines()) == 7


def test_a_cell_that_fails_is_said_and_the_status_is_1(investigate, digits):
    status, out, err = investigate("--digits", digits, "--no-readings", "--seeds", 1,
                                   "--memory", 0.125)  # fmt: skip
    assert status == 1, err
    assert out.count("failed: used more than 0.125 GB of memory (seed 0)") == 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lenet"], ["unknown runner 'lenet'", "did you mean lenet5?"]),
        ([], ["NAME"]),
        (["lenet5", "--digits", "/no/such/folder"], ["--digits: /no/such/folder"]),
        (["lenet5", "--seeds", "0"], ["--seeds"]),
        (["lenet5", "--digits", ""], ["--digits", "empty"]),
        (["lenet5", "--suite", "/no/such.toml"], ["/no/such.toml"]),
        (["lenet5", "--data", "/no/such/folder"], ["--data", "/no/such/folder"]),
        (["lenet5", "--timeout", "nan"], ["--timeout"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_bad_input_is_one_line(arguments, said, tmp_path):
    assert_one_line_error(fmbench("forensics", *arguments, "--results", tmp_path), *said)


def test_the_garments_in_place_of_the_digits_are_refused_by_name(source, tmp_path):
    done = fmbench("forensics", "lenet5", "--digits", source.folder, "--results", tmp_path)
    assert_one_line_error(done, "holds Fashion-MNIST, not the MNIST handwritten digits", "--digits")
    assert not list(tmp_path.glob("records/*/*"))


def test_no_mistake_has_a_claim_in_sight():
    from tests.test_style import ROOT, imports_of

    judging = {"suites", "summary", "tables", "results", "metrics", "verdicts", "forensics"}
    assert not imports_of(ROOT / "fmbench" / "mistakes.py") & judging
    assert FULL in {v.cells[0].protocol for v in Plan(runners.get("lenet5"), 1).variants}
    assert findings.COLUMNS[-1] == "status"
