"""`fmbench forensics`, from the command line to its tables, on a network that learns fast."""

import csv
import json
import re
import shlex
from dataclasses import replace

import numpy as np
import pytest

from fmbench.analysis.forensics import plan
from fmbench.analysis.forensics.plan import ForensicsPlan
from fmbench.cli.main import main
from fmbench.datasets import download, locate, specs
from fmbench.errors import UserError
from fmbench.models.registry import isolate_registrations
from fmbench.records.store import Store
from fmbench.utils import environment
from tests.end_to_end.test_cli import assert_one_line_error, fmbench
from tests.helpers.small_datasets import compute_checksums, encode_idx, pack, write_packed

pytestmark = pytest.mark.slow

SUITE = """
[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]
[[row]]
where = "Table 3"
label = "Tiny"
runner = "tiny"
claimed = "98.80"
[[row]]
where = "Table 3"
label = "Bayes"
runner = "gaussian-nb"
claimed = "57.06"
"""


@pytest.fixture(scope="module")
def tiny():
    with isolate_registrations():
        from tests.helpers import tiny

    with tiny.registered() as runner:
        yield runner


def write_bars(folder):
    """Write made-up files: each image is a bar whose height is the label. Return their contents."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    contents = {}
    for kind, n in (("train", 400), ("t10k", 100)):
        y = generator.permutation(np.arange(n) % 10).astype(np.uint8)
        X = np.zeros((n, 28, 28), np.uint8)
        for image, label in zip(X, y, strict=True):
            image[: 2 * label + 2, generator.integers(20) :] = 255
        contents |= {
            f"{kind}-images-idx3-ubyte": encode_idx(X),
            f"{kind}-labels-idx1-ubyte": encode_idx(y),
        }
    write_packed(contents, folder)
    return contents


def replace_dataset(monkeypatch, constant, **checksums):
    spec = replace(getattr(specs, constant), **checksums)
    for module in (specs, plan):
        monkeypatch.setattr(module, constant, spec)
    monkeypatch.setitem(specs.DATASETS, spec.name, spec)


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """A folder of made-up digits."""
    folder = tmp_path / "made-up digits"
    contents = write_bars(folder)
    replace_dataset(monkeypatch, "MNIST_DIGITS", sha256=compute_checksums(contents))
    return folder


@pytest.fixture
def first_release(tmp_path, monkeypatch):
    """Put a made-up first release of Fashion-MNIST into the cache."""
    contents = write_bars(tmp_path / "cache" / specs.FIRST_RELEASE.name)
    checksums = compute_checksums(pack(contents))
    replace_dataset(monkeypatch, "FIRST_RELEASE", sha256_gz=checksums)


@pytest.fixture
def investigate(tmp_path, source, tiny, first_release, capfd, monkeypatch):
    """``investigate(*arguments)``: run the command on the tiny runner; status, stdout, stderr."""
    suite = tmp_path / "suite.toml"
    suite.write_text(SUITE)
    monkeypatch.setattr(locate, "cache_folder", lambda spec: tmp_path / "cache" / spec.name)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("signal.signal", lambda *_: None)  # keep the handlers of the tests
    # As many cells at a time as are asked for, whatever else runs on the machine.
    monkeypatch.setattr(environment, "measure_free_memory", lambda: 2**36)

    def run(*arguments, name="tiny"):
        with pytest.raises(SystemExit) as stop:
            main(["forensics", name, "--suite", str(suite), "--jobs", "2",
                  "--results", str(tmp_path / "results"), "--data", str(source.folder),
                  *map(str, arguments)])  # fmt: skip
        return stop.value.code, *capfd.readouterr()

    return run


@pytest.fixture
def without_digits(monkeypatch):
    def unreachable(spec, folder):
        raise UserError(f"no source of {spec.title} could be reached")

    monkeypatch.setattr(download, "fetch", unreachable)


def read_candidates(results):
    path = results / "suite" / "forensics-tiny-candidates-quick.csv"
    return {row["story"]: row for row in csv.DictReader(path.read_text().splitlines())}


def count_measured(out):
    """Count the stories of the printed table that have one seed."""
    return sum(bool(re.match(r"\S.* 1 +\S", line)) for line in list_stories(out))


def list_stories(out):
    """List the lines of the printed table of stories, without the lines before and after it."""
    lines = out.partition("The stories, ")[2].splitlines()[2:]
    end = next(i for i, line in enumerate(lines) if line in ("Notes", "What is not measured"))
    return lines[:end]


def list_all(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_without_run_nothing_is_run_or_written_and_the_time_is_told(investigate, tmp_path, source):
    before = list_all(tmp_path)
    status, out, err = investigate()
    assert (status, err) == (0, "")
    assert list_all(tmp_path) == before  # not even the results folder
    words = " ".join(out.split())
    assert "no mistake not run" in words
    assert "Not measured yet, the most informative first" in words
    assert "the correct procedure 5 of 5" in words


def test_the_command_that_measures_can_be_typed_and_keeps_what_the_user_typed(investigate, digits):
    options = ("-p", "epochs=4", "--quick", "--seeds", 3, "--no-readings", "--digits", digits)
    _, out, _ = investigate(*options, "--timeout", "90")
    *_, command = out.strip().splitlines()
    program, verb, *words = shlex.split(command)
    assert (program, verb, words[0]) == ("fmbench", "forensics", "tiny")
    assert words[-len(options) - 3 :] == [*map(str, options), "--timeout", "90", "--run"]
    assert "'" in command, "the folder's name has a space"
    # Ten seconds for the two epochs of the recipe, so twenty for four.
    assert "the correct procedure 3 of 3 1 min 00 s" in " ".join(out.split())


def test_a_quick_run_measures_every_story_and_a_second_run_has_nothing_to_do(
    investigate, digits, tmp_path, source, tiny
):
    status, out, err = investigate("--quick", "--run", "--digits", digits)
    assert status == 0, err
    # two seeds without a mistake; two seeds of five mistakes, three more readings on each data set,
    # the long run
    assert "not measured yet: 2 of 2 cells, 2 at a time: about " in err
    assert "not measured yet: 17 of 19 cells, 2 at a time: about " in err
    assert "Not measured" not in out
    results = tmp_path / "results"
    assert not (results / "suite").exists()  # tables are written only with --write

    status, out, err = investigate("--quick", "--write")
    rows = read_candidates(results)
    accuracy = {what: float(row["accuracy"]) for what, row in rows.items()}
    honest = accuracy["no mistake"]
    assert 50 < honest < 90
    assert accuracy["test images in the training set"] > honest
    assert accuracy["best epoch picked on the test set"] >= honest
    assert rows["MNIST digits in place of Fashion-MNIST"]["n"] == "2"
    assert len(rows) == 11 + 3 * 5  # and of each reading: three stories, and two on the digits

    store = Store(results)
    contents = store.read_contents()
    found = ForensicsPlan(tiny, 2, quick=True)
    by_name = {
        cell.protocol.name: contents.find_finished(cell)
        for cell in found.cells if cell.seed == 0 and not cell.overrides
    }  # fmt: skip
    test = store.load_y_pred(contents.find_finished(found.honest.cells[0]))
    # the fit is that of the correct procedure, so the predictions of the test images are equal
    assert np.array_equal(store.load_y_pred(by_name["quickseen"])[-2000:], test)
    assert not np.array_equal(store.load_y_pred(by_name["quickleak"]), test)
    long_run = contents.find_finished(found.long_run)
    assert len(long_run.history) == 10

    before = list_all(results / "records")
    status, again, err = investigate("--quick", "--run")  # the digits' labels are in their records
    assert (status, again) == (0, out)
    assert "nothing to do" in err and ", fit " not in err
    assert list_all(results / "records") == before

    next((results / "records" / "tiny").glob("quickleak-seed1-*.json")).unlink()
    status, resumed, err = investigate("--quick", "--run", "--digits", digits)
    assert (status, resumed) == (0, out)
    assert err.count(", fit ") == 1 and "tiny (quickleak) seed 1: accuracy " in err


def test_without_the_digits_all_other_mistakes_are_measured(investigate, without_digits):
    status, out, err = investigate("--quick", "--run", "--no-readings", "--seeds", 1)
    assert status == 0
    assert "left out what needs the MNIST handwritten digits, because no source of" in err
    words = " ".join(out.split())
    assert re.search("MNIST digits in place of Fashion-MNIST +not run", words)
    assert count_measured(out) == 9
    assert "the MNIST digits 1 " in words


def test_failed_cells_are_named_and_the_exit_status_is_1(investigate, digits):
    status, out, err = investigate("--quick", "--run", "--digits", digits, "--no-readings",
                                   "--seeds", 1, "--memory", 0.125)  # fmt: skip
    assert status == 1, err
    failed = "failed: used more than 0.125 GiB of memory (seed 0)"
    assert " ".join(out.split()).count(failed) == 11


def test_if_the_correct_procedure_explains_the_claim_nothing_else_is_measured(
    investigate, tmp_path
):
    status, out, err = investigate("--run", name="gaussian-nb")
    assert status == 0
    assert "the correct procedure explains everything: nothing else is measured" in err
    assert "No mistake is needed: the correct procedure gives 57.06 %, n = 1" in out
    assert "digits" not in out.partition("Nothing else has to be measured.")[0].lower()
    assert "left out" not in err  # the digits are not even looked for
    assert len(list((tmp_path / "results" / "records").rglob("*.json"))) == 1


def test_the_findings_can_be_printed_for_a_program(investigate):
    status, out, _ = investigate("--json")
    found = json.loads(out)
    assert status == 0 and found["model"] == "tiny" and found["stories"] == []
    assert found["not_measured"][0] == {
        "what": "the correct procedure", "n_pending": 5, "n_cells": 5,
        "seconds": found["not_measured"][0]["seconds"],
    }  # fmt: skip


def test_a_model_of_the_users_own_is_examined_too(investigate, tmp_path, without_digits):
    file = tmp_path / "mine.py"
    file.write_text(
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import FunctionTransformer\n"
        "from sklearn.tree import DecisionTreeClassifier\n"
        "def make(*, depth=3):\n"
        "    flat = FunctionTransformer(lambda X: X.reshape(len(X), -1))\n"
        "    return make_pipeline(flat, DecisionTreeClassifier(max_depth=depth, random_state=0))\n"
    )
    name = f"{file}:make"
    status, out, err = investigate("--quick", "--run", "-p", "depth=2", name=name)
    assert status == 0, err
    assert "prints no figure of this model" in out
    assert count_measured(out) == 6
    status, again, err = investigate("--quick", "-p", "depth=2", name=name)
    assert status == 0 and count_measured(again) == 6


def test_without_records_of_ones_own_those_of_the_reference_are_shown_but_not_written(
    investigate, tmp_path
):
    status, out, err = investigate(name="lenet5")
    assert status == 0 and "no record of lenet5: these findings are from fmbench's own" in err
    words = " ".join(out.split())
    assert "no mistake 5 " in words and "the correct procedure 5 of 5" in words
    assert not (tmp_path / "results").exists()
    status, out, err = investigate("--write", name="lenet5")
    assert (status, out) == (2, "")
    assert "has no record of lenet5: measure it with --run" in err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["lenett"], ["unknown runner 'lenett'", "did you mean lenet5"]),
        ([], ["NAME"]),
        (["lenet5", "-p", "no=1"], ["no hyperparameter 'no'"]),
        (["lenet5", "--run", "--digits", "/no/such/folder"], ["--data mnist=DIR: /no/such/folder"]),
        (["lenet5", "--digits", "/no/such/folder"], ["--data mnist=DIR: /no/such/folder"]),
        (["lenet5", "--seeds", "0"], ["--seeds"]),
        (["lenet5", "--digits", ""], ["--digits", "empty"]),
        (["lenet5", "--suite", "/no/such.toml"], ["/no/such.toml"]),
        (["lenet5", "--data", "/no/such/folder"], ["--data", "/no/such/folder"]),
        (["lenet5", "--timeout", "nan"], ["--timeout"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_bad_input_prints_one_line(arguments, messages, tmp_path):
    assert_one_line_error(fmbench("forensics", *arguments, "--results", tmp_path), *messages)


def test_fashion_mnist_files_in_place_of_the_digits_are_refused(source, tmp_path):
    done = fmbench("forensics", "lenet5", "--run", "--digits", source.folder, "--results", tmp_path)
    assert_one_line_error(
        done, "holds Fashion-MNIST, not the MNIST handwritten digits", "--data mnist=DIR"
    )
    assert not list(tmp_path.glob("records/*/*"))
