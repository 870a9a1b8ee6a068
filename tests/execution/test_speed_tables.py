"""`make speed`: the table that it writes, and that all ways of training start alike."""

import importlib
import json
import sys

import numpy as np
import pytest
import torch

from fmbench import runners
from fmbench.models import accelerators
from fmbench.utils.environment import CHECKOUT

FOLDER = CHECKOUT / "benchmarks" / "speed"


@pytest.fixture(scope="module", autouse=True)
def scripts():
    """The scripts import each other from their own folder."""
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture(scope="module")
def measure(scripts):
    return importlib.import_module("measure_speed")


def make_results(measure):
    machine = {"processor": "Chip", "instructions": "avx2", "cores": "4"}
    network = {
        "seconds": {"plain loop": 12.34, "best PyTorch": 10.0, "fmbench": 3.0},
        "accuracy": {"plain loop": 82.71, "best PyTorch": 82.7, "fmbench": 82.69},
        "ratio": 0.243, "share of product rate": 0.4, "n": 3, "images": 60_000, "compiled": True,
    }  # fmt: skip
    equivalence = {
        "accuracies": {"fmbench": [90.0, 91.0], "plain": [90.2, 90.9]}, "p": 0.0123, "margin": 0.5,
        "epochs": 10, "difference": -0.05, "images": 60_000,
    }  # fmt: skip
    return {
        "machine": machine | dict.fromkeys(measure.LIBRARIES, "1.0"),
        "parts": {"lenet5": network, "equivalence": equivalence},
    }


def test_the_tables_show_what_was_measured_and_leave_out_the_rest(measure):
    text = measure.format_tables(make_results(measure))
    row = "| `lenet5`, 60,000 images | 12.3 (82.7 %) | 10.0 (82.7 %) | – | – | 3.00 (82.7 %) |"
    assert f"{row} 0.24 | 40% | 3 |" in text
    assert "Chip with avx2 and 4 cores" in text
    assert "90.50 % with fmbench, 90.55 % with the plain loop (n=2 seeds each)" in text
    assert "scikit-learn s" not in text and "trials of LeNet-5" not in text


def test_the_tables_of_the_readme_are_those_of_the_results(measure):
    text = measure.README.read_text(encoding="utf-8")
    block = text.split(measure.START)[1].split(measure.END)[0].strip()
    if measure.RESULTS.exists():
        assert block == measure.format_tables(json.loads(measure.RESULTS.read_text()))
    else:
        assert block == ""


@pytest.mark.slow
def test_every_way_starts_with_the_weights_and_the_order_of_fmbenchs_fit(monkeypatch):
    from side_by_side import EpochOrder, start_training

    runner = runners.get_runner("lenet5")
    values = runner.resolve({"epochs": 2, "learning_rate": 0.0})  # the weights stay as they are
    classifier = runner.build(values, seed=3, device="cpu")
    network, order = start_training(classifier)
    drawn, draw = [], torch.randperm

    def keep_order(*arguments, **options):
        drawn.append(draw(*arguments, **options).tolist())
        return torch.tensor(drawn[-1])

    monkeypatch.setattr(torch, "randperm", keep_order)
    monkeypatch.setattr(accelerators, "has_numba", lambda: False)  # compiling takes seconds
    classifier.fit(np.zeros((40, 28, 28), np.uint8), np.arange(40, dtype=np.uint8) % 10)
    monkeypatch.undo()
    sampler = EpochOrder(40, order)
    assert drawn == [list(sampler), list(sampler)]
    fitted = classifier.network_.parameters()
    for own, theirs in zip(network.parameters(), fitted, strict=True):
        assert torch.equal(own, theirs)
