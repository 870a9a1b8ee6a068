"""Results folders with records, for the tests of this folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fmbench import runners
from fmbench.audit.verify import Verifier
from fmbench.cli.main import main
from fmbench.datasets.specs import records_have_labels
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, load_labels
from fmbench.utils.environment import collect_versions, cpu_name
from tests.end_to_end.test_cli import fmbench
from tests.helpers.raw_records import write_record


@pytest.fixture
def save(store, source, record_of):
    """Save a record as a run would leave it; by default half of its predictions are right."""

    def save(cell, *, changes=None, **arrays):
        y_true = load_labels(cell.protocol, source)
        wrong = ((y_true + 1) % 10).astype(np.uint8)
        half = np.where(np.arange(len(y_true)) % 2, y_true, wrong)
        own = {"y_pred": half}
        facts = {"device": cpu_name(), "versions": collect_versions(), "threads": 1}
        if cell.runner.uses_gpu and cell.protocol.detailed:
            own["epoch_y_pred"] = np.stack([half, wrong])
            accuracies = [float((half == y_true).mean()), 0.0]
            facts["history"] = [
                {"epoch": epoch, "train_accuracy": 0.5, "heldout_accuracy": accuracy}
                for epoch, accuracy in enumerate(accuracies, 1)
            ]
            if "best_epoch" in cell.runner.flagged:
                own["flagged_best_epoch"] = half
        if records_have_labels(cell.dataset.name):
            own["y_true"] = y_true
        record = replace(record_of(cell), **{**facts, **(changes or {})})
        write_record(store, record, {**own, **arrays})
        return record

    return save


@pytest.fixture
def check(store, source):
    """Check the one record in the store; returns its state and the reason."""

    def check():
        [result] = Verifier(store, {source.spec.name: source}).check_records(store.read_contents())
        return result.state, result.why

    return check


@pytest.fixture(scope="session")
def lenet5_cell():
    """``lenet5_cell(...)``: a cell of LeNet-5 with seed 0 under the full protocol."""

    def build(**changes):
        return Cell(runners.get_runner("lenet5"), FULL, 0, **changes)

    return build


@pytest.fixture(scope="session")
def measured_folder(tmp_path_factory, source):
    """A results folder with a quick run of one runner."""
    folder = tmp_path_factory.mktemp("measured")
    done = fmbench("run", "gaussian-nb", "--quick", "--results", folder, "--data", source.folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def quick_record(measured_folder, store):
    """The one record in ``store``, which is a copy of a real quick run with its tables."""
    shutil.copytree(measured_folder, store.folder, dirs_exist_ok=True)
    [record] = store.read_contents().finished.values()
    return record


@pytest.fixture
def run_command(capfd, monkeypatch):
    """``run_command("verify", ...)``: run a command in this process, which is quick to start."""
    # The signal handlers of the test process stay as they are.
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def run(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        stdout, stderr = capfd.readouterr()
        return SimpleNamespace(returncode=stop.value.code or 0, stdout=stdout, stderr=stderr)

    return run
