"""What is prepared before cells are measured."""

import pytest

from fmbench import runners
from fmbench.api.measuring_setup import MeasuringSetup
from fmbench.datasets.specs import MNIST_DIGITS, LocatedDataset
from fmbench.execution import fork_server
from fmbench.execution.session import RunOptions
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK


@pytest.fixture
def started(monkeypatch):
    """What the fork server was started with."""
    calls = []

    def start(threads, source, *, neural):
        calls.append((threads, source.spec.name, neural))

    monkeypatch.setattr(fork_server, "start_fork_server", start)
    return calls


def make_cell(name, **facts):
    return Cell(runners.get_runner(name), QUICK, 0, **facts)


def test_what_the_cells_need_is_loaded_while_a_run_is_prepared(source, tmp_path, started):
    with MeasuringSetup(tmp_path, source.folder, RunOptions(threads=2), None) as measuring:
        measuring.start_loading([])
        assert started == []
        measuring.start_loading([make_cell("gaussian-nb")])
        measuring._sources[MNIST_DIGITS.name] = LocatedDataset(MNIST_DIGITS, tmp_path, "a test")
        digits = make_cell("lenet5", dataset=MNIST_DIGITS)
        measuring.start_loading([digits, make_cell("gaussian-nb")])
        measuring.start_loading([digits])
    assert started == [
        (2, "fashion-mnist", False), (2, "fashion-mnist", True), (2, MNIST_DIGITS.name, True)
    ]  # fmt: skip


def test_on_a_cluster_nothing_is_loaded_here(source, tmp_path, started):
    with MeasuringSetup(tmp_path, source.folder, None, None) as measuring:
        measuring._cluster = object()
        measuring.start_loading([make_cell("gaussian-nb")])
    assert started == []
