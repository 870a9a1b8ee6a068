"""`fmbench forensics`, from the command line to its tables, on a network that learns fast."""

import csv
import gzip
import hashlib
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
from tests.end_to_end.test_cli import assert_one_line_error, fmbench

pytestmark = pytest.mark.slow

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
    with isolate_registrations():
        from tests.helpers import tiny

    with tiny.registered() as runner:
        yield runner


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """A folder of made-up digits: each image is a bar whose height is the label."""
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
    monkeypatch.setitem(specs.DATASETS, spec.name, spec)
    return folder


@pytest.fixture
def investigate(tmp_path, source, tiny, capfd, monkeypatch):
    """``investigate(*arguments)``: run the command on the tiny runner; status, stdout, stderr."""
    suite = tmp_path / "suite.toml"
    suite.write_text(SUITE)
    monkeypatch.setattr(locate, "cache_folder", lambda spec: tmp_path / "cache" / spec.name)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # keep the handlers of the tests

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            main(["forensics", "tiny", "--quick", "--suite", str(suite), "--jobs", "2",
                  "--results", str(tmp_path / "results"), "--data", str(source.folder),
                  *map(str, arguments)])  # fmt: skip
        return stop.value.code, *capfd.readouterr()

    return run


def test_a_quick_run_measures_every_mistake_and_a_second_run_has_nothing_to_do(
    investigate, digits, tmp_path, source, tiny
):
    status, out, err = investigate("--digits", digits)
    assert status == 0, err
    # two seeds of five protocols, three more readings, and the best of them twice
    assert "13 of 13 cells are to be measured, 2 at a time: about " in err
    results = tmp_path / "results"
    assert out == (results / "suite" / "forensics-tiny-quick.md").read_text()
    rows = {
        row["mistake"]: row
        for row in csv.DictReader(
            (results / "suite" / "forensics-tiny-quick.csv").read_text().splitlines()
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
    contents = store.read_contents()
    plan = ForensicsPlan(tiny, 2, quick=True)
    by_name = {
        cell.protocol.name: contents.find_finished(cell) for cell in plan.cells if cell.seed == 0
    }
    test = store.load_y_pred(contents.find_finished(plan.variants[0].cells[0]))
    # the fit is that of the correct procedure, so the predictions of the test images are equal
    assert np.array_equal(store.load_y_pred(by_name["quickseen"])[-2000:], test)
    assert not np.array_equal(store.load_y_pred(by_name["quickleak"]), test)

    before = {p: p.stat().st_mtime_ns for p in (results / "records").rglob("*.*")}
    status, again, err = investigate()  # the digits' labels are in their records
    assert (status, again) == (0, out)
    assert "nothing to do" in err and ": fit " not in err
    assert {p: p.stat().st_mtime_ns for p in (results / "records").rglob("*.*")} == before

    next((results / "records" / "tiny").glob("quickleak-seed1-*.json")).unlink()
    status, resumed, err = investigate("--digits", digits)
    assert (status, resumed) == (0, out)
    assert err.count(": fit ") == 1 and "tiny (quickleak) seed 1: fit " in err


def test_without_the_digits_all_other_mistakes_are_measured(investigate, monkeypatch):
    def unreachable(spec, folder):
        raise UserError(f"no source of {spec.title} could be reached")

    monkeypatch.setattr(download, "fetch", unreachable)
    status, out, err = investigate("--no-readings", "--seeds", 1)
    assert status == 0
    assert "left out what needs the MNIST handwritten digits: no source of" in err
    [line] = [line for line in out.splitlines() if "| MNIST digits" in line]
    assert "not run" in line
    assert sum("| measured" in line for line in out.splitlines()) == 7


def test_failed_cells_are_named_and_the_exit_status_is_1(investigate, digits):
    status, out, err = investigate("--digits", digits, "--no-readings", "--seeds", 1,
                                   "--memory", 0.125)  # fmt: skip
    assert status == 1, err
    assert out.count("failed: used more than 0.125 GiB of memory (seed 0)") == 8


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["lenet"], ["unknown runner 'lenet'", "did you mean lenet5?"]),
        ([], ["NAME"]),
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
    done = fmbench("forensics", "lenet5", "--digits", source.folder, "--results", tmp_path)
    assert_one_line_error(
        done, "holds Fashion-MNIST, not the MNIST handwritten digits", "--data mnist=DIR"
    )
    assert not list(tmp_path.glob("records/*/*"))
