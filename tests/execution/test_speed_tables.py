"""`make speed`: the table that it writes, and that all ways of training start alike."""

import importlib
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


def test_the_tables_of_the_readme_are_those_of_the_results(measure):
    text = measure.README.read_text(encoding="utf-8")
    block = text.split(measure.START)[1].split(measure.END)[0].strip()
    speed = measure.read_speed(measure.FOLDER)
    assert block == (measure.format_tables(speed) if speed else "")


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
